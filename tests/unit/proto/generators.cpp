#include "generators.hpp"

#include <rapidcheck.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace portd::proto::samples {
namespace {

using Integer = std::int64_t;

bool flip() {
    return *rc::gen::arbitrary<bool>();
}
Integer any_integer() {
    return *rc::gen::arbitrary<Integer>();
}
Integer any_port() {
    return *rc::gen::inRange<Integer>(1, 65536);
}
Integer any_positive() {
    return *rc::gen::positive<Integer>();
}

Integer any_32_bits() {
    return *rc::gen::arbitrary<std::uint32_t>();
}

std::string any_text() {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(
        rc::gen::element<std::string>("a", "Z", "0", " ", "\"", "\\", "\n", "\x01", "\x7f", "{",
                                      "é", "\U0001F980", std::string(1, '\0')));
    std::string text;
    for (const std::string &piece : pieces)
        text += piece;
    return text;
}

template <typename Enum>
Enum any_of(std::initializer_list<Enum> values) {
    return *rc::gen::elementOf(std::vector<Enum>(values));
}

Protocol any_protocol() {
    return any_of({Protocol::tcp, Protocol::udp});
}

Role any_role() {
    return any_of({Role::client, Role::listener, Role::accepted, Role::datagram});
}

Outcome any_outcome() {
    return any_of({Outcome::closed, Outcome::refused, Outcome::reset, Outcome::timed_out,
                   Outcome::unreachable, Outcome::abandoned});
}

Provenance any_provenance() {
    return any_of(
        {Provenance::observed, Provenance::sampled, Provenance::inferred, Provenance::unknown});
}

CaptureTier any_tier() {
    return any_of({CaptureTier::ebpf, CaptureTier::sock_diag, CaptureTier::procfs});
}

template <typename Make>
auto maybe(Make make) -> std::optional<decltype(make())> {
    if (flip())
        return make();
    return std::nullopt;
}

template <typename Make>
auto several(Make make) {
    std::vector<decltype(make())> values;
    for (int count = *rc::gen::inRange(0, 4); count > 0; --count)
        values.push_back(make());
    return values;
}

Moment any_moment() {
    return {.usec = maybe(any_integer),
            .earliest_usec = maybe(any_integer),
            .latest_usec = maybe(any_integer),
            .provenance = any_provenance(),
            .boot_usec = maybe(any_integer)};
}

ClockStep any_clock_step() {
    return {.from_usec = any_integer(), .to_usec = any_integer()};
}

Ancestor any_ancestor() {
    return {.pid = any_integer(), .command = any_text()};
}

Process any_process() {
    return {.provenance = any_provenance(),
            .pid = maybe(any_integer),
            .start_usec = maybe(any_integer),
            .executable = maybe(any_text),
            .command = maybe(any_text),
            .arguments = maybe(any_text),
            .uid = maybe(any_integer),
            .gid = maybe(any_integer),
            .login_uid = maybe(any_integer),
            .user = maybe(any_text),
            .control_group = maybe(any_text),
            .unit = maybe(any_text),
            .slice = maybe(any_text),
            .container = maybe(any_text),
            .ancestors = several(any_ancestor)};
}

CoverageInterval any_interval() {
    return {.since_usec = any_integer(), .until_usec = any_integer(), .source = any_tier()};
}

Gap any_gap() {
    return {.since_usec = maybe(any_integer),
            .until_usec = maybe(any_integer),
            .cause = any_text(),
            .lost_events = maybe(any_integer)};
}

SelfCheck any_self_check() {
    return {.at_usec = any_integer(), .passed = flip(), .detail = any_text()};
}

LossCount any_loss() {
    return {.cause = any_text(), .events = any_integer()};
}

} // namespace

Lease any_lease() {
    return {.id = any_text(),
            .boot_id = any_text(),
            .cookie = maybe(any_text),
            .protocol = any_protocol(),
            .family = any_of({Family::ipv4, Family::ipv6}),
            .local_address = any_text(),
            .local_port = any_port(),
            .peer_address = maybe(any_text),
            .peer_port = maybe(any_port),
            .network_namespace = any_integer(),
            .network_namespace_name = maybe(any_text),
            .role = maybe(any_role),
            .port_choice = maybe([] {
                return any_of({PortChoice::automatic, PortChoice::explicit_});
            }),
            .port_chosen_by = maybe([] {
                return any_of({PortChosenBy::bind, PortChosenBy::listen, PortChosenBy::connect,
                               PortChosenBy::send});
            }),
            .phase = any_of({Phase::bound, Phase::listening, Phase::connecting, Phase::connected,
                             Phase::closing, Phase::lingering, Phase::freed}),
            .outcome = maybe(any_outcome),
            .opened = any_moment(),
            .closed = maybe(any_moment),
            .freed = maybe(any_moment),
            .uid = maybe(any_integer),
            .user = maybe(any_text),
            .opener = any_process(),
            .last_holder = any_process(),
            .holders = several(any_process),
            .bytes_sent = maybe(any_integer),
            .bytes_received = maybe(any_integer),
            .incomplete = flip()};
}

BindFailure any_bind_failure() {
    return {.boot_id = any_text(),
            .at_usec = any_integer(),
            .boot_usec = maybe(any_integer),
            .protocol = any_protocol(),
            .family = any_of({Family::ipv4, Family::ipv6}),
            .local_address = any_text(),
            .local_port = any_port(),
            .network_namespace = any_integer(),
            .network_namespace_name = maybe(any_text),
            .uid = maybe(any_integer),
            .user = maybe(any_text),
            .process = any_process(),
            .error = maybe(any_text),
            .error_provenance = any_provenance(),
            .in_the_way = several(any_lease),
            .incomplete = flip()};
}

Coverage any_coverage() {
    return {.intervals = several(any_interval),
            .gaps = several(any_gap),
            .complete = flip(),
            .clock_steps = several(any_clock_step)};
}

LeaseFilter any_lease_filter() {
    return {.port = maybe(any_port),
            .protocol = maybe(any_protocol),
            .pid = maybe(any_positive),
            .executable = maybe(any_text),
            .command = maybe(any_text),
            .unit = maybe(any_text),
            .container = maybe(any_text),
            .uid = maybe(any_32_bits),
            .network_namespace = maybe(any_32_bits),
            .network_namespace_name = maybe(any_text),
            .peer_address = maybe(any_text),
            .peer_port = maybe(any_port),
            .local_address = maybe(any_text),
            .role = maybe(any_role),
            .outcome = maybe(any_outcome),
            .shorter_than_usec = maybe(any_positive),
            .longer_than_usec = maybe(any_positive)};
}

HistoryRequest any_history_request() {
    HistoryRequest request;
    static_cast<LeaseFilter &>(request) = any_lease_filter();
    request.at_usec = maybe(any_integer);
    request.within_usec = maybe(any_positive);
    request.since_usec = maybe(any_integer);
    request.until_usec = maybe(any_integer);
    request.limit = maybe(any_positive);
    request.newest_first = flip();
    request.newest = maybe(any_positive);
    request.cursor = maybe(any_text);
    return request;
}

ListRequest any_list_request() {
    ListRequest request;
    static_cast<LeaseFilter &>(request) = any_lease_filter();
    request.limit = maybe(any_positive);
    return request;
}

namespace {

AuditGroup any_audit_group() {
    return {.known = flip(),
            .withheld = flip(),
            .executable = maybe(any_text),
            .command = maybe(any_text),
            .unit = maybe(any_text),
            .container = maybe(any_text),
            .uid = maybe(any_integer),
            .user = maybe(any_text),
            .peer_address = maybe(any_text),
            .leases = any_integer(),
            .open = any_integer(),
            .bind_failures = any_integer(),
            .outcomes = several([] {
                return OutcomeCount{any_of({Outcome::closed, Outcome::refused}), any_integer()};
            }),
            .first_usec = maybe(any_integer),
            .last_usec = maybe(any_integer),
            .measured = any_integer(),
            .median_usec = maybe(any_integer),
            .p99_usec = maybe(any_integer),
            .longest_usec = maybe(any_integer),
            .bytes_sent = any_integer(),
            .bytes_received = any_integer()};
}

FileReport any_file_report() {
    return {.file = any_text(),
            .sealed = flip(),
            .bytes = any_integer(),
            .leases = any_integer(),
            .bind_failures = any_integer(),
            .findings = several(any_text)};
}

BindObstacle any_obstacle() {
    return {.lease = any_lease(),
            .verdict =
                any_of({BindVerdict::blocks, BindVerdict::may_block, BindVerdict::does_not_block}),
            .reason = any_of({BindReason::same_address, BindReason::ipv6_connection,
                              BindReason::other_namespace}),
            .shared_by = several(any_text)};
}

BlockedTime any_blocked_time() {
    return {.since_usec = any_integer(),
            .until_usec = maybe(any_integer),
            .certain = flip(),
            .leases = any_integer(),
            .local_address = any_text(),
            .role = maybe(any_role),
            .user = maybe(any_text),
            .process = any_process()};
}

Diagnosis any_diagnosis() {
    return {.network_namespace = any_integer(),
            .range_low = maybe(any_port),
            .range_high = maybe(any_port),
            .reserved_ports = maybe(any_text),
            .in_range = maybe(flip),
            .reserved = maybe(flip),
            .privileged = maybe(flip),
            .recorded = flip(),
            .blocking = any_integer(),
            .perhaps_blocking = any_integer(),
            .not_blocking = any_integer(),
            .obstacles = several(any_obstacle),
            .since_usec = any_integer(),
            .leases = any_integer(),
            .automatic_leases = any_integer(),
            .programs = several(any_audit_group),
            .blocked = several(any_blocked_time),
            .blocked_earlier = any_integer(),
            .failures = several(any_bind_failure),
            .failures_earlier = any_integer(),
            .coverage = any_coverage(),
            .withheld = flip()};
}

} // namespace

AttributeRequest any_attribute_request() {
    return {.flows = several([] {
                return Flow{.at_usec = any_integer(),
                            .duration_usec = maybe(any_positive),
                            .protocol = maybe(any_protocol),
                            .source_address = maybe(any_text),
                            .source_port = maybe(any_port),
                            .destination_address = maybe(any_text),
                            .destination_port = maybe(any_port),
                            .translated_source_address = maybe(any_text),
                            .translated_source_port = maybe(any_port),
                            .translated_destination_address = maybe(any_text),
                            .translated_destination_port = maybe(any_port)};
            }),
            .within_usec = maybe(any_positive),
            .network_namespace = maybe(any_32_bits),
            .local_addresses = several(any_text)};
}

namespace {

EndAttribution any_end_attribution() {
    return {.confidence = any_of({Confidence::exact, Confidence::likely, Confidence::nobody}),
            .reasons = several([] {
                return any_of({AttributionReason::tuple, AttributionReason::inferred});
            }),
            .process = maybe(any_positive),
            .last_holder = maybe(any_positive),
            .user = maybe(any_text),
            .candidates = several(any_positive),
            .leases = several(any_text),
            .matching = any_positive(),
            .gaps = several(any_text),
            .ports = several(any_positive)};
}

} // namespace

AttributeReply any_attribute_reply() {
    return {.progress = maybe([] {
                return AuditProgress{any_integer(), maybe(any_integer)};
            }),
            .processes = several(any_process),
            .flows = several([] {
                return FlowAttribution{.flow = any_positive(),
                                       .side = maybe([] {
                                           return any_of({FlowSide::source, FlowSide::destination});
                                       }),
                                       .who = any_end_attribution(),
                                       .responder = maybe(any_end_attribution)};
            })};
}

WhyRequest any_why_request() {
    return {.port = any_port(),
            .protocol = maybe(any_protocol),
            .local_address = maybe(any_text),
            .network_namespace = maybe(any_32_bits),
            .since_usec = maybe(any_integer)};
}

WhyReply any_why_reply() {
    return {.progress = maybe([] {
                return AuditProgress{any_integer(), maybe(any_integer)};
            }),
            .diagnosis = maybe(any_diagnosis)};
}

ConflictsRequest any_conflicts_request() {
    return {.since_usec = maybe(any_integer)};
}

ConflictsReply any_conflicts_reply() {
    ConflictsReply reply;
    reply.conflict = maybe([] {
        return PortConflict{.port = any_port(),
                            .protocol = any_protocol(),
                            .holder = maybe(any_lease),
                            .automatic_leases = any_integer(),
                            .last_automatic_usec = maybe(any_integer),
                            .programs = several(any_audit_group),
                            .refused_binds = any_integer(),
                            .last_refused = maybe(any_bind_failure)};
    });
    reply.summary = maybe([] {
        return ConflictsSummary{.network_namespace = any_integer(),
                                .range_low = any_port(),
                                .range_high = any_port(),
                                .reserved_ports = any_text(),
                                .since_usec = any_integer(),
                                .conflicts = any_integer(),
                                .reserved = any_integer(),
                                .choice_unknown = any_integer(),
                                .coverage = any_coverage(),
                                .withheld = flip()};
    });
    return reply;
}

PressureRequest any_pressure_request() {
    return {.protocol = maybe(any_protocol),
            .network_namespace = maybe(any_32_bits),
            .window_usec = maybe(any_positive),
            .limit = maybe(any_positive)};
}

PressureReply any_pressure_reply() {
    PressureReply reply;
    reply.pool = maybe([] {
        return PoolPressure{.network_namespace = any_integer(),
                            .network_namespace_name = maybe(any_text),
                            .protocol = any_protocol(),
                            .kind = any_text(),
                            .local_address = maybe(any_text),
                            .peer_address = maybe(any_text),
                            .peer_port = maybe(any_port),
                            .automatic_ports = maybe(any_integer),
                            .range_low = maybe(any_port),
                            .range_high = maybe(any_port),
                            .time_wait_reuse = maybe([] {
                                return any_of({TimeWaitReuse::never, TimeWaitReuse::always,
                                               TimeWaitReuse::loopback});
                            }),
                            .used_ports = any_integer(),
                            .live_ports = any_integer(),
                            .bound_ports = any_integer(),
                            .lingering_ports = any_integer(),
                            .ports_per_hour = maybe(any_integer),
                            .exhausted_usec = maybe(any_integer),
                            .programs = several(any_audit_group),
                            .taken_ports = any_integer(),
                            .taken_by = several(any_audit_group)};
    });
    reply.summary = maybe([] {
        return PressureSummary{.network_namespace = any_integer(),
                               .range_low = maybe(any_port),
                               .range_high = maybe(any_port),
                               .reserved_ports = maybe(any_text),
                               .window_usec = any_integer(),
                               .other_destinations = any_integer(),
                               .coverage = any_coverage(),
                               .withheld = flip()};
    });
    return reply;
}

AuditRequest any_audit_request() {
    AuditRequest request;
    static_cast<LeaseFilter &>(request) = any_lease_filter();
    request.since_usec = maybe(any_integer);
    request.until_usec = maybe(any_integer);
    request.by = any_of({AuditBy::program, AuditBy::unit, AuditBy::user, AuditBy::peer});
    request.order =
        any_of({AuditOrder::leases, AuditOrder::failures, AuditOrder::bytes, AuditOrder::longest});
    request.limit = maybe(any_positive);
    return request;
}

AuditReply any_audit_reply() {
    return {.progress = maybe([] {
                return AuditProgress{any_integer(), maybe(any_integer)};
            }),
            .group = maybe(any_audit_group),
            .other = maybe(any_audit_group),
            .groups_in_other = *rc::gen::inRange<Integer>(0, 9),
            .coverage = maybe(any_coverage),
            .withheld = flip()};
}

VerifyReply any_verify_reply() {
    return {.progress = maybe([] {
                return VerifyProgress{any_text(), any_integer()};
            }),
            .file = maybe(any_file_report),
            .sound = maybe(flip),
            .record = several(any_text)};
}

LeaseReply any_lease_reply() {
    return {.lease = maybe(any_lease),
            .bind_failure = maybe(any_bind_failure),
            .cursor = maybe(any_text),
            .coverage = maybe(any_coverage),
            .withheld = flip()};
}

WatchRequest any_watch_request() {
    WatchRequest request;
    static_cast<LeaseFilter &>(request) = any_lease_filter();
    request.after_cursor = maybe(any_text);
    return request;
}

ExportRequest any_export_request() {
    return {.since_usec = maybe(any_integer),
            .until_usec = maybe(any_integer),
            .follow = flip(),
            .after_cursor = maybe(any_text)};
}

WatchReply any_watch_reply() {
    return {.event = any_of({Event::open, Event::ready, Event::opened, Event::ended, Event::gap}),
            .lease = maybe(any_lease),
            .gap = maybe(any_gap),
            .coverage = maybe(any_coverage),
            .withheld = flip(),
            .cursor = maybe(any_text)};
}

ExportReply any_export_reply() {
    return {.lease = maybe(any_lease),
            .gap = maybe(any_gap),
            .coverage = maybe(any_coverage),
            .withheld = flip(),
            .cursor = maybe(any_text)};
}

WhoReply any_who_reply() {
    return {.holders = several(any_lease),
            .last = maybe(any_lease),
            .coverage = any_coverage(),
            .withheld = flip(),
            .truncated = flip()};
}

Explanation any_explanation() {
    return {.port = any_port(),
            .iana_class = any_text(),
            .iana_reference = any_text(),
            .range_low = any_port(),
            .range_high = any_port(),
            .in_range = flip(),
            .reserved = flip(),
            .privileged = flip(),
            .recorded = flip(),
            .services = several(any_text),
            .who = any_who_reply()};
}

Status any_status() {
    return {.version = any_text(),
            .tier = any_tier(),
            .tier_reasons = several(any_text),
            .started_usec = any_integer(),
            .watching_since_usec = maybe(any_integer),
            .last_snapshot_usec = maybe(any_integer),
            .samples = any_integer(),
            .unseen_sockets = any_integer(),
            .events_per_second = maybe(any_positive),
            .events_issued = maybe(any_positive),
            .events_received = maybe(any_positive),
            .events_lost = maybe(any_positive),
            .witness_misses = maybe(any_positive),
            .witness_overflows = maybe(any_positive),
            .self_check = maybe(any_self_check),
            .interval_usec = any_integer(),
            .ports = any_text(),
            .range_low = any_port(),
            .range_high = any_port(),
            .network_namespace = any_integer(),
            .open_leases = any_integer(),
            .leases_opened = any_integer(),
            .leases_ended = any_integer(),
            .bind_failures = any_integer(),
            .gaps_recorded = any_integer(),
            .pools = several([] {
                return PoolUse{any_integer(),      any_protocol(),     any_integer(),
                               maybe(any_integer), maybe(any_integer), maybe(any_port),
                               maybe(any_port)};
            }),
            .state_directory = maybe(any_text),
            .stored_leases = any_integer(),
            .stored_bytes = any_integer(),
            .losses = several(any_loss),
            .gaps = several(any_gap),
            .clock_steps = several(any_clock_step),
            .cpu_usec = any_integer(),
            .resident_bytes = any_integer()};
}

} // namespace portd::proto::samples
