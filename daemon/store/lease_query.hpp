// Private to the store: a LeaseQuery as SQL over one part. The statements give the rows (id,
// whether the lease matches) in the order of ids: what an index can decide stands in WHERE, all
// else is decided row by row, so that the reader can count rows.
#pragma once

#include "model/history.hpp"
#include "store/bound_sql.hpp"
#include "store/part.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace portd::store {

// What of the part can match.
enum class Holdings {
    sealed,   // no open leases
    given_up, // those it has as open are in the next part
    current,  // open leases, too
};

// What leads to leases where no port is asked for.
enum class FoundBy {
    passing, // all that lived then are looked at
    process, // few are of the processes that the query asks for: they are sorted
    peer,    // by the index of peers, in order
};

// Whether the part can have leases that lived in the interval of the query. `ended_by_us`: each of
// its leases whose end is known had ended then, in row time.
bool may_have_any(const model::LeaseQuery &query, const Part &part,
                  std::optional<std::int64_t> ended_by_us);

// How many of the indexed leases are of the processes that the query asks for, up to `most`; absent
// if it asks for none.
std::optional<BoundSql> count_leases_of_processes(const model::LeaseQuery &query, const Part &part,
                                                  std::int64_t most);
// The same of the peer, if the query asks for one address.
std::optional<BoundSql> count_leases_of_peer(const model::LeaseQuery &query, std::int64_t most);

// Each gives other leases; together they give all that can match. The last parameter of each is the
// id behind which to go on.
std::vector<BoundSql> candidates(const model::LeaseQuery &query, const Part &part,
                                 Holdings holdings, FoundBy found_by);

// One lease, if it is there: the last parameter is its id.
BoundSql candidate(const model::LeaseQuery &query, const Part &part);

// Freed leases of the query's port that match, newest first, as rows (id, freed_latest).
struct FreedLeases {
    BoundSql sql;
    // Each was freed so near to where it is filed, at the most; absent: that is not known.
    std::optional<std::int64_t> reach_us;
};
// All of them, by several statements.
std::vector<FreedLeases> by_freedom(const model::LeaseQuery &query, const Part &part,
                                    Holdings holdings);

} // namespace portd::store
