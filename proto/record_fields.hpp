// The descriptions (see fields.hpp) of what is on record, and of what several answers have.
#pragma once

#include "proto/fields.hpp"
#include "proto/messages.hpp"

namespace portd::proto {

void describe(auto &visit, Is<Moment> auto &moment) {
    visit("usec", moment.usec);
    visit("earliestUsec", moment.earliest_usec);
    visit("latestUsec", moment.latest_usec);
    visit("bootUsec", moment.boot_usec);
    visit("provenance", moment.provenance);
}

void describe(auto &visit, Is<Ancestor> auto &ancestor) {
    visit("pid", ancestor.pid);
    visit("command", ancestor.command);
}

void describe(auto &visit, Is<Process> auto &process) {
    visit("provenance", process.provenance);
    visit("pid", process.pid);
    visit("startUsec", process.start_usec);
    visit("executable", process.executable);
    visit("command", process.command);
    visit("arguments", process.arguments);
    visit("uid", process.uid);
    visit("gid", process.gid);
    visit("loginUid", process.login_uid);
    visit("user", process.user);
    visit("controlGroup", process.control_group);
    visit("unit", process.unit);
    visit("slice", process.slice);
    visit("container", process.container);
    visit.list("ancestors", process.ancestors);
}

void describe(auto &visit, Is<Lease> auto &lease) {
    visit("id", lease.id);
    visit("bootId", lease.boot_id);
    visit("cookie", lease.cookie);
    visit("protocol", lease.protocol);
    visit("family", lease.family);
    visit("localAddress", lease.local_address);
    visit("localPort", lease.local_port, told_port);
    visit("peerAddress", lease.peer_address);
    visit("peerPort", lease.peer_port, told_port);
    visit("networkNamespace", lease.network_namespace);
    visit("networkNamespaceName", lease.network_namespace_name);
    visit("role", lease.role);
    visit("portChoice", lease.port_choice);
    visit("portChosenBy", lease.port_chosen_by);
    visit("phase", lease.phase);
    visit("outcome", lease.outcome);
    visit("opened", lease.opened);
    visit("closed", lease.closed);
    visit("freed", lease.freed);
    visit("uid", lease.uid);
    visit("user", lease.user);
    visit("opener", lease.opener);
    visit("lastHolder", lease.last_holder);
    visit("holders", lease.holders);
    visit("bytesSent", lease.bytes_sent);
    visit("bytesReceived", lease.bytes_received);
    visit("incomplete", lease.incomplete);
}

void describe(auto &visit, Is<BindFailure> auto &failure) {
    visit("bootId", failure.boot_id);
    visit("atUsec", failure.at_usec);
    visit("bootUsec", failure.boot_usec);
    visit("protocol", failure.protocol);
    visit("family", failure.family);
    visit("localAddress", failure.local_address);
    visit("localPort", failure.local_port, told_port);
    visit("networkNamespace", failure.network_namespace);
    visit("networkNamespaceName", failure.network_namespace_name);
    visit("uid", failure.uid);
    visit("user", failure.user);
    visit("process", failure.process);
    visit("error", failure.error);
    visit("errorProvenance", failure.error_provenance);
    visit("inTheWay", failure.in_the_way);
    visit("incomplete", failure.incomplete);
}

void describe(auto &visit, Is<CoverageInterval> auto &interval) {
    visit("sinceUsec", interval.since_usec);
    visit("untilUsec", interval.until_usec);
    visit("source", interval.source);
}

void describe(auto &visit, Is<Gap> auto &gap) {
    visit("sinceUsec", gap.since_usec);
    visit("untilUsec", gap.until_usec);
    visit("cause", gap.cause);
    visit("lostEvents", gap.lost_events);
}

void describe(auto &visit, Is<ClockStep> auto &step) {
    visit("fromUsec", step.from_usec);
    visit("toUsec", step.to_usec);
}

void describe(auto &visit, Is<Coverage> auto &coverage) {
    visit("intervals", coverage.intervals);
    visit("gaps", coverage.gaps);
    visit.list("clockSteps", coverage.clock_steps);
    visit("complete", coverage.complete);
}

void describe(auto &visit, Is<OutcomeCount> auto &count) {
    visit("outcome", count.outcome);
    visit("leases", count.leases);
}

void describe(auto &visit, Is<AuditGroup> auto &group) {
    visit("known", group.known);
    visit.flag("withheld", group.withheld);
    visit("executable", group.executable);
    visit("command", group.command);
    visit("unit", group.unit);
    visit("container", group.container);
    visit("uid", group.uid);
    visit("user", group.user);
    visit("peerAddress", group.peer_address);
    visit("leases", group.leases);
    visit("open", group.open);
    visit("bindFailures", group.bind_failures);
    visit("outcomes", group.outcomes);
    visit("firstUsec", group.first_usec);
    visit("lastUsec", group.last_usec);
    visit("measured", group.measured);
    visit("medianUsec", group.median_usec);
    visit("p99Usec", group.p99_usec);
    visit("longestUsec", group.longest_usec);
    visit("bytesSent", group.bytes_sent);
    visit("bytesReceived", group.bytes_received);
}

void describe(auto &visit, Is<AuditProgress> auto &progress) {
    visit("examined", progress.examined);
    visit("reachedUsec", progress.reached_usec);
}

} // namespace portd::proto
