#include "proto/codec.hpp"
#include "proto/decoding.hpp"
#include "proto/record_fields.hpp"

namespace portd::proto {

void describe(auto &visit, Is<LossCount> auto &loss) {
    visit("cause", loss.cause);
    visit("events", loss.events);
}

void describe(auto &visit, Is<SelfCheck> auto &check) {
    visit("atUsec", check.at_usec);
    visit("passed", check.passed);
    visit("detail", check.detail);
}

void describe(auto &visit, Is<PoolUse> auto &pool) {
    visit("networkNamespace", pool.network_namespace);
    visit("protocol", pool.protocol);
    visit("openPorts", pool.open_ports);
    visit("automaticPorts", pool.automatic_ports);
    visit("openAutomaticPorts", pool.open_automatic_ports);
    visit("rangeLow", pool.range_low, told_port);
    visit("rangeHigh", pool.range_high, told_port);
}

void describe(auto &visit, Is<Status> auto &status) {
    visit("version", status.version);
    visit("tier", status.tier);
    visit("tierReasons", status.tier_reasons);
    visit("startedUsec", status.started_usec);
    visit("watchingSinceUsec", status.watching_since_usec);
    visit("lastSnapshotUsec", status.last_snapshot_usec);
    visit("samples", status.samples);
    visit("unseenSockets", status.unseen_sockets);
    visit("eventsPerSecond", status.events_per_second, not_negative);
    visit("eventsIssued", status.events_issued, not_negative);
    visit("eventsReceived", status.events_received, not_negative);
    visit("eventsLost", status.events_lost, not_negative);
    visit("witnessMisses", status.witness_misses, not_negative);
    visit("witnessOverflows", status.witness_overflows, not_negative);
    visit("selfCheck", status.self_check);
    visit("intervalUsec", status.interval_usec);
    visit("ports", status.ports);
    visit("rangeLow", status.range_low, told_port);
    visit("rangeHigh", status.range_high, told_port);
    visit("networkNamespace", status.network_namespace);
    visit("openLeases", status.open_leases);
    visit("leasesOpened", status.leases_opened);
    visit("leasesEnded", status.leases_ended);
    visit("bindFailures", status.bind_failures);
    visit("gapsRecorded", status.gaps_recorded);
    visit("pools", status.pools);
    visit("stateDirectory", status.state_directory);
    visit("storedLeases", status.stored_leases);
    visit("storedBytes", status.stored_bytes);
    visit("losses", status.losses);
    visit("gaps", status.gaps);
    visit.list("clockSteps", status.clock_steps);
    visit("cpuUsec", status.cpu_usec);
    visit("residentBytes", status.resident_bytes);
}

void describe(auto &visit, Is<FileReport> auto &report) {
    visit("file", report.file);
    visit("sealed", report.sealed);
    visit("bytes", report.bytes);
    visit("leases", report.leases);
    visit("bindFailures", report.bind_failures);
    visit("findings", report.findings);
}

void describe(auto &visit, Is<VerifyProgress> auto &progress) {
    visit("file", progress.file);
    visit("examined", progress.examined);
}

void describe(auto &visit, Is<VerifyReply> auto &reply) {
    visit("progress", reply.progress);
    visit("file", reply.file);
    visit("sound", reply.sound);
    visit.list("record", reply.record);
}

json encode(const Status &value) {
    return encode_struct(value);
}
json encode(const VerifyReply &value) {
    return encode_struct(value);
}

template <>
Decoded<VerifyReply> decode(const json &parameters) {
    return decode_struct<VerifyReply>(parameters, Unknown::ignored);
}
template <>
Decoded<Status> decode(const json &parameters) {
    return decode_struct<Status>(parameters, Unknown::ignored);
}

} // namespace portd::proto
