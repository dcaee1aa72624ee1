// The contents of the methods Why, Conflicts and Pressure of io.portd.Ports, and their JSON; see
// messages.hpp and codec.hpp for the conventions.
#pragma once

#include "proto/codec.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::proto {

// Why a port cannot be bound: at that address, absent: at every one of IPv4 and IPv6.
struct WhyRequest {
    std::int64_t port = 0;
    std::optional<Protocol> protocol; // absent: either
    std::optional<std::string> local_address;
    std::optional<std::int64_t> network_namespace; // absent: the daemon's
    std::optional<std::int64_t> since_usec;        // absent: a day ago

    bool operator==(const WhyRequest &) const = default;
};

// An open lease of the port, and whether the bind fails because of it.
struct BindObstacle {
    Lease lease;
    BindVerdict verdict = BindVerdict::does_not_block;
    BindReason reason = BindReason::other_namespace;
    std::vector<std::string> shared_by; // options that let it pass if both sockets have set them

    bool operator==(const BindObstacle &) const = default;
};

// A stretch of time in which a bind would have failed.
struct BlockedTime {
    std::int64_t since_usec = 0;
    std::optional<std::int64_t> until_usec; // absent: it goes on
    bool certain = false;                   // false: perhaps not at all, or not in all of it
    std::int64_t leases = 0;                // one after the other, or at once
    std::string local_address;              // of the lease that it began with, as are the next ones
    std::optional<Role> role;
    std::optional<std::string> user;
    Process process;

    bool operator==(const BlockedTime &) const = default;
};

struct Diagnosis {
    std::int64_t network_namespace = 0;
    // Of the namespace, where they are known.
    std::optional<std::int64_t> range_low;
    std::optional<std::int64_t> range_high;
    std::optional<std::string> reserved_ports; // as in ip_local_reserved_ports
    std::optional<bool> in_range;
    std::optional<bool> reserved;
    std::optional<bool> privileged;
    bool recorded = false;
    std::int64_t blocking = 0;           // open leases that block,
    std::int64_t perhaps_blocking = 0;   // that may,
    std::int64_t not_blocking = 0;       // and that do not
    std::vector<BindObstacle> obstacles; // at most 16, those that block first
    std::int64_t since_usec = 0;         // the time that follows begins here
    std::int64_t leases = 0;             // that a bind would have met
    std::int64_t automatic_leases = 0;   // of these, of ports that the kernel chose
    std::vector<AuditGroup> programs;    // at most 5, with most of these leases
    std::vector<BlockedTime> blocked;    // the newest, at most 32, in the order of time
    std::int64_t blocked_earlier = 0;    // how many more
    std::vector<BindFailure> failures;   // the newest, at most 8, in the order of time
    std::int64_t failures_earlier = 0;   // how many more
    Coverage coverage;                   // of that time
    bool withheld = false;

    bool operator==(const Diagnosis &) const = default;
};

// One reply: how far it has come, or (the last one) the diagnosis.
struct WhyReply {
    std::optional<AuditProgress> progress;
    std::optional<Diagnosis> diagnosis;

    bool operator==(const WhyReply &) const = default;
};

struct ConflictsRequest {
    std::optional<std::int64_t> since_usec; // absent: a week ago

    bool operator==(const ConflictsRequest &) const = default;
};

// A port that a program binds of its own choice, and that the kernel may choose for anybody else.
struct PortConflict {
    std::int64_t port = 0;
    Protocol protocol = Protocol::tcp;
    std::optional<Lease> holder; // that has it now; absent: a bind of it was refused
    std::int64_t automatic_leases = 0;
    std::optional<std::int64_t> last_automatic_usec;
    std::vector<AuditGroup> programs; // whose those were, at most 3
    std::int64_t refused_binds = 0;   // because of such a lease
    std::optional<BindFailure> last_refused;

    bool operator==(const PortConflict &) const = default;
};

struct ConflictsSummary {
    std::int64_t network_namespace = 0;
    std::int64_t range_low = 0;
    std::int64_t range_high = 0;
    std::string reserved_ports;
    std::int64_t since_usec = 0;
    std::int64_t conflicts = 0;
    std::int64_t reserved = 0;       // ports that would be conflicts, but are reserved
    std::int64_t choice_unknown = 0; // that would be, if they were of a program's choice
    Coverage coverage;
    bool withheld = false;

    bool operator==(const ConflictsSummary &) const = default;
};

struct ConflictsReply {
    std::optional<AuditProgress> progress;
    std::optional<PortConflict> conflict;
    std::optional<ConflictsSummary> summary; // in the last reply

    bool operator==(const ConflictsReply &) const = default;
};

struct PressureRequest {
    // More than these is taken as these.
    static constexpr std::int64_t longest_window_usec = 86'400'000'000;
    static constexpr std::int64_t most_destinations = 32;

    std::optional<Protocol> protocol;
    std::optional<std::int64_t> network_namespace;
    std::optional<std::int64_t> window_usec; // absent: a minute
    std::optional<std::int64_t> limit;       // of destinations; absent: 8

    bool operator==(const PressureRequest &) const = default;
};

// How much of the ports that the kernel chooses from is in use for one purpose.
struct PoolPressure {
    std::int64_t network_namespace = 0;
    std::optional<std::string> network_namespace_name;
    Protocol protocol = Protocol::tcp;
    std::string kind; // a word of the list in the interface file
    std::optional<std::string> local_address;
    std::optional<std::string> peer_address;
    std::optional<std::int64_t> peer_port;
    std::optional<std::int64_t> automatic_ports; // absent, as are the next two: not known
    std::optional<std::int64_t> range_low;
    std::optional<std::int64_t> range_high;
    std::optional<TimeWaitReuse> time_wait_reuse; // of TCP; absent: not known
    std::int64_t used_ports = 0;
    std::int64_t live_ports = 0;
    std::int64_t bound_ports = 0;
    std::int64_t lingering_ports = 0;
    std::optional<std::int64_t> ports_per_hour; // growth of used_ports; absent: not known
    std::optional<std::int64_t> exhausted_usec; // at that growth; absent: never, or not known
    std::vector<AuditGroup> programs;           // at most 3, with most ports
    std::int64_t taken_ports = 0;               // of used_ports: no connection gets them
    std::vector<AuditGroup> taken_by;           // who has those, as in programs

    bool operator==(const PoolPressure &) const = default;
};

struct PressureSummary {
    std::int64_t network_namespace = 0; // the daemon's
    // Of the namespace that was asked for, else of the daemon's. Absent: not known.
    std::optional<std::int64_t> range_low;
    std::optional<std::int64_t> range_high;
    std::optional<std::string> reserved_ports;
    std::int64_t window_usec = 0;
    std::int64_t other_destinations = 0; // that are not told
    Coverage coverage;                   // of the window
    bool withheld = false;

    bool operator==(const PressureSummary &) const = default;
};

struct PressureReply {
    std::optional<AuditProgress> progress;
    std::optional<PoolPressure> pool;
    std::optional<PressureSummary> summary; // in the last reply

    bool operator==(const PressureReply &) const = default;
};

nlohmann::json encode(const WhyRequest &);
nlohmann::json encode(const WhyReply &);
nlohmann::json encode(const ConflictsRequest &);
nlohmann::json encode(const ConflictsReply &);
nlohmann::json encode(const PressureRequest &);
nlohmann::json encode(const PressureReply &);
// decode() is instantiated for each of these.

} // namespace portd::proto
