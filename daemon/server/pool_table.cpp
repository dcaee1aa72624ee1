#include "pool_table.hpp"

#include "model/lease_rules.hpp"
#include "moment.hpp"
#include "proto/loopback.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <span>
#include <utility>

namespace portd::server {
namespace {

constexpr double hour_us = 3.6e9;
// An end is predicted from a growth of at least so many ports over the window, and at most so many
// steps from one point to the next ahead: a hundred windows.
constexpr std::int64_t least_growth = 4;
constexpr double furthest_steps = 100.0 * (PoolTable::points - 1);

bool is_connection(const proto::Lease &lease) {
    return lease.protocol == Protocol::tcp && lease.peer_address && lease.role != Role::accepted;
}

// No connect(2) gets its port: it has no destination, or was bound before it connected. The port of
// an accepted connection is its listener's.
bool took_port_from_all(const proto::Lease &lease) {
    return lease.protocol == Protocol::tcp &&
           (!is_connection(lease) || lease.port_choice == PortChoice::explicit_ ||
            lease.port_chosen_by == PortChosenBy::bind);
}

// Of a lease that can be as old as the window it is not known that it came in it.
bool is_new(const proto::Lease &lease, std::int64_t window_begins_us) {
    const auto earliest = earliest_usec(lease.opened);
    return earliest && *earliest > window_begins_us;
}

bool had_port_at(const proto::Lease &lease, std::optional<std::int64_t> end_us, std::int64_t at_us,
                 std::int64_t window_begins_us) {
    if (is_new(lease, window_begins_us) && latest_usec(lease.opened).value_or(at_us) > at_us)
        return false;
    return !end_us || *end_us >= at_us;
}

std::optional<std::int64_t> latest_of(const std::optional<proto::Moment> &moment) {
    return moment ? latest_usec(*moment) : std::nullopt;
}

// The growths of spans of so many steps from one point to the next, which end with the last one.
std::vector<double> growths(std::span<const std::int64_t> use, std::size_t steps) {
    std::vector<double> growths;
    for (std::size_t end = use.size() - 1; end >= steps; end -= steps)
        growths.push_back(static_cast<double>(use[end] - use[end - steps]));
    return growths;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// How many ports for each step from one point to the next, if it goes on as lately: as in the
// middle one of the last three steps, a quarter of the window. So neither a burst, nor a pause, of
// one step makes the growth. A few ports in them tell too little: then as in the quarters of the
// window, in the middle of the four. What did not grow lately, all in all, does not grow.
double growth_of(std::span<const std::int64_t> use) {
    constexpr std::size_t quarter = (PoolTable::points - 1) / 4;
    const auto lately = growths(use.last(quarter + 1), 1);
    const std::int64_t in_all = use.back() - use[use.size() - 1 - quarter];
    if (in_all == 0)
        return 0;
    if (std::abs(in_all) >= least_growth)
        return in_all > 0 ? std::max(median(lately), 0.0) : std::min(median(lately), 0.0);
    const double last = static_cast<double>(in_all) / quarter;
    const double usual = median(growths(use, quarter)) / quarter;
    return in_all > 0 ? std::clamp(usual, 0.0, last) : std::clamp(usual, last, 0.0);
}

std::string kind_of(bool is_destination, const proto::PoolPressure &pressure) {
    if (pressure.protocol == Protocol::udp)
        return "boundDatagrams";
    if (!is_destination)
        return "allStreams";
    return pressure.lingering_ports > pressure.live_ports ? "timeWait" : "oneDestination";
}

std::int64_t left_of(const proto::PoolPressure &pressure) {
    // Where the range is not known, nothing is known to be scarce.
    return pressure.automatic_ports ? *pressure.automatic_ports - pressure.used_ports : INT64_MAX;
}

} // namespace

PoolTable::Key PoolTable::whole_key(std::int64_t network_namespace, Protocol protocol) {
    return {.network_namespace = network_namespace,
            .protocol = protocol,
            .local_address = {},
            .peer_address = {}};
}

PoolTable::Key PoolTable::destination_key(const proto::Lease &connection) {
    Key key = whole_key(connection.network_namespace, connection.protocol);
    key.local_address = connection.local_address;
    key.peer_address = connection.peer_address.value_or("");
    key.peer_port = connection.peer_port.value_or(0);
    return key;
}

// Null if they are not known.
const model::NamespacePorts *PoolTable::ports_of(std::int64_t network_namespace) const {
    const auto found = settings_.ports->find(static_cast<std::uint32_t>(network_namespace));
    return found == settings_.ports->end() ? nullptr : &found->second;
}

std::optional<TimeWaitReuse> PoolTable::time_wait_reuse_in(std::int64_t network_namespace) const {
    const model::NamespacePorts *const ports = ports_of(network_namespace);
    return ports ? ports->time_wait_reuse : std::nullopt;
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
    if (wholes_.size() < 2 * most_namespaces)
        wholes_.insert(whole_key(lease.network_namespace, lease.protocol));
    if (!is_connection(lease))
        return;
    const Key key = destination_key(lease);
    const auto found = destinations_.find(key);
    if (found != destinations_.end())
        ++found->second;
    else if (destinations_.size() < most_destinations)
        destinations_.emplace(key, 1);
    else
        ++other_destinations_; // at most: the same one can come again
}

void PoolTable::choose() {
    for (const Key &key : wholes_)
        pools_[key];
    std::vector<std::pair<std::int64_t, const Key *>> destinations;
    for (const auto &[key, count] : destinations_)
        destinations.emplace_back(count, &key);
    std::ranges::stable_sort(destinations, std::ranges::greater{},
                             &std::pair<std::int64_t, const Key *>::first);
    for (std::size_t i = 0; i < destinations.size(); ++i)
        if (const Key &key = *destinations[i].second; i < settings_.destinations)
            pools_[key];
        else
            ++other_destinations_;
    for (const auto &[key, pool] : pools_) {
        names_[key.network_namespace];
        if (key.protocol == Protocol::tcp)
            taken_[whole_key(key.network_namespace, key.protocol)];
    }
}

std::int64_t PoolTable::instant_of(std::size_t point) const {
    const auto back = static_cast<std::int64_t>(points - 1 - point);
    return settings_.now_us - settings_.window_us * back / static_cast<std::int64_t>(points - 1);
}

void PoolTable::note_name(const proto::Lease &lease) {
    const auto found = names_.find(lease.network_namespace);
    if (found == names_.end())
        return;
    Name &name = found->second;
    const bool is_of_present = !lease.freed && lease.phase != Phase::lingering;
    if (is_of_present && !name.is_of_present)
        name = {lease.network_namespace_name, true};
    else if (is_of_present == name.is_of_present && lease.network_namespace_name)
        name.text = lease.network_namespace_name;
}

// By when its port was free. What is inferred of the end of TIME_WAIT is so late that it is over in
// any case.
std::optional<std::int64_t> PoolTable::end_of_use(const proto::Lease &lease) const {
    constexpr std::int64_t time_wait_us = std::chrono::microseconds(model::time_wait_span).count();
    const auto freed_us = latest_of(lease.freed);
    const bool is_inferred = lease.freed ? lease.freed->provenance == Provenance::inferred
                                         : lease.phase == Phase::lingering &&
                                               lease.network_namespace != settings_.own_namespace;
    const auto closed_us = latest_of(lease.closed);
    if (!is_inferred || !closed_us)
        return freed_us;
    return std::min(freed_us.value_or(*closed_us + time_wait_us), *closed_us + time_wait_us);
}

// By connect(2), a second after its connection.
bool PoolTable::can_be_taken_lingering(const proto::Lease &lease) const {
    return is_connection(lease) && !took_port_from_all(lease) &&
           proto::does_connect_reuse(time_wait_reuse_in(lease.network_namespace),
                                     lease.local_address, *lease.peer_address);
}

void PoolTable::add(const proto::Lease &lease) {
    note_name(lease);
    if (!can_be_automatic(lease))
        return;
    const Key whole = whole_key(lease.network_namespace, lease.protocol);
    add(lease, whole, pools_);
    if (is_connection(lease))
        add(lease, destination_key(lease), pools_);
    if (took_port_from_all(lease))
        add(lease, whole, taken_);
}

void PoolTable::add(const proto::Lease &lease, const Key &key, Pools &pools) const {
    const auto found = pools.find(key);
    if (found == pools.end())
        return;
    Pool &pool = found->second;
    const auto port = static_cast<std::size_t>(lease.local_port);
    const auto end_us = end_of_use(lease);
    const bool lingers_unused = can_be_taken_lingering(lease);
    const auto end_of_growth_us = lingers_unused && lease.closed ? latest_of(lease.closed) : end_us;
    const bool is_use = lease.phase != Phase::lingering || !lingers_unused;
    for (std::size_t point = 0; point < points; ++point)
        if ((is_use || end_of_growth_us) &&
            had_port_at(lease, end_of_growth_us, instant_of(point), instant_of(0)))
            pool.used.at(point).set(port);
    if (lease.freed || (end_us && *end_us < settings_.now_us))
        return;
    if (is_use)
        pool.used.back().set(port);
    if (pool.counted.emplace(pool.programs.group_number(lease), lease.local_port).second)
        pool.programs.add(lease);
    if (lease.phase == Phase::lingering)
        pool.lingering.set(port);
    else
        (lease.peer_address ? pool.live : pool.bound).set(port);
}

// Null where nothing is: of UDP.
const PoolTable::Pool *PoolTable::taken_from(const Key &key) const {
    const auto found = taken_.find(whole_key(key.network_namespace, key.protocol));
    return found != taken_.end() ? &found->second : nullptr;
}

// A few ports more or less are no trend, and none that was seen for a minute tells of the next
// days.
void PoolTable::predict(const std::array<std::int64_t, points> &use, std::int64_t unavailable,
                        proto::PoolPressure &pressure) const {
    const double slope = growth_of(use);
    const double step_us = static_cast<double>(settings_.window_us) / (points - 1);
    pressure.ports_per_hour = std::llround(slope * hour_us / step_us);
    if (!pressure.automatic_ports || pressure.exhausted_usec)
        return;
    const std::int64_t left = *pressure.automatic_ports - unavailable;
    const double steps_left = slope > 0 ? static_cast<double>(left) / slope : furthest_steps + 1;
    if (slope * (points - 1) >= least_growth && steps_left <= furthest_steps)
        pressure.exhausted_usec = settings_.now_us + std::llround(steps_left * step_us);
}

proto::PoolPressure PoolTable::told(const Key &key, const Pool &pool) const {
    const Pool *const taken = taken_from(key);
    const Pool *const beside = key.is_destination() ? taken : nullptr;
    const Ports bound = beside ? pool.bound | beside->used.back() : pool.bound;
    const auto count = [](const Ports &ports) { return static_cast<std::int64_t>(ports.count()); };

    proto::PoolPressure pressure;
    pressure.network_namespace = key.network_namespace;
    if (const auto name = names_.find(key.network_namespace); name != names_.end())
        pressure.network_namespace_name = name->second.text;
    pressure.protocol = key.protocol;
    if (key.is_destination()) {
        pressure.local_address = key.local_address;
        pressure.peer_address = key.peer_address;
        pressure.peer_port = key.peer_port;
    }
    if (key.protocol == Protocol::tcp)
        pressure.time_wait_reuse = time_wait_reuse_in(key.network_namespace);
    pressure.live_ports = count(pool.live);
    pressure.bound_ports = count(bound & ~pool.live);
    pressure.lingering_ports = count(pool.lingering & ~pool.live & ~bound);
    pressure.used_ports = count(pool.used.back() | pool.lingering | bound);
    pressure.kind = kind_of(key.is_destination(), pressure);
    if (const auto *const ports = ports_of(key.network_namespace)) {
        pressure.automatic_ports = ports->automatic_ports();
        pressure.range_low = ports->local_range.low;
        pressure.range_high = ports->local_range.high;
    }
    pressure.programs = pool.programs.summary(AuditOrder::leases, most_programs).groups;
    if (taken) {
        pressure.taken_ports = count(taken->used.back());
        pressure.taken_by = taken->programs.summary(AuditOrder::leases, most_programs).groups;
    }
    const auto use_at = [&](std::size_t point) {
        return count(beside ? pool.used.at(point) | beside->used.at(point) : pool.used.at(point));
    };
    // bind(2) gets none that lingers.
    const std::int64_t unavailable =
        key.is_destination() ? use_at(points - 1) : pressure.used_ports;
    if (pressure.automatic_ports && unavailable >= *pressure.automatic_ports)
        pressure.exhausted_usec = settings_.now_us;
    if (settings_.knows_past) {
        std::array<std::int64_t, points> use{};
        for (std::size_t point = 0; point < points; ++point)
            use.at(point) = use_at(point);
        predict(use, unavailable, pressure);
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
