// Private to the store: what a file knows of its place among the others.
#pragma once

#include "store/database.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace portd::store {

// The one row of the table `part`.
struct Part {
    std::int64_t number = 0;
    std::optional<std::int64_t> origin;   // serial of a lease less its id; absent: it has no lease
    std::int64_t shift_us = 0;            // a moment of row time less the serial of that moment
    std::optional<std::int64_t> since_us; // the part before ends here
    std::int64_t first_bind_failure = 1;
    std::optional<std::int64_t> indexed_lease; // see store/late_index.hpp
    std::int64_t indexed_flow = 0;
    std::optional<std::int64_t> sorted_lease;
    std::optional<std::int64_t> leases; // once it is sealed
    // Of a sealed part, by span: the ids that its leases have, at the most.
    struct Bounds {
        std::int64_t first = 0;
        std::int64_t last = -1;
    };
    std::array<Bounds, 8> bounds{};

    std::int64_t id_of(std::int64_t serial) const { return serial - origin.value_or(0); }
    std::int64_t serial_of(std::int64_t id) const { return id + origin.value_or(0); }
    std::int64_t moment_us(std::int64_t serial) const { return serial + shift_us; }
};

// Throws DamagedStore if there is no such row.
Part read_part(Database &database);
void write_part(Database &database, const Part &part);

} // namespace portd::store
