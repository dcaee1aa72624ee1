// Private to the store: the conditions of a LeaseQuery on what a lease or a bind failure is, as SQL
// that is decided row by row; and the way from processes to their leases. Conditions on when leases
// lived are those of store/lease_query.hpp.
#pragma once

#include "model/history.hpp"
#include "store/bound_sql.hpp"
#include "store/part.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace portd::store {

// Moments of the lease `l`, in row time.
struct OpeningSql {
    std::string by;       // see opened_by() in store/lease_times.hpp
    std::string earliest; // that of the boot, where no bound is known
};

// " AND ..." over a lease `l` and its flow `f`; nothing for a query without conditions.
std::string lease_conditions(BoundSql &sql, const model::LeaseQuery &query,
                             const OpeningSql &opening);

// The same over a bind failure `f`.
std::string bind_failure_conditions(BoundSql &sql, const model::LeaseQuery &query);

// For a query that asks for processes. Flows come once for each of its holders that match.
std::string flows_of_processes(BoundSql &sql, const model::LeaseQuery &query, const Part &part);

// As in the table of addresses.
using AddressBytes = std::vector<std::uint8_t>;
// Of a query that asks for one peer: what may stand there for it. Of others nothing.
std::vector<AddressBytes> forms_of_peer(const model::LeaseQuery &query);

} // namespace portd::store
