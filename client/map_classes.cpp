#include "client/map_classes.hpp"

#include "client/format.hpp"
#include "client/lease_text.hpp"

#include <algorithm>
#include <array>

namespace portd::client {
namespace {

constexpr std::size_t lingering_class = most_classes - 1;
constexpr std::size_t others_class = most_classes - 2;
constexpr std::int64_t second_usec = 1'000'000;

// The last component of the path.
std::string program_of(const proto::Lease &lease, Charset charset) {
    const proto::Process &process = telling(lease);
    if (!is_known(process))
        return lease.incomplete ? "withheld" : "unknown";
    if (is_kernel(process))
        return "kernel";
    const std::string &path =
        process.executable ? *process.executable : process.command.value_or("unknown");
    return escape_text(path.substr(path.rfind('/') + 1), charset);
}

} // namespace

void MapClasses::add(const proto::Lease &lease, Charset charset) {
    if (lease.local_port < low_ || lease.local_port > high_)
        return;
    Port &port = ports_[static_cast<std::size_t>(lease.local_port - low_)];
    ++port.leases;
    const proto::Moment *end = ended(lease);
    const bool lingers = lease.phase == Phase::lingering ||
                         (end && bounds_of(*end).latest.value_or(at_usec_) < at_usec_);
    if (lingers) {
        port.lingering = true;
    } else if (!port.program) {
        const auto [program, added] =
            programs_.try_emplace(program_of(lease, charset), programs_.size());
        port.program = program->second;
    }
    if (const auto opened = bounds_of(lease.opened).latest)
        port.oldest_usec = std::max(port.oldest_usec.value_or(0), at_usec_ - *opened);
}

std::int64_t MapClasses::used() const {
    return std::ranges::count_if(ports_, [](const Port &port) { return port.leases > 0; });
}

// The programs with most ports have a class each, all others one together.
PortMap MapClasses::by_program() const {
    std::vector<std::int64_t> counts(programs_.size());
    for (const Port &port : ports_)
        if (port.program)
            ++counts[*port.program];
    std::vector<std::string> names(programs_.size());
    std::vector<std::size_t> order(programs_.size());
    for (const auto &[name, number] : programs_) {
        names[number] = name;
        order[number] = number;
    }
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](std::size_t number) { return counts[number]; });

    PortMap map{low_, high_, std::vector<PortClass>(most_classes), {}};
    std::vector<std::uint8_t> class_of(programs_.size(), others_class);
    for (std::size_t rank = 0; rank < std::min(order.size(), others_class); ++rank) {
        class_of[order[rank]] = static_cast<std::uint8_t>(rank);
        map.classes[rank].label = names[order[rank]];
    }
    map.classes[others_class].label = "other programs";
    map.classes[lingering_class].label = "lingering (TIME_WAIT and its kin)";
    for (const Port &port : ports_) {
        std::optional<std::uint8_t> of;
        if (port.program)
            of = class_of[*port.program];
        else if (port.lingering)
            of = lingering_class;
        map.ports.push_back(of);
    }
    return map;
}

// By the last step that does not begin after the port's value.
PortMap MapClasses::by_steps(const std::vector<std::string> &labels,
                             const std::vector<std::int64_t> &from) const {
    PortMap map{low_, high_, {}, {}};
    for (const std::string &label : labels)
        map.classes.push_back({label, 0});
    map.classes.push_back({"not known", 0});
    for (const Port &port : ports_) {
        std::optional<std::uint8_t> of;
        const std::optional<std::int64_t> value =
            by_ == MapBy::churn ? std::optional(port.leases) : port.oldest_usec;
        if (port.leases > 0 && value)
            of = static_cast<std::uint8_t>(
                std::max<std::ptrdiff_t>(std::ranges::upper_bound(from, *value) - from.begin(), 1) -
                1);
        else if (port.leases > 0)
            of = static_cast<std::uint8_t>(labels.size());
        map.ports.push_back(of);
    }
    return map;
}

PortMap MapClasses::map() const {
    PortMap map;
    switch (by_) {
    case MapBy::program:
        map = by_program();
        break;
    case MapBy::age:
        map = by_steps(
            {"for less than a second", "for seconds", "for minutes", "for hours", "for days"},
            {0, second_usec, 60 * second_usec, 3600 * second_usec, 86'400 * second_usec});
        break;
    case MapBy::churn:
        map = by_steps(
            {"taken once", "2 or 3 times", "4 to 9 times", "10 to 99 times", "100 times or more"},
            {1, 2, 4, 10, 100});
        break;
    }
    for (const auto &of : map.ports)
        if (of)
            ++map.classes[*of].ports;
    return map;
}

} // namespace portd::client
