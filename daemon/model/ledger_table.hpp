// The sockets of one kernel table, as the ledger remembers them. Private to the ledger.
#pragma once

#include "model/lease.hpp"
#include "model/observation.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>
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

struct Record {
    Lease lease;
    Instant last_shown{};   // start of the last scan that showed it: lower bound of its end
    Instant settled_at{};   // when it became absent, destroyed or ended
    std::uint64_t scan = 0; // number of the last scan that showed it
    Standing standing = Standing::shown;
    std::optional<SocketKey> alias;  // its socket, where it goes by the key of a TIME_WAIT entry
    bool is_time_wait = false;       // a TIME_WAIT entry has been seen under its key
    bool time_wait_only = false;     // first met as TIME_WAIT: the socket it came from is not known
    bool closed_by_end = false;      // the end of the lease was also the first word of its closing
    Phase last_phase = Phase::bound; // before the lease ended
    Scope missed_by = Scope::nothing; // of the scan that made it absent
    bool is_unseen = false;           // counted as a socket of which only the end was told
    // What exact events told of the end; the earliest of each kind.
    bool frees_port = false;      // SocketReleased::frees_port
    bool peer_has_closed = false; // SocketClosed::peer_has_closed
    SocketClosed::Remains remains = SocketClosed::Remains::nothing;
    std::optional<Instant> released_at;
    std::optional<Instant> left_at;  // SocketClosed::at
    std::uint16_t left_behind = 0;   // port of a TIME_WAIT entry that an earlier lease left, if any
    std::int64_t previous = 0;       // serial of the lease that its socket had before, if replaced
    std::vector<ProcessKey> omitted; // holders beyond Lease::max_holders, sorted
    static constexpr std::size_t max_omitted = 4096;

    static constexpr std::size_t unchanged = static_cast<std::size_t>(-1);
    std::size_t change = unchanged; // index into the changes to be taken
};

// A complete scan.
struct ScanSpan {
    Instant began{};
    Instant finished{};
};

struct Connection {
    Endpoint local;
    Endpoint peer;

    bool operator==(const Connection &) const = default;
};

} // namespace portd::model

template <>
struct std::hash<portd::model::Connection> {
    std::size_t operator()(const portd::model::Connection &c) const noexcept {
        std::uint64_t h = std::uint64_t{c.local.port} << 16 | c.peer.port;
        for (const auto *bytes : {c.local.address.bytes.data(), c.peer.address.bytes.data()})
            for (const std::size_t offset : {0U, 8U}) {
                std::uint64_t word;
                std::memcpy(&word, bytes + offset, sizeof word);
                h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
                h ^= h >> 32;
            }
        return h;
    }
};

namespace portd::model {

// Unconnected TCP sockets on one port: the ones that listen now, and when one was last known to
// end.
struct Listening {
    struct Listener {
        SocketKey key;
        Address address;
        std::optional<PortChoice> port_choice;
    };
    std::vector<Listener> listeners;
    std::optional<Instant> last_end;
};

struct TableState {
    Table table;
    std::unordered_map<SocketKey, Record> records;
    // Newest socket of each TCP connection, to join a TIME_WAIT entry with the socket it came from.
    std::unordered_map<Connection, SocketKey> by_connection;
    // Record::alias the other way round.
    std::unordered_map<SocketKey, SocketKey> renamed;
    std::unordered_map<std::uint16_t, Listening> listening;
    std::deque<std::pair<Instant, SocketKey>> settled;   // absent and ended, oldest first
    std::deque<std::pair<Instant, SocketKey>> destroyed; // awaiting the next scan, oldest first
    // In TIME_WAIT where no scan shows it: since when, oldest first. The peer has closed, or may
    // not have.
    std::deque<std::pair<Instant, SocketKey>> lingering_closed;
    std::deque<std::pair<Instant, SocketKey>> lingering_half_closed;
    std::uint64_t scan = 0;
    std::size_t shown_in_scan = 0;
    bool scanning = false;
    bool scanned_whole = false;               // with Scope::all, ever
    std::optional<Instant> concluded;         // start of the last scan that told what is gone
    std::optional<Instant> scan_began;        // of the scan under way or the last one
    std::optional<Instant> scan_began_before; // of the one before that
    std::optional<Instant> watched_since;     // the first scan began
    std::optional<ScanSpan> complete;         // the last complete scan
    std::optional<ScanSpan> complete_then;    // the complete scan before that

    // The newest complete scan that is remembered and was over by `at`.
    std::optional<ScanSpan> scan_over_by(Instant at) const {
        for (const auto &span : {complete, complete_then})
            if (span && span->finished <= at)
                return span;
        return std::nullopt;
    }
};

} // namespace portd::model
