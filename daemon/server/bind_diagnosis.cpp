#include "bind_diagnosis.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace portd::server {
namespace {

// Those that block first; of these the ones that a process has, and listeners before connections.
auto rank(const proto::BindObstacle &obstacle) {
    return std::tuple(obstacle.verdict, obstacle.lease.phase == Phase::lingering,
                      obstacle.lease.role != Role::listener);
}

} // namespace

BindDiagnosis::BindDiagnosis(model::IntendedBind bind, std::int64_t since_us)
    : bind_(std::move(bind)), times_(since_us) {
    told_.network_namespace = bind_.network_namespace;
    told_.since_usec = since_us;
}

void BindDiagnosis::set_ports(const model::NamespacePorts &ports, std::uint16_t port) {
    told_.range_low = ports.local_range.low;
    told_.range_high = ports.local_range.high;
    told_.reserved_ports = model::port_list_text(ports.reserved);
    told_.in_range = ports.local_range.contains(port);
    told_.reserved = ports.is_reserved(port);
    told_.privileged = port < ports.unprivileged_start;
}

void BindDiagnosis::add_open(proto::Lease lease) {
    const auto [verdict, reason] = model::judge_bind(lease, bind_);
    switch (verdict) {
    case BindVerdict::blocks:
        ++told_.blocking;
        break;
    case BindVerdict::may_block:
        ++told_.perhaps_blocking;
        break;
    case BindVerdict::does_not_block:
        ++told_.not_blocking;
        break;
    }
    proto::BindObstacle obstacle{std::move(lease), verdict, reason, {}};
    if (verdict != BindVerdict::does_not_block)
        obstacle.shared_by = model::options_to_share(obstacle.lease);
    const auto place = std::ranges::upper_bound(told_.obstacles, rank(obstacle), {}, rank);
    told_.obstacles.insert(place, std::move(obstacle));
    if (told_.obstacles.size() > most_obstacles)
        told_.obstacles.pop_back();
}

void BindDiagnosis::add_past(const proto::Lease &lease) {
    const BindVerdict verdict = model::judge_bind(lease, bind_).verdict;
    if (verdict == BindVerdict::does_not_block)
        return;
    ++told_.leases;
    const bool is_listeners = lease.role == Role::listener || lease.role == Role::accepted;
    told_.automatic_leases += lease.port_choice == PortChoice::automatic && !is_listeners ? 1 : 0;
    programs_.add(lease);
    times_.add(lease, verdict);
}

void BindDiagnosis::add(proto::BindFailure failure) {
    if (failure.network_namespace != bind_.network_namespace ||
        (bind_.protocol && failure.protocol != *bind_.protocol))
        return;
    if (told_.failures.size() == most_failures)
        ++told_.failures_earlier;
    else
        told_.failures.push_back(std::move(failure));
}

proto::Diagnosis BindDiagnosis::finish() {
    told_.programs = programs_.summary(AuditOrder::leases, most_programs).groups;
    told_.blocked = times_.times();
    told_.blocked_earlier = times_.forgotten();
    std::ranges::reverse(told_.failures);
    return std::move(told_);
}

} // namespace portd::server
