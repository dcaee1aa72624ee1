#include "store/waiting_leases.hpp"

#include "store/flow_rows.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>

namespace portd::store {
namespace {

// Twice as many turns as it takes to read as many as ever wait.
constexpr std::size_t most_attempts = 16;
// Rows that lie together, and of which nothing else is read.
constexpr std::size_t leases_a_row = 2;

const std::string by_id =
    std::string(select_flow_row) + "lease AS l WHERE l.id > ?1 AND l.id <= ?2 ORDER BY l.id";

} // namespace

WaitingLeases::Known WaitingLeases::read(PartReader &part, std::size_t &budget) {
    if (state_ == part.state() && is_complete_)
        return Known::yes;
    if (++attempts_ > most_attempts)
        return Known::never;
    if (state_ != part.state()) {
        state_ = part.state();
        is_complete_ = false;
        read_up_to_.reset();
        leases_.clear();
    }
    const Part &of = part.part();
    if (!read_up_to_)
        read_up_to_ = of.indexed_lease.value_or(std::numeric_limits<std::int64_t>::min());
    Execution execution(part.statement(by_id));
    execution.bind(*read_up_to_).bind(of.sorted_lease);
    for (std::size_t read = 0; execution.next(); ++read) {
        if (read / leases_a_row >= budget) {
            budget = 0;
            return Known::not_yet;
        }
        const FlowRow row(execution, of, part.database());
        leases_.push_back({row.id(), row.life(), static_cast<std::uint16_t>(row.port()),
                           row.peer_port(), row.span() == Span::open});
        read_up_to_ = row.id();
    }
    is_complete_ = true;
    std::ranges::sort(leases_, {}, [](const Lease &one) { return std::tuple(one.port, one.id); });
    return Known::yes;
}

std::span<const WaitingLeases::Lease> WaitingLeases::of_port(std::uint16_t port) const {
    const auto found = std::ranges::equal_range(leases_, port, {}, &Lease::port);
    return {found.begin(), found.end()};
}

} // namespace portd::store
