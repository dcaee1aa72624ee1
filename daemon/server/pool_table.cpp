#include "pool_table.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <utility>

namespace portd::server {
namespace {

constexpr double hour_us = 3.6e9;
// An end is predicted from a growth of at least so many ports over the window, and at most so many
// steps from one point to the next ahead: a hundred windows.
constexpr double least_growth = 4;
constexpr double furthest_steps = 100.0 * (PoolTable::points - 1);

bool is_connection(const proto::Lease &lease) {
    return lease.protocol == Protocol::tcp && lease.peer_address && lease.role != Role::accepted;
}

bool had_port_at(const proto::Lease &lease, std::int64_t at_us) {
    const proto::Moment &opened = lease.opened;
    const auto since = opened.usec ? opened.usec : opened.latest_usec;
    if (since.value_or(at_us) > at_us)
        return false;
    if (!lease.freed)
        return true;
    const auto until = lease.freed->usec ? lease.freed->usec : lease.freed->latest_usec;
    return until.value_or(at_us) >= at_us;
}

// The slope of the straight line that fits best (least squares), for each step from one point to
// the next.
double slope_of(std::span<const std::int64_t> values) {
    const double middle = static_cast<double>(values.size() - 1) / 2;
    double covariance = 0;
    double variance = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double x = static_cast<double>(i) - middle;
        covariance += x * static_cast<double>(values[i]);
        variance += x * x;
    }
    return covariance / variance;
}

std::string kind_of(bool is_destination, const proto::PoolPressure &pressure) {
    if (pressure.protocol == Protocol::udp)
        return "boundDatagrams";
    if (!is_destination)
        return "boundStreams";
    return pressure.lingering_ports > pressure.live_ports ? "timeWait" : "oneDestination";
}

std::int64_t left_of(const proto::PoolPressure &pressure) {
    // Where the range is not known, nothing is known to be scarce.
    return pressure.automatic_ports ? *pressure.automatic_ports - pressure.used_ports : INT64_MAX;
}

} // namespace

PoolTable::Key PoolTable::key_of(const proto::Lease &lease) {
    Key key{.network_namespace = lease.network_namespace,
            .protocol = lease.protocol,
            .local_address = {},
            .peer_address = {}};
    if (is_connection(lease)) {
        key.local_address = lease.local_address;
        key.peer_address = *lease.peer_address;
        key.peer_port = lease.peer_port.value_or(0);
    }
    return key;
}

// Null if they are not known.
const model::NamespacePorts *PoolTable::ports_of(std::int64_t network_namespace) const {
    const auto found = settings_.ports->find(static_cast<std::uint32_t>(network_namespace));
    return found == settings_.ports->end() ? nullptr : &found->second;
}

// Where that is not known, the ports that the kernel is known to have chosen.
bool PoolTable::can_be_automatic(const proto::Lease &lease) const {
    const model::NamespacePorts *const ports = ports_of(lease.network_namespace);
    return ports ? ports->can_be_automatic(static_cast<std::uint16_t>(lease.local_port))
                 : lease.port_choice == PortChoice::automatic;
}

void PoolTable::count(const proto::Lease &lease) {
    if (!can_be_automatic(lease))
        return;
    const Key key = key_of(lease);
    const auto found = leases_.find(key);
    if (found != leases_.end())
        ++found->second;
    else if (leases_.size() < most_destinations)
        leases_.emplace(key, 1);
    else
        ++other_destinations_; // at most: the same one can come again
}

void PoolTable::choose() {
    std::set<std::int64_t> namespaces;
    std::vector<std::pair<std::int64_t, const Key *>> destinations;
    for (const auto &[key, count] : leases_) {
        if (key.is_destination())
            destinations.emplace_back(count, &key);
        if (namespaces.size() < most_namespaces)
            namespaces.insert(key.network_namespace);
        if (!key.is_destination() && namespaces.contains(key.network_namespace))
            pools_[key];
    }
    std::ranges::stable_sort(destinations, std::ranges::greater{},
                             &std::pair<std::int64_t, const Key *>::first);
    for (std::size_t i = 0; i < destinations.size(); ++i)
        if (const Key &key = *destinations[i].second; i < settings_.destinations)
            pools_[key];
        else
            ++other_destinations_;
}

std::int64_t PoolTable::instant_of(std::size_t point) const {
    const auto back = static_cast<std::int64_t>(points - 1 - point);
    return settings_.now_us - settings_.window_us * back / static_cast<std::int64_t>(points - 1);
}

void PoolTable::add(const proto::Lease &lease) {
    if (!can_be_automatic(lease))
        return;
    const auto found = pools_.find(key_of(lease));
    if (found == pools_.end())
        return;
    Pool &pool = found->second;
    const auto port = static_cast<std::size_t>(lease.local_port);
    for (std::size_t point = 0; point < points; ++point)
        if (had_port_at(lease, instant_of(point)))
            pool.used.at(point).set(port);
    if (lease.freed)
        return;
    pool.used.back().set(port);
    if (pool.counted.emplace(pool.programs.group_number(lease), lease.local_port).second)
        pool.programs.add(lease);
    pool.namespace_name = lease.network_namespace_name;
    if (lease.phase == Phase::lingering)
        pool.lingering.set(port);
    else
        (lease.peer_address ? pool.live : pool.bound).set(port);
}

const PoolTable::Pool *PoolTable::bound_beside(const Key &key) const {
    const auto found = pools_.find({.network_namespace = key.network_namespace,
                                    .protocol = key.protocol,
                                    .local_address = {},
                                    .peer_address = {}});
    return key.is_destination() && found != pools_.end() ? &found->second : nullptr;
}

// By the growth of the last quarter of the window, or where there is none, of all of it. A few
// ports more or less are no trend, and none that was seen for a minute tells of the next days.
void PoolTable::predict(const std::array<std::int64_t, points> &use,
                        proto::PoolPressure &pressure) const {
    const std::span<const std::int64_t> all(use);
    double slope = slope_of(all.last(points / 4 + 1));
    if (slope == 0)
        slope = slope_of(all);
    const double step_us = static_cast<double>(settings_.window_us) / (points - 1);
    pressure.ports_per_hour = std::llround(slope * hour_us / step_us);
    const std::int64_t left = left_of(pressure);
    if (!pressure.automatic_ports)
        return;
    const double steps_left = slope > 0 ? static_cast<double>(left) / slope : furthest_steps + 1;
    if (left <= 0)
        pressure.exhausted_usec = settings_.now_us;
    else if (slope * (points - 1) >= least_growth && steps_left <= furthest_steps)
        pressure.exhausted_usec = settings_.now_us + std::llround(steps_left * step_us);
}

proto::PoolPressure PoolTable::told(const Key &key, const Pool &pool) const {
    const Pool *beside = bound_beside(key);
    const Ports bound = beside ? pool.bound | beside->used.back() : pool.bound;
    const auto count = [](const Ports &ports) { return static_cast<std::int64_t>(ports.count()); };

    proto::PoolPressure pressure;
    pressure.network_namespace = key.network_namespace;
    pressure.network_namespace_name = pool.namespace_name;
    pressure.protocol = key.protocol;
    if (key.is_destination()) {
        pressure.local_address = key.local_address;
        pressure.peer_address = key.peer_address;
        pressure.peer_port = key.peer_port;
    }
    pressure.live_ports = count(pool.live);
    pressure.bound_ports = count(bound & ~pool.live);
    pressure.lingering_ports = count(pool.lingering & ~pool.live & ~bound);
    pressure.used_ports = count(pool.used.back() | bound);
    pressure.kind = kind_of(key.is_destination(), pressure);
    if (const auto *const ports = ports_of(key.network_namespace)) {
        pressure.automatic_ports = ports->automatic_ports();
        pressure.range_low = ports->local_range.low;
        pressure.range_high = ports->local_range.high;
    }
    pressure.programs = pool.programs.summary(AuditOrder::leases, most_programs).groups;
    if (settings_.knows_past) {
        std::array<std::int64_t, points> use{};
        for (std::size_t point = 0; point < points; ++point)
            use.at(point) =
                count(beside ? pool.used.at(point) | beside->used.at(point) : pool.used.at(point));
        predict(use, pressure);
    }
    return pressure;
}

std::vector<proto::PoolPressure> PoolTable::pools() const {
    std::vector<proto::PoolPressure> pools;
    for (const auto &[key, pool] : pools_)
        pools.push_back(told(key, pool));
    std::ranges::stable_sort(pools, {}, left_of);
    return pools;
}

} // namespace portd::server
