// Private to the store: the times of a lease as the few small numbers of its row. Pure.
//
// Most times are instants that were observed one soon after the other: so they are kept as
// distances, which SQLite stores in no more bytes than they need
// (sqlite.org/fileformat2.html, 2.1), and what is not so ordinary as a code.
#pragma once

#include "model/lease.hpp"

#include <cstdint>
#include <optional>

namespace portd::store {

// The latest moment at which the lease can have been opened. Where opened.latest is not known,
// portd had word of the lease at first_observed: it was open by then.
model::Instant opened_by(const model::Lease &lease);

// The earliest moment from which it can be told who had the port. Where opened.earliest is not
// known (portd found the socket when it began, or after it had lost events), no process had it
// before it began itself; of one before that, and of the socket then, portd would know if it had
// watched. Absent: since any time of the boot.
std::optional<model::Instant> held_from(const model::Lease &lease);

// Microseconds. Of each of the three times, the one bound that there is or else the latest:
//   opened  is `opened_by`; closed follows after it, freed after closed (or opened_by if there is
//   no
//           bound of closed)
// and `spread` how much earlier the earliest is where both are known and differ.
struct LeaseTimes {
    std::int64_t opened_by_us = 0;
    std::int64_t first_observed_us = 0; // after opened_by
    std::optional<std::int64_t> opened_spread_us;
    std::optional<std::int64_t> closed_us;
    std::optional<std::int64_t> closed_spread_us;
    std::optional<std::int64_t> freed_us;
    std::optional<std::int64_t> freed_spread_us;
    // Five bits each for opened, closed and freed from the lowest: 0 for none, else 1 plus the
    // provenance plus four times the form of the bounds.
    std::int64_t kinds = 0;

    bool operator==(const LeaseTimes &) const = default;
};

LeaseTimes pack_times(const model::Lease &lease);
// Sets first_observed, opened, closed and freed. False if no lease has these.
bool unpack_times(const LeaseTimes &times, model::Lease &lease);

// Of opened, closed and freed, counted from 0, in `kinds`.
inline constexpr std::int64_t kind_mask = 31;
inline constexpr int kind_shift(int time) {
    return 5 * time;
}

} // namespace portd::store
