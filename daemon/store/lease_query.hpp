// Private to the store: a LeaseQuery as SQL. The statements are few (one an index and direction),
// take the same parameters, and give the rows (serial, opened_latest_us, whether the lease
// matches): what an index can decide stands in WHERE, all else is decided row by row, so that the
// reader can count rows.
#pragma once

#include "model/history.hpp"
#include "store/database.hpp"

#include <compare>
#include <optional>
#include <string>

namespace portd::store {

// Where the candidates come from.
enum class Source { all, open, port, open_of_port, pid };

struct CandidateScan {
    Source source = Source::all;
    bool newest_first = false;

    auto operator<=>(const CandidateScan &) const = default;
};

// By index; `pid` only if the caller found that few leases have the pid.
enum class PidIs { rare, common };
CandidateScan choose_scan(const model::LeaseQuery &query, PidIs pid);

std::string candidates_sql(const CandidateScan &scan);
// The one row (serial) of the matching lease of a port that was freed last. After the filters it
// takes a number: so many of the port's leases are looked at, and of its listeners, which are the
// ones that outlast others: those that were opened last.
std::string last_freed_sql();
void bind_filters(Execution &execution, const model::LeaseQuery &query);
// After the filters; candidates_sql() only.
void bind_cursor(Execution &execution, const model::LeaseQuery &query,
                 const std::optional<model::LeaseCursor> &after);

} // namespace portd::store
