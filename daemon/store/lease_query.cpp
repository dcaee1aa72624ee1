#include "store/lease_query.hpp"

#include "store/lease_filter.hpp"
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

std::string put(BoundSql &sql, std::int64_t value) {
    return sql.put(value);
}

// Of what no index decides.
std::string matches(BoundSql &sql, const model::LeaseQuery &query, const Moments &moments) {
    std::string text =
        "TRUE" + lease_conditions(sql, query, {moments.opened_by, moments.opened_earliest});
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

// Which leases of the part: `waiting` are those that are yet to be indexed, of any span but open.
enum class Reach { indexed, waiting, lasting, open };

struct Source {
    std::string from;
    std::string id; // as the index has it
};

// Leases of that reach, of the query's port if it has one, with their flows.
Source source(BoundSql &sql, const model::LeaseQuery &query, const Part &part, Reach reach) {
    Source source{"lease AS l", "l.id"};
    std::string condition;
    switch (reach) {
    case Reach::indexed:
        if (query.port) {
            source = {"lease_of_port AS o CROSS JOIN lease AS l ON l.id = o.lease", "o.lease"};
            condition = "o.port = " + put(sql, *query.port);
        } else {
            condition = "l.id <= " + std::to_string(part.indexed_lease.value_or(Limits::min()));
        }
        condition += " AND +l.span <> 2";
        break;
    case Reach::waiting:
        condition = "+l.span <> 2";
        if (part.indexed_lease)
            condition += " AND l.id > " + std::to_string(*part.indexed_lease);
        if (query.port)
            condition += " AND l.port = " + put(sql, *query.port);
        break;
    case Reach::lasting:
        source.from += std::string(" INDEXED BY lease_lasting") + (query.port ? "_by_port" : "");
        condition = "l.span = 1";
        if (query.port)
            condition += " AND l.port = " + put(sql, *query.port);
        break;
    case Reach::open:
        source = {"lease AS l INDEXED BY lease_open", "+l.id"};
        condition = "l.span = 2";
        if (query.port)
            condition += " AND l.port = " + put(sql, *query.port);
        break;
    }
    source.from += " LEFT JOIN flow AS f ON f.id = l.flow WHERE " + condition;
    return source;
}

// Where leases are filed that live in the query's interval and are brief.
std::string filed_near(BoundSql &sql, const model::LeaseQuery &query, const Part &part,
                       const std::string &id) {
    const auto id_at = [&](std::int64_t moment_us) {
        return saturating_difference(moment_us,
                                     saturating_sum(part.shift_us, part.origin.value_or(0)));
    };
    std::string text;
    if (query.since_us)
        text += " AND " + id +
                " >= " + put(sql, id_at(saturating_sum(*query.since_us, -brief_span_us)));
    if (query.until_us)
        text +=
            " AND " + id + " <= " + put(sql, id_at(saturating_sum(*query.until_us, brief_span_us)));
    return text;
}

std::string in_order(const model::LeaseQuery &query, const std::string &id) {
    return query.newest_first ? " AND " + id + " < ? ORDER BY " + id + " DESC"
                              : " AND " + id + " > ? ORDER BY " + id;
}

enum class OnlyBrief { no, yes };

BoundSql candidates_of(const model::LeaseQuery &query, const Part &part, Reach reach,
                       OnlyBrief only_brief = OnlyBrief::no) {
    BoundSql sql;
    sql.text = "SELECT l.id, (" + matches(sql, query, Moments(part)) + ") FROM ";
    const Source from = source(sql, query, part, reach);
    sql.text += from.from;
    if (only_brief == OnlyBrief::yes)
        sql.text += " AND +l.span = 0" + filed_near(sql, query, part, from.id);
    sql.text += in_order(query, from.id);
    return sql;
}

// Leases of the query's processes that are not open; few, so SQLite may sort them.
std::string leases_of_processes(BoundSql &sql, const model::LeaseQuery &query, const Part &part) {
    const std::string flows = flows_of_processes(sql, query, part);
    std::string text = "SELECT o.lease FROM lease_of_flow AS o WHERE o.flow IN (" + flows +
                       ") UNION SELECT w.id FROM lease AS w WHERE ";
    if (part.indexed_lease)
        text += "w.id > " + std::to_string(*part.indexed_lease) + " AND ";
    return text + "w.flow IN (" + flows + ")";
}

BoundSql candidates_of_processes(const model::LeaseQuery &query, const Part &part) {
    BoundSql sql;
    sql.text = "SELECT l.id, (" + matches(sql, query, Moments(part)) +
               ") FROM lease AS l LEFT JOIN flow AS f ON f.id = l.flow WHERE +l.span <> 2 AND "
               "l.id IN (";
    sql.text += leases_of_processes(sql, query, part);
    sql.text += ")" + in_order(query, "l.id");
    return sql;
}

BoundSql by_freedom(const model::LeaseQuery &query, const Part &part, Reach reach) {
    BoundSql sql;
    const Moments moments(part);
    sql.text = "SELECT l.id, " + moments.freed_latest + " FROM ";
    const Source from = source(sql, query, part, reach);
    sql.text += from.from;
    if (reach != Reach::lasting)
        sql.text += " AND +l.span = 0";
    sql.text += " AND " + matches(sql, query, moments) + " ORDER BY " + from.id + " DESC";
    return sql;
}

} // namespace

std::optional<BoundSql> count_leases_of_processes(const model::LeaseQuery &query, const Part &part,
                                                  std::int64_t most) {
    if (!query.asks_for_processes())
        return std::nullopt;
    BoundSql sql;
    sql.text = "SELECT count(*) FROM (SELECT 1 FROM (" + flows_of_processes(sql, query, part) +
               ") AS w CROSS JOIN lease_of_flow AS o ON o.flow = w.flow LIMIT ";
    sql.text += put(sql, most) + ")";
    return sql;
}

std::vector<BoundSql> candidates(const model::LeaseQuery &query, const Part &part,
                                 Holdings holdings, LeasesOfProcesses processes) {
    std::vector<BoundSql> scans;
    if (holdings == Holdings::current)
        scans.push_back(candidates_of(query, part, Reach::open));
    if (query.open_only)
        return scans;
    if (query.asks_for_processes() && !query.port && processes == LeasesOfProcesses::few) {
        scans.push_back(candidates_of_processes(query, part));
        return scans;
    }
    const bool has_interval = query.since_us || query.until_us;
    const OnlyBrief only_brief = has_interval ? OnlyBrief::yes : OnlyBrief::no;
    scans.push_back(candidates_of(query, part, Reach::indexed, only_brief));
    if (holdings != Holdings::sealed)
        scans.push_back(candidates_of(query, part, Reach::waiting, only_brief));
    if (has_interval)
        scans.push_back(candidates_of(query, part, Reach::lasting));
    return scans;
}

std::vector<BoundSql> by_freedom(const model::LeaseQuery &query, const Part &part) {
    return {by_freedom(query, part, Reach::lasting), by_freedom(query, part, Reach::waiting),
            by_freedom(query, part, Reach::indexed)};
}

} // namespace portd::store
