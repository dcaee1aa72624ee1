#include "store/lease_query.hpp"

#include "store/end_order.hpp"
#include "store/filed_near.hpp"
#include "store/late_index.hpp"
#include "store/lease_filter.hpp"
#include "store/lease_state.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

// Moments of a lease as its part has them. See store/lease_times.hpp.
struct Moments {
    std::string opened_by;
    std::string opened_earliest; // see held_from() in store/lease_times.hpp
    std::string freed_latest;    // NULL: not known, or not freed
    std::string ended_at;        // in the order of ends, of a lease that is over

    explicit Moments(const Part &part) {
        const std::string filed =
            std::to_string(saturating_sum(part.origin.value_or(0), part.shift_us));
        opened_by = "(l.id + " + filed + " + l.opened_by_us)";
        opened_earliest =
            "CASE WHEN " + kind_sql(Time::opened) + " BETWEEN 9 AND 12 THEN min(" + opened_by +
            ", ifnull((SELECT min(q.start_us) FROM process AS q WHERE q.id IN (SELECT f.process "
            "UNION ALL SELECT h.process FROM flow_holder AS h WHERE h.flow = f.id)), "
            "(SELECT b.base_offset_us FROM boot AS b WHERE b.id = f.boot))) ELSE " +
            opened_by + " - ifnull(l.opened_spread_us, 0) END";
        freed_latest = "CASE WHEN " + kind_sql(Time::freed) + " BETWEEN 1 AND 12 THEN " +
                       opened_by + " + ifnull(l.closed_us, 0) + l.freed_us END";
        ended_at = ended_at_sql(part);
    }
};

const std::string is_open = "l.state & 7 = " + std::to_string(static_cast<int>(Span::open));
const std::string is_over = "l.state & 7 <> " + std::to_string(static_cast<int>(Span::open));

std::string put(BoundSql &sql, std::int64_t value) {
    return sql.put(value);
}

// Of leases that are over.
std::string is_in(BoundSql &sql, const model::EndWindow &window, const Moments &moments) {
    std::string text = is_over + " AND " + moments.ended_at + " BETWEEN ";
    text += put(sql, saturating_sum(window.after.at_us, 1)) + " AND ";
    return text + put(sql, window.by.at_us);
}

// Of what no index decides. The times are in the row itself: they come first.
std::string matches(BoundSql &sql, const model::LeaseQuery &query, const Moments &moments) {
    std::string text = "TRUE";
    if (query.since_us)
        text +=
            " AND ifnull(" + moments.freed_latest + " >= " + put(sql, *query.since_us) + ", TRUE)";
    if (query.until_us) {
        text += " AND (" + moments.opened_by + " <= " + put(sql, *query.until_us);
        text += " OR " + moments.opened_earliest + " <= " + put(sql, *query.until_us) + ")";
    }
    if (query.ended)
        text += " AND " + is_in(sql, *query.ended, moments);
    text += lease_conditions(sql, query, {moments.opened_by, moments.opened_earliest});
    if (query.visible_to_uid)
        text += " AND (" + is_open + " OR f.uid IS " + put(sql, *query.visible_to_uid) + ")";
    return text;
}

// Where leases are found. `id` is their column in the order of the index.
struct Source {
    std::string from;
    std::string id = "l.id";
    std::string condition = "TRUE";
    std::string sorted_by{};                // before the id, and in accordance with it
    std::int64_t behind_id = Limits::min(); // no others are meant
};

Source by_port(BoundSql &sql, std::uint16_t port, Span span) {
    return {"lease_of_port AS o CROSS JOIN lease AS l ON l.id = o.lease", "o.lease",
            "o.span_port = " + std::to_string(span_port(span, 0)) + " + " + put(sql, port)};
}

// Of leases that are yet to be indexed: those that are sorted by port in runs.
Source by_port_in_runs(BoundSql &sql, std::uint16_t port) {
    Source source{"waiting_run AS r CROSS JOIN waiting_of_port AS o ON o.run = r.last_lease "
                  "CROSS JOIN lease AS l ON l.id = o.lease",
                  "o.lease", "o.port = " + put(sql, port)};
    source.condition += " AND l.port = " + put(sql, port);
    source.sorted_by = "r.last_lease";
    return source;
}

// And the others.
Source by_port_unsorted(BoundSql &sql, std::uint16_t port, const Part &part) {
    Source source{"lease AS l"};
    source.condition = "l.port = " + put(sql, port);
    source.behind_id = part.sorted_lease.value_or(Limits::min());
    return source;
}

// SQL that gives the id of an address, or NULL. The length is no condition more: it makes that the
// statements of the two forms of an address, which are read side by side, are not the same one.
std::string address_id(BoundSql &sql, const AddressBytes &address) {
    return "(SELECT a.id FROM address AS a WHERE a.value = " + sql.put(address) +
           " AND length(a.value) = " + std::to_string(address.size()) + ")";
}

Source by_peer(BoundSql &sql, const AddressBytes &peer) {
    return {"lease_of_peer AS o CROSS JOIN lease AS l ON l.id = o.lease", "o.lease",
            "o.peer_address = " + address_id(sql, peer)};
}

// Of leases that are yet to be indexed.
Source by_peer_unsorted(BoundSql &sql, const AddressBytes &peer, const Part &part) {
    Source source{"lease AS l"};
    source.condition = "l.peer_address = " + address_id(sql, peer);
    source.behind_id = part.indexed_lease.value_or(Limits::min());
    return source;
}

Source by_span(Span span) {
    return {"lease AS l INDEXED BY lease_long", "l.id", is_long(span)};
}

Source among_all() {
    return {"lease AS l"};
}

IdRange filed_near(const model::LeaseQuery &query, const Part &part, Span span) {
    return filed_near(part, span, query.since_us, query.until_us);
}

std::string order(const Source &source, bool newest_first) {
    const std::string direction = newest_first ? " DESC" : "";
    const std::string first = source.sorted_by.empty() ? "" : source.sorted_by + direction + ", ";
    return " ORDER BY " + first + source.id + direction;
}

// From where the page before ended, the last parameter. SQLite begins at one bound and holds each
// row against the others: there may be only one on that side, or each page would pass over all
// before it.
std::string behind(BoundSql &sql, const std::string &id, std::int64_t least) {
    if (least == Limits::min())
        return " AND " + id + " > ?";
    const std::string bound = put(sql, least);
    return " AND " + id + " > max(" + bound + ", ?)";
}

std::string before(BoundSql &sql, const std::string &id, std::int64_t most) {
    if (most == Limits::max())
        return " AND " + id + " < ?";
    const std::string bound = put(sql, most);
    return " AND " + id + " < min(" + bound + ", ?)";
}

// The rest of a statement: of the rows filed in the range, the next in order.
std::string next_within(BoundSql &sql, const model::LeaseQuery &query, const Source &source,
                        const IdRange &range) {
    const auto least = std::max(saturating_difference(range.first, 1), source.behind_id);
    const auto most = saturating_sum(range.last, 1);
    std::string text;
    if (query.newest_first) {
        if (least > Limits::min())
            text += " AND " + source.id + " > " + put(sql, least);
        text += before(sql, source.id, most);
    } else {
        if (most < Limits::max())
            text += " AND " + source.id + " < " + put(sql, most);
        text += behind(sql, source.id, least);
    }
    return text + order(source, query.newest_first);
}

// The statements of one question to one part.
class Candidates {
  public:
    Candidates(const model::LeaseQuery &query, const Part &part, Holdings holdings)
        : query_(query), part_(part), holdings_(holdings), moments_(part) {}

    // Leases from that source whose life reaches so far from where they are filed, or less far.
    template <typename SourceOf>
    void add(Span span, SourceOf source_of) {
        const IdRange range = filed_near(query_, part_, span);
        BoundSql sql;
        sql.text = "SELECT l.id, (" + matches(sql, query_, moments_) + ") FROM ";
        const Source source = source_of(sql);
        sql.text += source.from + " LEFT JOIN flow AS f ON f.id = l.flow WHERE " +
                    source.condition + admitted() + next_within(sql, query_, source, range);
        scans_.push_back(std::move(sql));
    }
    void add(BoundSql sql) { scans_.push_back(std::move(sql)); }
    std::vector<BoundSql> take() { return std::move(scans_); }

  private:
    // Open leases are those of the current part.
    std::string admitted() const {
        if (query_.open_only)
            return " AND " + is_open;
        return holdings_ == Holdings::given_up ? " AND " + is_over : "";
    }

    const model::LeaseQuery &query_;
    const Part &part_;
    const Holdings holdings_;
    const Moments moments_;
    std::vector<BoundSql> scans_;
};

void add_of_port(Candidates &candidates, const model::LeaseQuery &query, const Part &part,
                 Holdings holdings) {
    const std::uint16_t port = *query.port;
    const auto indexed = [&](Span span) {
        if (may_have(part, span, filed_near(query, part, span)))
            candidates.add(span, [&](BoundSql &sql) { return by_port(sql, port, span); });
    };
    if (!query.open_only)
        std::ranges::for_each(closed_spans, indexed);
    if (holdings == Holdings::sealed)
        return;
    indexed(Span::open);
    candidates.add(Span::open, [&](BoundSql &sql) { return by_port_in_runs(sql, port); });
    candidates.add(Span::open, [&](BoundSql &sql) { return by_port_unsorted(sql, port, part); });
}

void add_of_peer(Candidates &candidates, const model::LeaseQuery &query, const Part &part,
                 Holdings holdings) {
    for (const AddressBytes &peer : forms_of_peer(query)) {
        candidates.add(Span::open, [&](BoundSql &sql) { return by_peer(sql, peer); });
        if (holdings != Holdings::sealed)
            candidates.add(Span::open,
                           [&](BoundSql &sql) { return by_peer_unsorted(sql, peer, part); });
    }
}

void add_of_interval(Candidates &candidates, const model::LeaseQuery &query, const Part &part) {
    candidates.add(last_short_span, [](BoundSql &) {
        Source source = among_all();
        source.condition = is_short();
        return source;
    });
    for (const Span span : long_spans)
        if (may_have(part, span, filed_near(query, part, span)))
            candidates.add(span, [span](BoundSql &) { return by_span(span); });
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
               ") FROM lease AS l LEFT JOIN flow AS f ON f.id = l.flow WHERE " + is_over +
               " AND l.id IN (";
    sql.text += leases_of_processes(sql, query, part);
    sql.text += ")" + next_within(sql, query, Source{"lease AS l"}, {});
    return sql;
}

// The leases of a window: those that live for no longer than `span` were filed near to where they
// ended, or else after what was filed by the beginning of the window; what stands elsewhere than
// its times say is in a table of its own.
class WindowCandidates {
  public:
    WindowCandidates(const model::LeaseQuery &query, const Part &part)
        : query_(query), part_(part), moments_(part) {}

    void add(const std::string &from, const std::string &condition, const std::string &id,
             Span span) {
        BoundSql sql;
        sql.text = "SELECT l.id, (" + matches(sql, query_, moments_) + ") FROM " + from +
                   " LEFT JOIN flow AS f ON f.id = l.flow WHERE " + condition;
        sql.text += behind(sql, id, saturating_difference(first_id(span), 1)) + " ORDER BY " + id;
        scans_.push_back(std::move(sql));
    }
    std::vector<BoundSql> take() { return std::move(scans_); }

  private:
    std::int64_t first_id(Span span) const {
        if (span == Span::unbounded)
            return Limits::min();
        const model::EndMark &after = query_.ended->after;
        const std::int64_t first_us = saturating_sum(after.at_us, -reach_us(span));
        const std::int64_t serial =
            std::min(saturating_difference(first_us, part_.shift_us), after.last_serial);
        return saturating_difference(serial, part_.origin.value_or(0));
    }

    const model::LeaseQuery &query_;
    const Part &part_;
    const Moments moments_;
    std::vector<BoundSql> scans_;
};

std::vector<BoundSql> candidates_of_window(const model::LeaseQuery &query, const Part &part) {
    WindowCandidates candidates(query, part);
    candidates.add("lease AS l", is_short(), "l.id", last_short_span);
    for (const Span span : long_spans)
        candidates.add("lease AS l INDEXED BY lease_long", is_long(span), "l.id", span);
    candidates.add("late_end AS e CROSS JOIN lease AS l ON l.id = e.lease", "TRUE", "e.lease",
                   Span::unbounded);
    return candidates.take();
}

template <typename SourceOf>
FreedLeases freed_leases(const model::LeaseQuery &query, const Part &part, Span span,
                         SourceOf source_of) {
    FreedLeases freed;
    if (span != Span::unbounded && span != Span::open)
        freed.reach_us = reach_us(span);
    BoundSql &sql = freed.sql;
    const Moments moments(part);
    sql.text = "SELECT l.id, " + moments.freed_latest + " FROM ";
    const Source source = source_of(sql);
    sql.text += source.from + " LEFT JOIN flow AS f ON f.id = l.flow WHERE " + source.condition;
    if (source.behind_id > Limits::min())
        sql.text += " AND " + source.id + " > " + put(sql, source.behind_id);
    sql.text += " AND " + is_over + " AND " + matches(sql, query, moments) + order(source, true);
    return freed;
}

} // namespace

bool may_have_any(const model::LeaseQuery &query, const Part &part,
                  std::optional<std::int64_t> ended_by_us) {
    const bool is_after = query.since_us && ended_by_us && *query.since_us > *ended_by_us;
    return std::ranges::any_of(closed_spans, [&](Span span) {
        return (span == Span::unbounded || !is_after) &&
               may_have(part, span, filed_near(query, part, span));
    });
}

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

std::optional<BoundSql> count_leases_of_peer(const model::LeaseQuery &query, std::int64_t most) {
    const auto forms = forms_of_peer(query);
    if (forms.empty())
        return std::nullopt;
    BoundSql sql;
    sql.text = "SELECT count(*) FROM (SELECT 1 FROM lease_of_peer WHERE peer_address IN (";
    for (const AddressBytes &peer : forms)
        sql.text += (&peer == &forms.front() ? "" : ", ") + address_id(sql, peer);
    sql.text += ") LIMIT ";
    sql.text += sql.put(most) + ")";
    return sql;
}

BoundSql candidate(const model::LeaseQuery &query, const Part &part) {
    BoundSql sql;
    sql.text = "SELECT l.id, (" + matches(sql, query, Moments(part)) +
               ") FROM lease AS l LEFT JOIN flow AS f ON f.id = l.flow WHERE l.id = ?";
    return sql;
}

std::vector<BoundSql> candidates(const model::LeaseQuery &query, const Part &part,
                                 Holdings holdings, FoundBy found_by) {
    if (query.ended)
        return candidates_of_window(query, part);
    if (query.open_only && holdings != Holdings::current)
        return {};
    Candidates candidates(query, part, holdings);
    const bool has_interval = query.since_us || query.until_us;
    if (query.port) {
        add_of_port(candidates, query, part, holdings);
        return candidates.take();
    }
    if (!query.open_only && found_by == FoundBy::peer) {
        add_of_peer(candidates, query, part, holdings);
        return candidates.take();
    }
    if (!has_interval && !query.open_only && found_by == FoundBy::passing) {
        candidates.add(Span::open, [](BoundSql &) { return among_all(); });
        return candidates.take();
    }
    if (holdings == Holdings::current)
        candidates.add(Span::open, [](BoundSql &) { return by_span(Span::open); });
    if (query.open_only)
        return candidates.take();
    if (found_by == FoundBy::process)
        candidates.add(candidates_of_processes(query, part));
    else
        add_of_interval(candidates, query, part);
    return candidates.take();
}

std::vector<FreedLeases> by_freedom(const model::LeaseQuery &query, const Part &part,
                                    Holdings holdings) {
    const std::uint16_t port = *query.port;
    std::vector<FreedLeases> all;
    const auto indexed = [&](Span span) {
        all.push_back(freed_leases(query, part, span,
                                   [&](BoundSql &sql) { return by_port(sql, port, span); }));
    };
    if (holdings != Holdings::sealed) {
        all.push_back(freed_leases(query, part, Span::open, [&](BoundSql &sql) {
            return by_port_unsorted(sql, port, part);
        }));
        all.push_back(freed_leases(query, part, Span::open,
                                   [&](BoundSql &sql) { return by_port_in_runs(sql, port); }));
        indexed(Span::open);
    }
    std::ranges::for_each(closed_spans, indexed);
    return all;
}

} // namespace portd::store
