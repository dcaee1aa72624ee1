// What the ledger knows of a lease beyond the lease itself: with it, and the leases as they are
// stored, another instance goes on where this one was.
#pragma once

#include "model/lease.hpp"
#include "model/observation.hpp"

#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

namespace portd::model {

// Where a socket stands with regard to the kernel.
enum class Standing : std::uint8_t {
    shown,     // in the table when last scanned
    absent,    // not in the last complete scan, and its lease is freed; a later scan may still
               // show it, and if it has a cookie its destroy event may follow at any time
    destroyed, // gone; the next scan, or the time that passes, tells how long its port lingers in
               // TIME_WAIT
    ended,     // gone, lease freed; kept for a moment to recognise late news
};

struct RecordState {
    Instant last_shown{}; // start of the last scan that showed it: lower bound of its end
    Instant settled_at{}; // when it became absent, destroyed or ended
    Standing standing = Standing::shown;
    std::optional<SocketKey> alias;  // its socket, where it goes by the key of a TIME_WAIT entry
    bool is_time_wait = false;       // a TIME_WAIT entry has been seen under its key
    bool time_wait_only = false;     // first met as TIME_WAIT: the socket it came from is not known
    bool closed_by_end = false;      // the end of the lease was also the first word of its closing
    Phase last_phase = Phase::bound; // before the lease ended
    Scope missed_by = Scope::nothing; // of the scan that made it absent
    bool has_had_peers = false;       // a UDP socket that had several: the lease names none
    bool is_unseen = false;           // counted as a socket of which only the end was told
    // What exact events told of the end; the earliest of each kind.
    bool frees_port = false;      // SocketReleased::frees_port
    bool peer_has_closed = false; // SocketClosed::peer_has_closed
    SocketClosed::Remains remains = SocketClosed::Remains::nothing;
    std::optional<Instant> released_at;
    std::optional<Instant> left_at; // SocketClosed::at
    std::uint16_t left_behind = 0;  // port of a TIME_WAIT entry that an earlier lease left, if any
    std::int64_t previous = 0;      // serial of the lease that its socket had before, if replaced

    bool operator==(const RecordState &) const = default;
};

struct LedgerNote {
    std::int64_t serial = 0; // of the lease
    SocketKey key;           // by which the ledger remembers it
    RecordState state;

    bool operator==(const LedgerNote &) const = default;
};

// Notes are kept as the bytes that they are.
static_assert(std::is_trivially_copyable_v<LedgerNote>);

// Since some moment.
struct LedgerNotes {
    std::vector<LedgerNote> changed;
    std::vector<std::int64_t> forgotten; // serials of leases that the ledger remembers no more
    std::vector<HolderSeen> claims;      // that came before any word of their sockets: all of them

    void clear() {
        changed.clear();
        forgotten.clear();
        claims.clear();
    }
};

} // namespace portd::model
