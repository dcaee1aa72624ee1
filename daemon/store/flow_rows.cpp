#include "store/flow_rows.hpp"

#include "store/lease_times.hpp"

#include <algorithm>
#include <string>

namespace portd::store {
namespace {

// Of select_flow_row.
enum Column {
    id,
    port,
    peer_port,
    state,
    opened_by_us,
    first_observed_us,
    opened_spread_us,
    closed_us,
    closed_spread_us,
    freed_us,
    freed_spread_us,
};

} // namespace

FlowRow::FlowRow(const Execution &row, const Part &part, Database &database)
    : row_(row), part_(part), database_(database), id_(row.integer(Column::id)) {
    const auto known = unpack_state(row.integer(Column::state));
    if (!known)
        database.damaged("lease " + std::to_string(id_) + ": its state cannot be");
    state_ = *known;
}

std::uint16_t FlowRow::peer_port() const {
    return static_cast<std::uint16_t>(row_.optional_integer(Column::peer_port).value_or(0));
}

Stretch FlowRow::life() const {
    LeaseTimes times;
    times.kinds = state_.kinds;
    times.opened_by_us = row_.integer(Column::opened_by_us) + part_.moment_us(part_.serial_of(id_));
    times.first_observed_us = row_.integer(Column::first_observed_us);
    times.opened_spread_us = row_.optional_integer(Column::opened_spread_us);
    times.closed_us = row_.optional_integer(Column::closed_us);
    times.closed_spread_us = row_.optional_integer(Column::closed_spread_us);
    times.freed_us = row_.optional_integer(Column::freed_us);
    times.freed_spread_us = row_.optional_integer(Column::freed_spread_us);
    model::Lease lease;
    if (row_.is_null(Column::first_observed_us) || !unpack_times(times, lease))
        database_.damaged("lease " + std::to_string(id_) + ": its times cannot be");
    Stretch life;
    if (lease.opened.earliest)
        life.since_us = std::min(to_us(*lease.opened.earliest), times.opened_by_us);
    if (lease.freed && lease.freed->latest)
        life.until_us = to_us(*lease.freed->latest);
    return life;
}

} // namespace portd::store
