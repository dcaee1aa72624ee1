#include "store/lease_query.hpp"

#include <limits>

namespace portd::store {
namespace {

// ?1 port, ?2 protocol, ?3 pid, ?4 since, ?5 until, ?6 uid, ?7 open only, (?8, ?9) cursor.
constexpr const char *matches = R"sql(
    (?1 IS NULL OR l.local_port = ?1)
    AND (?2 IS NULL OR l.protocol = ?2)
    AND (?4 IS NULL OR l.freed_latest_us IS NULL OR l.freed_latest_us >= ?4)
    AND (?5 IS NULL OR l.opened_latest_us <= ?5 OR ifnull(l.opened_earliest_us,
        (SELECT b.base_offset_us FROM boot AS b WHERE b.id = l.boot)) <= ?5)
    AND (?6 IS NULL OR l.freed_provenance IS NULL OR l.uid IS ?6)
    AND (?7 = 0 OR l.freed_provenance IS NULL)
    AND (?3 IS NULL OR EXISTS(SELECT 1 FROM lease_holder AS h JOIN process AS p ON p.id = h.process
        WHERE h.lease = l.serial AND p.pid = ?3))
)sql";

std::string source_sql(Source source) {
    switch (source) {
    case Source::all:
        return "lease AS l INDEXED BY lease_by_time WHERE TRUE";
    case Source::open:
        return "lease AS l INDEXED BY lease_open WHERE l.freed_provenance IS NULL";
    case Source::port:
        return "lease AS l INDEXED BY lease_by_port WHERE l.local_port = ?1";
    case Source::open_of_port:
        return "lease AS l INDEXED BY lease_open_by_port WHERE l.freed_provenance IS NULL "
               "AND l.local_port = ?1";
    case Source::pid:
        return "lease AS l WHERE l.serial IN (SELECT h.lease FROM process AS p JOIN lease_holder "
               "AS h "
               "ON h.process = p.id WHERE p.pid = ?3)";
    }
    return {};
}

} // namespace

CandidateScan choose_scan(const model::LeaseQuery &query, PidIs pid) {
    const auto source = [&] {
        if (query.port)
            return query.open_only ? Source::open_of_port : Source::port;
        if (query.pid && pid == PidIs::rare)
            return Source::pid;
        return query.open_only ? Source::open : Source::all;
    };
    return {source(), query.newest_first};
}

std::string candidates_sql(const CandidateScan &scan) {
    const std::string direction = scan.newest_first ? " DESC" : "";
    return "SELECT l.serial, l.opened_latest_us, (" + std::string(matches) + ") FROM " +
           source_sql(scan.source) + " AND (l.opened_latest_us, l.serial) " +
           (scan.newest_first ? "<" : ">") + " (?8, ?9) ORDER BY l.opened_latest_us" + direction +
           ", l.serial" + direction;
}

std::string last_freed_sql() {
    return "SELECT l.serial FROM lease AS l INDEXED BY lease_freed WHERE l.local_port = ?1 "
           "AND l.freed_provenance IS NOT NULL AND (" +
           std::string(matches) + ") ORDER BY l.freed_latest_us DESC, l.serial DESC LIMIT 1";
}

void bind_filters(Execution &execution, const model::LeaseQuery &query) {
    execution.bind(query.port);
    if (query.protocol)
        execution.bind(static_cast<std::int64_t>(*query.protocol));
    else
        execution.bind_null();
    execution.bind(query.pid)
        .bind(query.since_us)
        .bind(query.until_us)
        .bind(query.visible_to_uid)
        .bind(std::int64_t{query.open_only});
}

void bind_cursor(Execution &execution, const model::LeaseQuery &query,
                 const std::optional<model::LeaseCursor> &after) {
    using Limits = std::numeric_limits<std::int64_t>;
    const std::int64_t before_first = query.newest_first ? Limits::max() : Limits::min();
    const model::LeaseCursor cursor =
        after.value_or(model::LeaseCursor{before_first, before_first});
    execution.bind(cursor.opened_us).bind(cursor.serial);
}

} // namespace portd::store
