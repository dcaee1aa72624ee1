// The contents of io.portd.Ports as plain structs; proto/io.portd.Ports.varlink says the same in
// Varlink.
//
// Times are microseconds since 1970-01-01 UTC (int64: exact in a double until the year 2255). What
// is not known is absent, never zero.
#pragma once

#include "proto/event.hpp"
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
    std::optional<std::string> cursor; // of a reply of an earlier answer, to go on after it

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
    bool known = false; // false: it is not known which it was
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
    // Of the daemon's own namespace alone.
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
    // Those from which the kernel chooses, and how many of them are open; of the daemon's own
    // namespace alone.
    std::optional<std::int64_t> automatic_ports;
    std::optional<std::int64_t> open_automatic_ports;

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
    std::int64_t stored_leases = 0;
    std::int64_t stored_bytes = 0;
    std::vector<LossCount> losses;
    std::vector<Gap> gaps;              // the newest, at most 16
    std::vector<ClockStep> clock_steps; // the newest, at most 16
    std::int64_t cpu_usec = 0;
    std::int64_t resident_bytes = 0;

    bool operator==(const Status &) const = default;
};

} // namespace portd::proto
