#include "samples.hpp"

namespace portd::proto::samples {
namespace {

Gap gap() {
    return {.since_usec = 1, .until_usec = 2, .cause = "overflow", .lost_events = 3};
}

} // namespace

Moment moment() {
    return {.usec = 5,
            .earliest_usec = 4,
            .latest_usec = 6,
            .provenance = Provenance::sampled,
            .boot_usec = 2};
}

Process process() {
    return {.provenance = Provenance::observed,
            .pid = 812,
            .start_usec = 7,
            .executable = "/usr/bin/curl",
            .command = "curl",
            .arguments = "curl https://example.net",
            .uid = 1000,
            .gid = 1000,
            .login_uid = 1000,
            .user = "ann",
            .control_group = "/user.slice",
            .unit = "session-1.scope",
            .slice = "user-1000.slice",
            .container = "c0ffee",
            .ancestors = {{.pid = 1, .command = "systemd"}}};
}

Lease lease() {
    return {.id = "b-4026531840-9-5",
            .boot_id = "b",
            .cookie = "9",
            .protocol = Protocol::tcp,
            .family = Family::ipv6,
            .local_address = "2001:db8::1",
            .local_port = 60609,
            .peer_address = "2001:db8::2",
            .peer_port = 443,
            .network_namespace = 4026531840,
            .network_namespace_name = "blue",
            .role = Role::client,
            .port_choice = PortChoice::automatic,
            .port_chosen_by = PortChosenBy::connect,
            .phase = Phase::freed,
            .outcome = Outcome::timed_out,
            .opened = moment(),
            .closed = moment(),
            .freed = moment(),
            .uid = 1000,
            .user = "ann",
            .opener = process(),
            .last_holder = process(),
            .holders = {process()},
            .bytes_sent = 10,
            .bytes_received = 20,
            .incomplete = true};
}

BindFailure bind_failure() {
    return {.boot_id = "b",
            .at_usec = 5,
            .boot_usec = 4,
            .protocol = Protocol::udp,
            .family = Family::ipv6,
            .local_address = "::",
            .local_port = 60609,
            .network_namespace = 4026531840,
            .network_namespace_name = "blue",
            .uid = 1000,
            .user = "ann",
            .process = process(),
            .error = "EADDRINUSE",
            .error_provenance = Provenance::inferred,
            .in_the_way = {lease()},
            .incomplete = true};
}

Coverage coverage() {
    return {.intervals = {{.since_usec = 1, .until_usec = 2, .source = CaptureTier::ebpf}},
            .gaps = {gap()},
            .complete = true,
            .clock_steps = {{.from_usec = 8, .to_usec = 3}}};
}

LeaseFilter lease_filter() {
    return {.port = 60609,
            .protocol = Protocol::udp,
            .pid = 812,
            .executable = "/usr/bin/curl",
            .command = "curl",
            .unit = "cron.service",
            .container = "0123456789ab",
            .uid = 33,
            .network_namespace = 4026531840,
            .network_namespace_name = "blue",
            .peer_address = "192.0.2.0/24",
            .peer_port = 443,
            .local_address = "198.51.100.1",
            .role = Role::client,
            .outcome = Outcome::refused,
            .shorter_than_usec = 1'000'000,
            .longer_than_usec = 1'000};
}

HistoryRequest history_request() {
    HistoryRequest request;
    static_cast<LeaseFilter &>(request) = lease_filter();
    request.at_usec = 5;
    request.within_usec = 2;
    request.since_usec = 3;
    request.until_usec = 7;
    request.limit = 10;
    request.newest_first = true;
    request.newest = 9;
    request.cursor = "1-o-5";
    return request;
}

ListRequest list_request() {
    ListRequest request;
    static_cast<LeaseFilter &>(request) = lease_filter();
    request.limit = 10;
    return request;
}

AuditRequest audit_request() {
    AuditRequest request;
    static_cast<LeaseFilter &>(request) = lease_filter();
    request.since_usec = 1;
    request.until_usec = 2;
    request.limit = 3;
    return request;
}

namespace {

AuditGroup audit_group() {
    return {.known = true,
            .withheld = true,
            .executable = "/usr/bin/curl",
            .command = "curl",
            .unit = "a.service",
            .container = "0123456789ab",
            .uid = 1000,
            .user = "alice",
            .peer_address = "192.0.2.1",
            .leases = 3,
            .open = 1,
            .bind_failures = 1,
            .outcomes = {{Outcome::refused, 1}, {Outcome::closed, 1}},
            .first_usec = 1,
            .last_usec = 9,
            .measured = 2,
            .median_usec = 3,
            .p99_usec = 4,
            .longest_usec = 5,
            .bytes_sent = 10,
            .bytes_received = 20};
}

} // namespace

AuditReply audit_reply() {
    return {.progress = AuditProgress{7, 8},
            .group = audit_group(),
            .other = audit_group(),
            .groups_in_other = 2,
            .coverage = coverage(),
            .withheld = true};
}

AttributeRequest attribute_request() {
    return {.flows = {{.at_usec = 1,
                       .duration_usec = 2,
                       .protocol = Protocol::udp,
                       .source_address = "10.0.0.1",
                       .source_port = 3,
                       .destination_address = "192.0.2.2",
                       .destination_port = 4,
                       .translated_source_address = "192.0.2.1",
                       .translated_source_port = 5,
                       .translated_destination_address = "10.0.0.2",
                       .translated_destination_port = 6}},
            .within_usec = 7,
            .network_namespace = 4026531840,
            .local_addresses = {"10.0.0.0/8"}};
}

AttributeReply attribute_reply() {
    const EndAttribution end{.confidence = Confidence::not_recorded,
                             .reasons = {AttributionReason::address_not_local},
                             .process = 0,
                             .last_holder = 1,
                             .user = "alice",
                             .candidates = {2, 3},
                             .leases = {"b-1-c2-3"},
                             .matching = 4,
                             .gaps = {"notRunning"},
                             .ports = {443}};
    return {.progress = AuditProgress{7, 8},
            .processes = {process()},
            .flows = {{.flow = 1, .side = FlowSide::source, .who = end, .responder = end}}};
}

WhyRequest why_request() {
    return {.port = 60609,
            .protocol = Protocol::udp,
            .local_address = "192.0.2.1",
            .network_namespace = 4026531840,
            .since_usec = 5};
}

WhyReply why_reply() {
    Diagnosis diagnosis{.network_namespace = 4026531840,
                        .range_low = 32768,
                        .range_high = 60999,
                        .reserved_ports = "50000",
                        .in_range = true,
                        .reserved = false,
                        .privileged = false,
                        .recorded = true,
                        .blocking = 1,
                        .perhaps_blocking = 2,
                        .not_blocking = 3,
                        .obstacles = {{.lease = lease(),
                                       .verdict = BindVerdict::may_block,
                                       .reason = BindReason::dual_stack_held,
                                       .shared_by = {"SO_REUSEPORT"}}},
                        .since_usec = 4,
                        .leases = 5,
                        .automatic_leases = 6,
                        .programs = {audit_group()},
                        .blocked = {{.since_usec = 7,
                                     .until_usec = 8,
                                     .certain = true,
                                     .leases = 9,
                                     .local_address = "::",
                                     .role = Role::client,
                                     .user = "alice",
                                     .process = lease().opener}},
                        .blocked_earlier = 10,
                        .failures = {bind_failure()},
                        .failures_earlier = 11,
                        .coverage = coverage(),
                        .withheld = true};
    return {.progress = AuditProgress{7, 8}, .diagnosis = std::move(diagnosis)};
}

ConflictsReply conflicts_reply() {
    return {.progress = AuditProgress{7, 8},
            .conflict = PortConflict{.port = 50000,
                                     .protocol = Protocol::udp,
                                     .holder = lease(),
                                     .automatic_leases = 1,
                                     .last_automatic_usec = 2,
                                     .programs = {audit_group()},
                                     .refused_binds = 3,
                                     .last_refused = bind_failure()},
            .summary = ConflictsSummary{.network_namespace = 4026531840,
                                        .range_low = 32768,
                                        .range_high = 60999,
                                        .reserved_ports = "50001",
                                        .since_usec = 4,
                                        .conflicts = 5,
                                        .reserved = 6,
                                        .choice_unknown = 7,
                                        .coverage = coverage(),
                                        .withheld = true}};
}

PressureRequest pressure_request() {
    return {.protocol = Protocol::udp,
            .network_namespace = 4026531840,
            .window_usec = 60'000'000,
            .limit = 3};
}

PressureReply pressure_reply() {
    return {.progress = AuditProgress{7, 8},
            .pool = PoolPressure{.network_namespace = 4026531840,
                                 .network_namespace_name = "blue",
                                 .protocol = Protocol::udp,
                                 .kind = "timeWait",
                                 .local_address = "192.0.2.1",
                                 .peer_address = "192.0.2.2",
                                 .peer_port = 443,
                                 .automatic_ports = 200,
                                 .range_low = 50000,
                                 .range_high = 50199,
                                 .time_wait_reuse = TimeWaitReuse::loopback,
                                 .used_ports = 6,
                                 .live_ports = 1,
                                 .bound_ports = 2,
                                 .lingering_ports = 3,
                                 .ports_per_hour = 4,
                                 .exhausted_usec = 5,
                                 .programs = {audit_group()},
                                 .taken_ports = 2,
                                 .taken_by = {audit_group()}},
            .summary = PressureSummary{.network_namespace = 4026531840,
                                       .range_low = 32768,
                                       .range_high = 60999,
                                       .reserved_ports = "50001",
                                       .window_usec = 4,
                                       .other_destinations = 5,
                                       .coverage = coverage(),
                                       .withheld = true}};
}

VerifyReply verify_reply() {
    return {.progress = VerifyProgress{"current-000001.db", 5},
            .file = FileReport{.file = "history-000001.db",
                               .sealed = true,
                               .bytes = 4096,
                               .leases = 7,
                               .bind_failures = 1,
                               .findings = {"row 3 missing from index"}},
            .sound = false,
            .record = {"overlap"}};
}

WhoReply who_reply() {
    return {.holders = {lease()},
            .last = lease(),
            .coverage = coverage(),
            .withheld = true,
            .truncated = true};
}

Explanation explanation() {
    return {.port = 60609,
            .iana_class = "dynamic",
            .iana_reference = "RFC 6335",
            .range_low = 32768,
            .range_high = 60999,
            .in_range = true,
            .reserved = true,
            .privileged = true,
            .recorded = true,
            .services = {"example/tcp"},
            .who = who_reply()};
}

Status status() {
    return {.version = "1",
            .tier = CaptureTier::procfs,
            .tier_reasons = {"no netlink"},
            .started_usec = 1,
            .watching_since_usec = 2,
            .last_snapshot_usec = 3,
            .samples = 33,
            .unseen_sockets = 34,
            .events_per_second = 35,
            .events_issued = 36,
            .events_received = 37,
            .events_lost = 38,
            .witness_misses = 39,
            .witness_overflows = 40,
            .self_check = SelfCheck{.at_usec = 40, .passed = true, .detail = "seen after 2 ms"},
            .interval_usec = 4,
            .ports = "dynamic",
            .range_low = 32768,
            .range_high = 60999,
            .network_namespace = 4026531840,
            .open_leases = 5,
            .leases_opened = 7,
            .leases_ended = 3,
            .bind_failures = 2,
            .gaps_recorded = 1,
            .pools = {{4026531840, Protocol::udp, 12, 28232, 11, 32768, 60999}},
            .state_directory = "/var/lib/portd",
            .stored_leases = 6,
            .stored_bytes = 7,
            .losses = {{.cause = "overflow", .events = 8}},
            .gaps = {gap()},
            .clock_steps = {{.from_usec = 8, .to_usec = 3}},
            .cpu_usec = 9,
            .resident_bytes = 10};
}

WatchRequest watch_request() {
    WatchRequest request;
    static_cast<LeaseFilter &>(request) = lease_filter();
    request.after_cursor = "w";
    return request;
}

ExportRequest export_request() {
    return {.since_usec = 1, .until_usec = 2, .follow = true, .after_cursor = "e"};
}

WatchReply watch_reply() {
    return {.event = Event::ended,
            .lease = lease(),
            .gap = gap(),
            .coverage = coverage(),
            .withheld = true,
            .cursor = "w"};
}

ExportReply export_reply() {
    return {
        .lease = lease(), .gap = gap(), .coverage = coverage(), .withheld = true, .cursor = "e"};
}

} // namespace portd::proto::samples
