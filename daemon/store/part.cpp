#include "store/part.hpp"

#include <cstddef>
#include <string>

namespace portd::store {
namespace {

void read_bounds(Database &database, Part &part) {
    Statement select(database, "SELECT span, first_lease, last_lease FROM span_bounds");
    Execution row(select);
    while (row.next()) {
        const std::int64_t span = row.integer(0);
        if (span < 0 || span >= static_cast<std::int64_t>(part.bounds.size()))
            database.damaged("bounds of span " + std::to_string(span));
        part.bounds[static_cast<std::size_t>(span)] = {row.integer(1), row.integer(2)};
    }
}

} // namespace

Part read_part(Database &database) {
    Statement select(database, "SELECT number, origin, shift_us, since_us, first_bind_failure, "
                               "indexed_lease, indexed_flow, sorted_lease, leases FROM part");
    Execution row(select);
    if (!row.next())
        database.damaged("it does not say which part it is");
    Part part{.number = row.integer(0),
              .origin = row.optional_integer(1),
              .shift_us = row.integer(2),
              .since_us = row.optional_integer(3),
              .first_bind_failure = row.integer(4),
              .indexed_lease = row.optional_integer(5),
              .indexed_flow = row.integer(6),
              .sorted_lease = row.optional_integer(7),
              .leases = row.optional_integer(8),
              .bounds = {}};
    if (part.leases)
        read_bounds(database, part);
    return part;
}

void write_part(Database &database, const Part &part) {
    database.execute("DELETE FROM part");
    Statement insert(database, "INSERT INTO part(number, origin, shift_us, since_us, "
                               "first_bind_failure, indexed_lease, indexed_flow, sorted_lease, "
                               "leases) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    Execution(insert)
        .bind(part.number)
        .bind(part.origin)
        .bind(part.shift_us)
        .bind(part.since_us)
        .bind(part.first_bind_failure)
        .bind(part.indexed_lease)
        .bind(part.indexed_flow)
        .bind(part.sorted_lease)
        .bind(part.leases)
        .run();
}

} // namespace portd::store
