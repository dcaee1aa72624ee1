#include "proto/answers.hpp"
#include "proto/decoding.hpp"
#include "proto/record_fields.hpp"

namespace portd::proto {

void describe(auto &visit, Is<WhyRequest> auto &request) {
    visit("port", request.port, asked_port);
    visit("protocol", request.protocol);
    visit("localAddress", request.local_address);
    visit("networkNamespace", request.network_namespace, number_of_32_bits);
    visit("sinceUsec", request.since_usec);
}

void describe(auto &visit, Is<BindObstacle> auto &obstacle) {
    visit("lease", obstacle.lease);
    visit("verdict", obstacle.verdict);
    visit("reason", obstacle.reason);
    visit.list("sharedBy", obstacle.shared_by);
}

void describe(auto &visit, Is<BlockedTime> auto &time) {
    visit("sinceUsec", time.since_usec);
    visit("untilUsec", time.until_usec);
    visit("certain", time.certain);
    visit("leases", time.leases);
    visit("localAddress", time.local_address);
    visit("role", time.role);
    visit("user", time.user);
    visit("process", time.process);
}

void describe(auto &visit, Is<Diagnosis> auto &diagnosis) {
    visit("networkNamespace", diagnosis.network_namespace);
    visit("rangeLow", diagnosis.range_low, told_port);
    visit("rangeHigh", diagnosis.range_high, told_port);
    visit("reservedPorts", diagnosis.reserved_ports);
    visit("inRange", diagnosis.in_range);
    visit("reserved", diagnosis.reserved);
    visit("privileged", diagnosis.privileged);
    visit("recorded", diagnosis.recorded);
    visit("blocking", diagnosis.blocking);
    visit("perhapsBlocking", diagnosis.perhaps_blocking);
    visit("notBlocking", diagnosis.not_blocking);
    visit("obstacles", diagnosis.obstacles);
    visit("sinceUsec", diagnosis.since_usec);
    visit("leases", diagnosis.leases);
    visit("automaticLeases", diagnosis.automatic_leases);
    visit("programs", diagnosis.programs);
    visit("blocked", diagnosis.blocked);
    visit("blockedEarlier", diagnosis.blocked_earlier);
    visit("failures", diagnosis.failures);
    visit("failuresEarlier", diagnosis.failures_earlier);
    visit("coverage", diagnosis.coverage);
    visit("withheld", diagnosis.withheld);
}

void describe(auto &visit, Is<WhyReply> auto &reply) {
    visit("progress", reply.progress);
    visit("diagnosis", reply.diagnosis);
}

void describe(auto &visit, Is<ConflictsRequest> auto &request) {
    visit("sinceUsec", request.since_usec);
}

void describe(auto &visit, Is<PortConflict> auto &conflict) {
    visit("port", conflict.port, told_port);
    visit("protocol", conflict.protocol);
    visit("holder", conflict.holder);
    visit("automaticLeases", conflict.automatic_leases);
    visit("lastAutomaticUsec", conflict.last_automatic_usec);
    visit("programs", conflict.programs);
    visit("refusedBinds", conflict.refused_binds);
    visit("lastRefused", conflict.last_refused);
}

void describe(auto &visit, Is<ConflictsSummary> auto &summary) {
    visit("networkNamespace", summary.network_namespace);
    visit("rangeLow", summary.range_low, told_port);
    visit("rangeHigh", summary.range_high, told_port);
    visit("reservedPorts", summary.reserved_ports);
    visit("sinceUsec", summary.since_usec);
    visit("conflicts", summary.conflicts);
    visit("reserved", summary.reserved);
    visit("choiceUnknown", summary.choice_unknown);
    visit("coverage", summary.coverage);
    visit("withheld", summary.withheld);
}

void describe(auto &visit, Is<ConflictsReply> auto &reply) {
    visit("progress", reply.progress);
    visit("conflict", reply.conflict);
    visit("summary", reply.summary);
}

void describe(auto &visit, Is<PressureRequest> auto &request) {
    visit("protocol", request.protocol);
    visit("networkNamespace", request.network_namespace, number_of_32_bits);
    visit("windowUsec", request.window_usec, positive);
    visit("limit", request.limit, positive);
}

void describe(auto &visit, Is<PoolPressure> auto &pool) {
    visit("networkNamespace", pool.network_namespace);
    visit("networkNamespaceName", pool.network_namespace_name);
    visit("protocol", pool.protocol);
    visit("kind", pool.kind);
    visit("localAddress", pool.local_address);
    visit("peerAddress", pool.peer_address);
    visit("peerPort", pool.peer_port, told_port);
    visit("automaticPorts", pool.automatic_ports);
    visit("rangeLow", pool.range_low, told_port);
    visit("rangeHigh", pool.range_high, told_port);
    visit("timeWaitReuse", pool.time_wait_reuse);
    visit("usedPorts", pool.used_ports);
    visit("livePorts", pool.live_ports);
    visit("boundPorts", pool.bound_ports);
    visit("lingeringPorts", pool.lingering_ports);
    visit("portsPerHour", pool.ports_per_hour);
    visit("exhaustedUsec", pool.exhausted_usec);
    visit("programs", pool.programs);
    visit("takenPorts", pool.taken_ports);
    visit("takenBy", pool.taken_by);
}

void describe(auto &visit, Is<PressureSummary> auto &summary) {
    visit("networkNamespace", summary.network_namespace);
    visit("rangeLow", summary.range_low, told_port);
    visit("rangeHigh", summary.range_high, told_port);
    visit("reservedPorts", summary.reserved_ports);
    visit("windowUsec", summary.window_usec);
    visit("otherDestinations", summary.other_destinations);
    visit("coverage", summary.coverage);
    visit("withheld", summary.withheld);
}

void describe(auto &visit, Is<PressureReply> auto &reply) {
    visit("progress", reply.progress);
    visit("pool", reply.pool);
    visit("summary", reply.summary);
}

json encode(const WhyRequest &value) {
    return encode_struct(value);
}
json encode(const WhyReply &value) {
    return encode_struct(value);
}
json encode(const ConflictsRequest &value) {
    return encode_struct(value);
}
json encode(const ConflictsReply &value) {
    return encode_struct(value);
}
json encode(const PressureRequest &value) {
    return encode_struct(value);
}
json encode(const PressureReply &value) {
    return encode_struct(value);
}

template <>
Decoded<WhyRequest> decode(const json &parameters) {
    return decode_struct<WhyRequest>(parameters, Unknown::refused);
}
template <>
Decoded<WhyReply> decode(const json &parameters) {
    return decode_struct<WhyReply>(parameters, Unknown::ignored);
}
template <>
Decoded<ConflictsRequest> decode(const json &parameters) {
    return decode_struct<ConflictsRequest>(parameters, Unknown::refused);
}
template <>
Decoded<ConflictsReply> decode(const json &parameters) {
    return decode_struct<ConflictsReply>(parameters, Unknown::ignored);
}
template <>
Decoded<PressureRequest> decode(const json &parameters) {
    return decode_struct<PressureRequest>(parameters, Unknown::refused);
}
template <>
Decoded<PressureReply> decode(const json &parameters) {
    return decode_struct<PressureReply>(parameters, Unknown::ignored);
}

} // namespace portd::proto
