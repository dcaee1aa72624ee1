// The sockets of one kernel table, as the ledger remembers them. Private to the ledger.
#pragma once

#include "model/ledger_notes.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace portd::model {

struct Record : RecordState {
    Lease lease;
    std::uint64_t scan = 0;          // number of the last scan that showed it
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
        std::optional<PortChosenBy> port_chosen_by;
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
    // Of the records that a scan has to show because no event tells their end, all are here.
    std::unordered_set<SocketKey> without_word;
    std::uint64_t scan = 0;
    std::size_t shown_in_scan = 0;
    bool scanning = false;
    bool scanned_whole = false;               // with Scope::all, ever
    std::optional<Instant> concluded;         // start of the last scan that told what is gone
    std::optional<Instant> scan_began;        // of the scan under way or the last one
    std::optional<Instant> scan_began_before; // of the one before that
    std::optional<Instant> watched_since;     // the first scan began
    Instant all_there_at{};                   // ScanFinished::others_were_there, last of
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
