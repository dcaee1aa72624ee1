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

// In the order of (e.id, l.opened_latest_us): see store/epochs.hpp.
constexpr const char *leases_of_port =
    "epoch AS e CROSS JOIN lease AS l INDEXED BY lease_by_port WHERE l.epoch = e.id "
    "AND l.local_port = ?1";

std::string source_sql(Source source) {
    switch (source) {
    case Source::all:
        return "lease AS l INDEXED BY lease_by_time WHERE TRUE";
    case Source::open:
        return "lease AS l INDEXED BY lease_open WHERE l.freed_provenance IS NULL";
    case Source::port:
        return std::string(leases_of_port);
    case Source::open_of_port:
        return "lease AS l INDEXED BY lease_open WHERE l.freed_provenance IS NULL "
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
    const std::string beyond = scan.newest_first ? "<" : ">";
    std::string sql = "SELECT l.serial, l.opened_latest_us, (" + std::string(matches) + ") FROM " +
                      source_sql(scan.source) + " AND (l.opened_latest_us, l.serial) " + beyond +
                      " (?8, ?9)";
    std::string order = "l.opened_latest_us" + direction + ", l.serial" + direction;
    if (scan.source == Source::port) {
        sql += " AND e.id " + beyond + "= (SELECT max(id) FROM epoch WHERE since_us <= ?8)";
        order = "e.id" + direction + ", " + order;
    }
    return sql + " ORDER BY " + order;
}

std::string last_freed_sql() {
    const auto newest_of = [](const std::string &source) {
        return "SELECT * FROM (SELECT l.serial, l.boot, l.local_port, l.protocol, l.uid, "
               "l.opened_earliest_us, l.opened_latest_us, l.freed_latest_us, l.freed_provenance "
               "FROM " +
               source + " l.opened_latest_us DESC LIMIT ?8)";
    };
    return "SELECT l.serial FROM (" +
           newest_of(std::string(leases_of_port) + " ORDER BY e.id DESC,") + " UNION ALL " +
           newest_of("lease AS l INDEXED BY lease_listener WHERE l.role = 1 AND l.local_port = ?1 "
                     "ORDER BY") +
           ") AS l WHERE l.freed_provenance IS NOT NULL AND (" + std::string(matches) +
           ") ORDER BY l.freed_latest_us DESC, l.serial DESC LIMIT 1";
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
