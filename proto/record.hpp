// What portd has on record, as it is told: leases, bind failures, coverage; see messages.hpp.
#pragma once

#include "proto/vocabulary.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::proto {

// When something happened. `usec` for an instant that was observed; otherwise the bounds that are
// known: it happened no earlier than `earliest_usec` and no later than `latest_usec`.
struct Moment {
    std::optional<std::int64_t> usec;
    std::optional<std::int64_t> earliest_usec;
    std::optional<std::int64_t> latest_usec;
    Provenance provenance = Provenance::unknown;
    // CLOCK_BOOTTIME at `usec`, or at `latest_usec`, or at `earliest_usec` if that is all there is.
    std::optional<std::int64_t> boot_usec = std::nullopt;

    bool operator==(const Moment &) const = default;
};

struct Ancestor {
    std::int64_t pid = 0;
    std::string command;

    bool operator==(const Ancestor &) const = default;
};

// A process that held a socket. With provenance `unknown` every other field is absent.
struct Process {
    Provenance provenance = Provenance::unknown;
    std::optional<std::int64_t> pid;
    std::optional<std::int64_t> start_usec;
    std::optional<std::string> executable;
    std::optional<std::string> command;   // the kernel's `comm`, at most 15 bytes
    std::optional<std::string> arguments; // absent where the setting `arguments` is off
    std::optional<std::int64_t> uid;
    std::optional<std::int64_t> gid;
    std::optional<std::int64_t> login_uid;
    std::optional<std::string> user;
    std::optional<std::string> control_group;
    std::optional<std::string> unit;
    std::optional<std::string> slice;
    std::optional<std::string> container;
    std::vector<Ancestor> ancestors; // parent first

    bool operator==(const Process &) const = default;
};

struct Lease {
    std::string id; // stable and unique over all hosts and boots
    std::string boot_id;
    std::optional<std::string> cookie;
    Protocol protocol = Protocol::tcp;
    Family family = Family::ipv4;
    std::string local_address;
    std::int64_t local_port = 0;
    std::optional<std::string> peer_address;
    std::optional<std::int64_t> peer_port;
    std::int64_t network_namespace = 0; // inode number of the namespace
    std::optional<std::string> network_namespace_name;
    std::optional<Role> role;
    std::optional<PortChoice> port_choice;
    std::optional<PortChosenBy> port_chosen_by; // absent unless port_choice is automatic
    Phase phase = Phase::bound;
    std::optional<Outcome> outcome;
    Moment opened;
    std::optional<Moment> closed;    // the last holder let go
    std::optional<Moment> freed;     // the port could be taken again
    std::optional<std::int64_t> uid; // owner of the socket, known even where no process is
    std::optional<std::string> user;
    Process opener;
    Process last_holder;
    std::vector<Process> holders; // all that are known, in the order in which they were first seen
    std::optional<std::int64_t> bytes_sent;
    std::optional<std::int64_t> bytes_received;
    bool incomplete = false; // the caller may not see the rest

    bool operator==(const Lease &) const = default;
};

// An attempt to bind(2) a port that the kernel refused.
struct BindFailure {
    std::string boot_id;
    std::int64_t at_usec = 0;
    std::optional<std::int64_t> boot_usec; // CLOCK_BOOTTIME then
    Protocol protocol = Protocol::tcp;
    Family family = Family::ipv4;
    std::string local_address; // the requested ones
    std::int64_t local_port = 0;
    std::int64_t network_namespace = 0;
    std::optional<std::string> network_namespace_name;
    std::optional<std::int64_t> uid; // owner of the socket
    std::optional<std::string> user;
    Process process;                  // that tried
    std::optional<std::string> error; // EADDRINUSE or EACCES, where it follows from what is known
    Provenance error_provenance = Provenance::unknown;
    std::vector<Lease> in_the_way; // at most 16, listeners first
    bool incomplete = false;       // the caller may not see what else was in the way

    bool operator==(const BindFailure &) const = default;
};

// An interval in which portd was watching.
struct CoverageInterval {
    std::int64_t since_usec = 0;
    std::int64_t until_usec = 0;
    CaptureTier source = CaptureTier::sock_diag;

    bool operator==(const CoverageInterval &) const = default;
};

// An interval in which portd was not watching, or lost what it saw.
struct Gap {
    std::optional<std::int64_t> since_usec; // absent: before anything portd has a record of
    std::optional<std::int64_t> until_usec; // absent: up to now and beyond
    std::string cause;                      // a word of the list in the interface file
    std::optional<std::int64_t> lost_events;

    bool operator==(const Gap &) const = default;
};

// The wall clock was set while it showed `from_usec`, and showed `to_usec` then.
struct ClockStep {
    std::int64_t from_usec = 0;
    std::int64_t to_usec = 0;

    bool operator==(const ClockStep &) const = default;
};

// What portd can say about the interval that was asked for.
struct Coverage {
    std::vector<CoverageInterval> intervals;
    std::vector<Gap> gaps;
    bool complete = false; // watched without a gap, the port is recorded, nothing was withheld
    std::vector<ClockStep> clock_steps = {}; // that skip or repeat times of the interval

    bool operator==(const Coverage &) const = default;
};

} // namespace portd::proto
