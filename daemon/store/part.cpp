#include "store/part.hpp"

namespace portd::store {

Part read_part(Database &database) {
    Statement select(database, "SELECT number, origin, shift_us, since_us, first_bind_failure, "
                               "indexed_lease, indexed_flow, leases FROM part");
    Execution row(select);
    if (!row.next())
        database.damaged("it does not say which part it is");
    return {row.integer(0), row.optional_integer(1), row.integer(2), row.optional_integer(3),
            row.integer(4), row.optional_integer(5), row.integer(6), row.optional_integer(7)};
}

void write_part(Database &database, const Part &part) {
    database.execute("DELETE FROM part");
    Statement insert(database, "INSERT INTO part(number, origin, shift_us, since_us, "
                               "first_bind_failure, indexed_lease, indexed_flow, leases) "
                               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    Execution(insert)
        .bind(part.number)
        .bind(part.origin)
        .bind(part.shift_us)
        .bind(part.since_us)
        .bind(part.first_bind_failure)
        .bind(part.indexed_lease)
        .bind(part.indexed_flow)
        .bind(part.leases)
        .run();
}

} // namespace portd::store
