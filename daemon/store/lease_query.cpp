#include "store/lease_query.hpp"

#include "store/lease_span.hpp"
#include "store/lease_times.hpp"

#include <algorithm>
#include <limits>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b < 0 ? Limits::min() : Limits::max();
}

std::int64_t saturating_difference(std::int64_t a, std::int64_t b) {
    std::int64_t difference = 0;
    if (!__builtin_sub_overflow(a, b, &difference))
        return difference;
    return b > 0 ? Limits::min() : Limits::max();
}

// Moments of a lease as its part has them. See store/lease_times.hpp.
struct Moments {
    std::string opened_by;
    std::string opened_earliest;
    std::string freed_latest; // NULL: not known, or not freed

    explicit Moments(const Part &part) {
        const std::string filed =
            std::to_string(saturating_sum(part.origin.value_or(0), part.shift_us));
        opened_by = "(l.id + " + filed + " + l.opened_by_us)";
        opened_earliest = "CASE WHEN (ifnull(l.kinds, 1) & 31) BETWEEN 9 AND 12 THEN (SELECT "
                          "b.base_offset_us FROM boot AS b WHERE b.id = f.boot) ELSE " +
                          opened_by + " - ifnull(l.opened_spread_us, 0) END";
        freed_latest = "CASE WHEN (ifnull(l.kinds, " + std::to_string(observed_kinds) +
                       ") >> 10 & 31) BETWEEN 1 AND 12 THEN " + opened_by +
                       " + ifnull(l.closed_us, 0) + l.freed_us END";
    }
};

// "?" for the value.
std::string put(BoundSql &sql, std::int64_t value) {
    sql.values.push_back(value);
    return "?";
}

// Flows of the process, with as many parameters as it puts.
std::string flows_of_pid(BoundSql &sql, std::int64_t pid) {
    std::string text = "SELECT f.id FROM process AS p JOIN flow AS f ON f.process = p.id WHERE "
                       "p.pid = " +
                       put(sql, pid);
    return text +
           " UNION SELECT h.flow FROM process AS p JOIN flow_holder AS h ON h.process = "
           "p.id WHERE p.pid = " +
           put(sql, pid);
}

// Of what no index decides.
std::string matches(BoundSql &sql, const model::LeaseQuery &query, const Moments &moments) {
    std::string text = "TRUE";
    if (query.port)
        text += " AND l.port = " + put(sql, *query.port);
    if (query.protocol)
        text += " AND f.protocol = " + put(sql, static_cast<std::int64_t>(*query.protocol));
    if (query.role)
        text += " AND f.role = " + put(sql, static_cast<std::int64_t>(*query.role));
    if (query.network_namespace)
        text += " AND f.network_namespace = " + put(sql, *query.network_namespace);
    if (query.pid)
        text += " AND l.flow IN (" + flows_of_pid(sql, *query.pid) + ")";
    if (query.since_us)
        text +=
            " AND ifnull(" + moments.freed_latest + " >= " + put(sql, *query.since_us) + ", TRUE)";
    if (query.until_us) {
        text += " AND (" + moments.opened_by + " <= " + put(sql, *query.until_us);
        text += " OR " + moments.opened_earliest + " <= " + put(sql, *query.until_us) + ")";
    }
    if (query.visible_to_uid)
        text += " AND (l.span = 2 OR f.uid IS " + put(sql, *query.visible_to_uid) + ")";
    return text;
}

enum class Reach { all, all_but_open, brief, lasting, open };

// The index for leases of that reach, and the condition that lets SQLite use it.
std::string source(BoundSql &sql, const model::LeaseQuery &query, Reach reach) {
    std::string index = "NOT INDEXED";
    std::string condition = "TRUE";
    if (reach == Reach::lasting || reach == Reach::open) {
        const std::string name = reach == Reach::open ? "lease_open" : "lease_lasting";
        condition = reach == Reach::open ? "l.span = 2" : "l.span = 1";
        index = "INDEXED BY " + name + (query.port ? "_by_port" : "");
    } else {
        if (query.port)
            index = "INDEXED BY lease_by_port";
        if (reach == Reach::brief)
            condition = "+l.span = 0";
        if (reach == Reach::all_but_open)
            condition = "+l.span <> 2";
    }
    if (query.port)
        condition += " AND l.port = " + put(sql, *query.port);
    return "lease AS l " + index + " LEFT JOIN flow AS f ON f.id = l.flow WHERE " + condition;
}

// Where leases are filed that live in the query's interval and are brief.
std::string filed_near(BoundSql &sql, const model::LeaseQuery &query, const Part &part) {
    const auto id_at = [&](std::int64_t moment_us) {
        return saturating_difference(moment_us,
                                     saturating_sum(part.shift_us, part.origin.value_or(0)));
    };
    std::string text;
    if (query.since_us)
        text += " AND l.id >= " + put(sql, id_at(saturating_sum(*query.since_us, -brief_span_us)));
    if (query.until_us)
        text += " AND l.id <= " + put(sql, id_at(saturating_sum(*query.until_us, brief_span_us)));
    return text;
}

std::string in_order(const model::LeaseQuery &query) {
    return query.newest_first ? " AND l.id < ? ORDER BY l.id DESC" : " AND l.id > ? ORDER BY l.id";
}

BoundSql candidates_of(const model::LeaseQuery &query, const Part &part, Reach reach) {
    BoundSql sql;
    sql.text = "SELECT l.id, (" + matches(sql, query, Moments(part)) + ") FROM ";
    sql.text += source(sql, query, reach);
    if (reach == Reach::brief)
        sql.text += filed_near(sql, query, part);
    sql.text += in_order(query);
    return sql;
}

// Of few leases: SQLite sorts them.
BoundSql candidates_of_processes(const model::LeaseQuery &query, const Part &part, Reach reach) {
    BoundSql sql;
    sql.text = "SELECT l.id, (" + matches(sql, query, Moments(part)) +
               ") FROM lease AS l INDEXED BY lease_by_flow LEFT JOIN flow AS f ON f.id = l.flow "
               "WHERE ";
    if (reach == Reach::all_but_open)
        sql.text += "+l.span <> 2 AND ";
    sql.text += "l.flow IN (" + flows_of_pid(sql, *query.pid) + ")" + in_order(query);
    return sql;
}

BoundSql by_freedom(const model::LeaseQuery &query, const Part &part, Reach reach) {
    BoundSql sql;
    const Moments moments(part);
    sql.text = "SELECT l.id, " + moments.freed_latest + " FROM ";
    sql.text += source(sql, query, reach);
    sql.text += " AND " + matches(sql, query, moments) + " ORDER BY l.id DESC";
    return sql;
}

} // namespace

void bind(Execution &execution, const BoundSql &sql) {
    for (const std::int64_t value : sql.values)
        execution.bind(value);
}

std::optional<BoundSql> count_leases_of_processes(const model::LeaseQuery &query,
                                                  std::int64_t most) {
    if (!query.pid)
        return std::nullopt;
    BoundSql sql;
    sql.text = "SELECT count(*) FROM (SELECT 1 FROM lease AS l WHERE l.flow IN (";
    sql.text += flows_of_pid(sql, *query.pid);
    sql.text += ") LIMIT " + put(sql, most) + ")";
    return sql;
}

std::vector<BoundSql> candidates(const model::LeaseQuery &query, const Part &part,
                                 Holdings holdings, LeasesOfProcesses processes) {
    const Reach all = holdings == Holdings::given_up ? Reach::all_but_open : Reach::all;
    const bool has_open = holdings == Holdings::current;
    if (query.open_only)
        return has_open ? std::vector{candidates_of(query, part, Reach::open)}
                        : std::vector<BoundSql>{};
    if (query.pid && !query.port && processes == LeasesOfProcesses::few)
        return {candidates_of_processes(query, part, all)};
    if (!query.since_us && !query.until_us)
        return {candidates_of(query, part, all)};
    std::vector scans{candidates_of(query, part, Reach::brief),
                      candidates_of(query, part, Reach::lasting)};
    if (has_open)
        scans.push_back(candidates_of(query, part, Reach::open));
    return scans;
}

BoundSql brief_by_freedom(const model::LeaseQuery &query, const Part &part) {
    return by_freedom(query, part, Reach::brief);
}

BoundSql lasting_by_freedom(const model::LeaseQuery &query, const Part &part) {
    return by_freedom(query, part, Reach::lasting);
}

} // namespace portd::store
