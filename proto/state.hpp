// How the daemon and its store are: the contents of the methods Status and Verify; see
// messages.hpp.
#pragma once

#include "proto/record.hpp"

namespace portd::proto {

struct LossCount {
    std::string cause;
    std::int64_t events = 0;

    bool operator==(const LossCount &) const = default;
};

// The last time the daemon made sure that it sees what happens, by looking for something that it
// did itself.
struct SelfCheck {
    std::int64_t at_usec = 0;
    bool passed = false;
    std::string detail;

    bool operator==(const SelfCheck &) const = default;
};

// Ports with an open lease, of one protocol in one network namespace.
struct PoolUse {
    std::int64_t network_namespace = 0;
    Protocol protocol = Protocol::tcp;
    std::int64_t open_ports = 0;
    // Those from which the kernel chooses, and how many of them are open; and the range in which
    // they are. Absent: not known.
    std::optional<std::int64_t> automatic_ports;
    std::optional<std::int64_t> open_automatic_ports;
    std::optional<std::int64_t> range_low;
    std::optional<std::int64_t> range_high;

    bool operator==(const PoolUse &) const = default;
};

struct Status {
    std::string version;
    CaptureTier tier = CaptureTier::sock_diag;
    std::vector<std::string> tier_reasons; // why not a better one
    std::int64_t started_usec = 0;
    std::optional<std::int64_t> watching_since_usec; // start of the present uninterrupted interval
    std::optional<std::int64_t> last_snapshot_usec;
    std::int64_t samples = 0;        // since the start
    std::int64_t unseen_sockets = 0; // known from their end alone, since the start
    // Of tiers with hooks in the kernel; events since the start, but for the rate.
    std::optional<std::int64_t> events_per_second; // over the last interval
    std::optional<std::int64_t> events_issued;
    std::optional<std::int64_t> events_received;
    std::optional<std::int64_t> events_lost;
    // Of tiers with a second witness: sockets that it saw end and capture had not seen.
    std::optional<std::int64_t> witness_misses;
    std::optional<std::int64_t> witness_overflows; // how often it did not hear all
    std::optional<SelfCheck> self_check;
    std::int64_t interval_usec = 0;
    std::string ports; // the setting: dynamic, all, or the list
    std::int64_t range_low = 0;
    std::int64_t range_high = 0;
    std::int64_t network_namespace = 0;
    std::int64_t open_leases = 0;
    // Since the start.
    std::int64_t leases_opened = 0;
    std::int64_t leases_ended = 0;
    std::int64_t bind_failures = 0;
    std::int64_t gaps_recorded = 0;
    std::vector<PoolUse> pools;
    std::optional<std::string> state_directory; // where history is kept
    std::int64_t stored_leases = 0;
    std::int64_t stored_bytes = 0;
    std::vector<LossCount> losses;
    std::vector<Gap> gaps;              // the newest, at most 16
    std::vector<ClockStep> clock_steps; // the newest, at most 16
    std::int64_t cpu_usec = 0;
    std::int64_t resident_bytes = 0;

    bool operator==(const Status &) const = default;
};

// What is wrong with one file of the store, or nothing; or how far its check has come.
struct FileReport {
    std::string file;
    bool sealed = false; // it is never written again
    std::int64_t bytes = 0;
    std::int64_t leases = 0;
    std::int64_t bind_failures = 0;
    std::vector<std::string> findings; // at most 16, for people

    bool operator==(const FileReport &) const = default;
};

struct VerifyProgress {
    std::string file;
    std::int64_t examined = 0; // rows

    bool operator==(const VerifyProgress &) const = default;
};

// One reply of a verification: how far it has come, a file, or (the last one) the verdict.
struct VerifyReply {
    std::optional<VerifyProgress> progress;
    std::optional<FileReport> file;
    std::optional<bool> sound;       // last reply: nothing is wrong anywhere
    std::vector<std::string> record; // last reply: what is wrong with the record of coverage

    bool operator==(const VerifyReply &) const = default;
};

} // namespace portd::proto
