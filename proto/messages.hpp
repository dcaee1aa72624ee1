// The contents of io.portd.Ports as plain structs; proto/io.portd.Ports.varlink says the same in
// Varlink.
//
// Times are microseconds since 1970-01-01 UTC (int64: exact in a double until the year 2255). What
// is not known is absent, never zero.
#pragma once

#include "proto/event.hpp"
#include "proto/record.hpp"
#include "proto/state.hpp"
#include "proto/vocabulary.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::proto {

// Which leases are asked for. The conditions are joined by AND; those from pid to container must be
// true of one and the same process.
struct LeaseFilter {
    std::optional<std::int64_t> port;
    std::optional<Protocol> protocol;
    std::optional<std::int64_t> pid;
    std::optional<std::string> executable; // with a slash the whole path, else its last component
    std::optional<std::string> command;
    std::optional<std::string> unit;
    std::optional<std::string> container; // whole, or the first 4 or more hexadecimal digits
    std::optional<std::int64_t> uid;      // owner of the socket
    std::optional<std::int64_t> network_namespace;
    std::optional<std::string> network_namespace_name;
    std::optional<std::string> peer_address; // "192.0.2.1" or "192.0.2.0/24", as is the other one
    std::optional<std::int64_t> peer_port;
    std::optional<std::string> local_address;
    std::optional<Role> role;
    std::optional<Outcome> outcome;
    // From the opening until no process had the socket, or until now.
    std::optional<std::int64_t> shorter_than_usec;
    std::optional<std::int64_t> longer_than_usec;

    bool operator==(const LeaseFilter &) const = default;
};

// An interval selects the leases that may have held the port at some moment of [since, until]; `at`
// with `within` is the interval [at - within, at + within].
struct HistoryRequest : LeaseFilter {
    std::optional<std::int64_t> at_usec;
    std::optional<std::int64_t> within_usec;
    std::optional<std::int64_t> since_usec;
    std::optional<std::int64_t> until_usec;
    std::optional<std::int64_t> limit;
    bool newest_first = false;
    std::optional<std::int64_t> newest; // instead of these: the newest so many, oldest first
    std::optional<std::string> cursor;  // of a reply of an earlier answer, to go on after it

    bool operator==(const HistoryRequest &) const = default;
};

struct ListRequest : LeaseFilter {
    std::optional<std::int64_t> limit;

    bool operator==(const ListRequest &) const = default;
};

// One reply of a history or list stream: a lease, a bind failure (history only), or (the last one)
// the coverage.
struct LeaseReply {
    std::optional<Lease> lease;
    std::optional<BindFailure> bind_failure;
    std::optional<std::string> cursor; // history only: the position after this entry
    std::optional<Coverage> coverage;
    bool withheld = false; // last reply: leases of other users were left out or cut

    bool operator==(const LeaseReply &) const = default;
};

// Leases and bind failures as History selects them, summed up.
struct AuditRequest : LeaseFilter {
    static constexpr std::int64_t most_groups = 1024; // a limit above is taken as this

    std::optional<std::int64_t> since_usec;
    std::optional<std::int64_t> until_usec;
    AuditBy by = AuditBy::program;
    AuditOrder order = AuditOrder::leases;
    std::optional<std::int64_t> limit; // at most so many groups are told one by one

    bool operator==(const AuditRequest &) const = default;
};

struct OutcomeCount {
    Outcome outcome = Outcome::closed;
    std::int64_t leases = 0;

    bool operator==(const OutcomeCount &) const = default;
};

// What leases with one program, unit, user or peer come to. Of its name only what it was grouped by
// is there; nothing where there was no such thing (no unit, no peer).
struct AuditGroup {
    bool known = false;    // false: it is not known which it was,
    bool withheld = false; // or the caller may not see that
    std::optional<std::string> executable;
    std::optional<std::string> command; // where the executable is not known
    std::optional<std::string> unit;
    std::optional<std::string> container;
    std::optional<std::int64_t> uid;
    std::optional<std::string> user;
    std::optional<std::string> peer_address;
    std::int64_t leases = 0;
    std::int64_t open = 0; // of these
    std::int64_t bind_failures = 0;
    std::vector<OutcomeCount> outcomes;
    std::optional<std::int64_t> first_usec; // openings and attempts to bind: earliest and latest
    std::optional<std::int64_t> last_usec;
    std::int64_t measured = 0; // leases whose length is known; the lengths are theirs
    std::optional<std::int64_t> median_usec;
    std::optional<std::int64_t> p99_usec;
    std::optional<std::int64_t> longest_usec;
    std::int64_t bytes_sent = 0;
    std::int64_t bytes_received = 0;

    bool operator==(const AuditGroup &) const = default;
};

struct AuditProgress {
    std::int64_t examined = 0;                // leases and bind failures
    std::optional<std::int64_t> reached_usec; // opening of the lease that was looked at last

    bool operator==(const AuditProgress &) const = default;
};

// One reply of an audit: how far it has come, a group, or (the last one) all other groups together
// and the coverage.
struct AuditReply {
    std::optional<AuditProgress> progress;
    std::optional<AuditGroup> group;
    std::optional<AuditGroup> other;
    std::int64_t groups_in_other = 0; // that were told apart: there may have been more
    std::optional<Coverage> coverage;
    bool withheld = false; // last reply: leases of other users were left out

    bool operator==(const AuditReply &) const = default;
};

struct WatchRequest : LeaseFilter {
    std::optional<std::string> after_cursor; // of an earlier reply: go on after it

    bool operator==(const WatchRequest &) const = default;
};

struct WatchReply {
    Event event = Event::ready;
    std::optional<Lease> lease;        // open, opened, ended
    std::optional<Gap> gap;            // gap
    std::optional<Coverage> coverage;  // ready: of that instant
    bool withheld = false;             // ready: leases of other users are left out or cut
    std::optional<std::string> cursor; // the position after this reply; none for `open`

    bool operator==(const WatchReply &) const = default;
};

// The interval selects as in a HistoryRequest, among the leases that have ended.
struct ExportRequest {
    std::optional<std::int64_t> since_usec;
    std::optional<std::int64_t> until_usec;
    bool follow = false; // go on with leases as they end
    std::optional<std::string> after_cursor;

    bool operator==(const ExportRequest &) const = default;
};

// A lease, a gap, or (the last one, which there is none of if `follow` was asked for) the coverage.
struct ExportReply {
    std::optional<Lease> lease;
    std::optional<Gap> gap;
    std::optional<Coverage> coverage;
    bool withheld = false; // last reply: leases of other users were left out
    std::optional<std::string> cursor;

    bool operator==(const ExportReply &) const = default;
};

struct PortRequest {
    std::int64_t port = 0;

    bool operator==(const PortRequest &) const = default;
};

// Who holds a port now; if nobody, the lease that ended last.
struct WhoReply {
    std::vector<Lease> holders;
    std::optional<Lease> last;
    Coverage coverage; // of the instant of the answer
    bool withheld = false;
    bool truncated = false; // more leases hold the port than one reply takes; a list stream has all

    bool operator==(const WhoReply &) const = default;
};

struct Explanation {
    std::int64_t port = 0;
    std::string iana_class;     // system, user or dynamic
    std::string iana_reference; // the RFC section that defines the class
    std::int64_t range_low = 0; // net.ipv4.ip_local_port_range of the namespace
    std::int64_t range_high = 0;
    bool in_range = false;
    bool reserved = false;             // in net.ipv4.ip_local_reserved_ports
    bool privileged = false;           // below net.ipv4.ip_unprivileged_port_start
    bool recorded = false;             // portd's setting records leases of this port
    std::vector<std::string> services; // "name/protocol", from the services database
    WhoReply who;

    bool operator==(const Explanation &) const = default;
};

} // namespace portd::proto
