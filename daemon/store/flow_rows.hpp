// Private to the store: what a search for flows reads of a row of `lease`.
#pragma once

#include "store/database.hpp"
#include "store/lease_state.hpp"
#include "store/part.hpp"
#include "store/wall_times.hpp"

#include <cstdint>
#include <string_view>

namespace portd::store {

// A query's beginning, up to the name of its first table; the lease is `l`.
inline constexpr std::string_view select_flow_row =
    "SELECT l.id, l.port, l.peer_port, l.state, l.opened_by_us, l.first_observed_us, "
    "l.opened_spread_us, l.closed_us, l.closed_spread_us, l.freed_us, l.freed_spread_us FROM ";

// A row of such a query. A state or times that no lease has are a DamagedStore.
class FlowRow {
  public:
    // All live longer, and the row is read before the execution goes on.
    FlowRow(const Execution &row, const Part &part, Database &database);

    std::int64_t id() const { return id_; }
    std::int64_t port() const { return row_.integer(1); }
    std::uint16_t peer_port() const; // 0: none
    Span span() const { return state_.span; }
    // The row time in which the lease can have had its port.
    Stretch life() const;

  private:
    const Execution &row_;
    const Part &part_;
    Database &database_;
    std::int64_t id_;
    LeaseState state_;
};

} // namespace portd::store
