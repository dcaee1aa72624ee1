// Private to the store: where leases that are over stand in the order of ends
// (model/end_order.hpp), in row time. It follows from the row of the lease, but for those of which
// portd learned late: what the horizon has passed already is filed in `late_end` with another
// place, behind the horizon.
#pragma once

#include "model/lease.hpp"
#include "store/database.hpp"
#include "store/part.hpp"
#include "store/recent_ends.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace portd::store {

// SQL for the place of the lease `l`, which is over.
std::string ended_at_sql(const Part &part);

// As leases are written, inside the caller's transaction.
class EndOrder {
  public:
    // `part` and `recent`, which hears of each end if it is there, live longer. The horizon is where
    // the last sample that is stored began.
    EndOrder(Database &database, const Part &part, RecentEnds *recent);

    // The lease is over, and is about to be written. `base_offset_us`: of its boot.
    void place(const model::Lease &lease, std::int64_t base_offset_us);

    // Another sample was committed.
    void move_horizon(std::int64_t to_us);

  private:
    // Where the lease stands as it is stored; nothing if it is not there or not over.
    std::optional<std::int64_t> stored_place(std::int64_t id);

    Database &database_;
    const Part &part_;
    RecentEnds *const recent_;
    std::int64_t horizon_us_;
    Statement put_late_;
};

} // namespace portd::store
