#include "store/lease_filter.hpp"

#include "store/lease_state.hpp"
#include "store/row.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace portd::store {
namespace {

std::vector<std::uint8_t> bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

std::vector<std::uint8_t> bytes(const model::Address &address) {
    const auto value = address_bytes(address);
    return {value.begin(), value.end()};
}

// ---- Processes

std::string text_id(BoundSql &sql, const std::string &value) {
    return "(SELECT t.id FROM text AS t WHERE t.value = " + sql.put(value) + ")";
}

// Programs whose path ends so. There are few programs, and many texts: the index gives each program
// once, by one step a program.
std::string programs_called(BoundSql &sql, const std::string &name) {
    const std::string path_end = "/" + name;
    const std::string length = std::to_string(path_end.size());
    return "(WITH RECURSIVE program(id) AS (SELECT min(q.executable) FROM process AS q WHERE "
           "q.executable IS NOT NULL UNION ALL "
           "SELECT (SELECT min(q.executable) FROM process AS q WHERE q.executable > program.id) "
           "FROM program WHERE program.id IS NOT NULL) SELECT t.id FROM program CROSS JOIN text AS "
           "t ON t.id = program.id WHERE t.value = " +
           sql.put(name) + " OR substr(CAST(t.value AS BLOB), -" + length + ", " + length +
           ") = " + sql.put(bytes(path_end)) + ")";
}

std::string is_program(BoundSql &sql, const std::string &executable) {
    if (executable.find('/') != std::string::npos)
        return "p.executable = " + text_id(sql, executable);
    return "p.executable IN " + programs_called(sql, executable);
}

std::string is_container(BoundSql &sql, const std::string &container) {
    if (!model::names_containers(container))
        return "p.container = " + text_id(sql, container);
    std::string beyond = container; // the first text that does not begin so
    ++beyond.back();
    return "p.container IN (SELECT t.id FROM text AS t WHERE t.value >= " + sql.put(container) +
           " AND t.value < " + sql.put(beyond) + ")";
}

// Of a process `p`.
std::string process_conditions(BoundSql &sql, const model::LeaseQuery &query) {
    std::string text = "TRUE";
    if (query.pid)
        text += " AND p.pid = " + sql.put(*query.pid);
    if (query.executable)
        text += " AND " + is_program(sql, *query.executable);
    if (query.command)
        text += " AND p.command = " + text_id(sql, *query.command);
    if (query.unit)
        text += " AND p.unit = " + text_id(sql, *query.unit);
    if (query.container)
        text += " AND " + is_container(sql, *query.container);
    return text;
}

// ---- Sockets

std::string is_within(BoundSql &sql, const std::string &value, const model::Address &first,
                      const model::Address &last) {
    const std::string size = std::to_string(address_bytes(first).size());
    return "(length(" + value + ") = " + size + " AND " + value + " BETWEEN " +
           sql.put(bytes(first)) + " AND " + sql.put(bytes(last)) + ")";
}

std::string is_in_range(BoundSql &sql, const std::string &value, const model::AddressRange &range) {
    const std::string plain = is_within(sql, value, range.first, range.last);
    if (range.first.family == Family::ipv4)
        return "(" + plain + " OR " +
               is_within(sql, value, model::v4_mapped(range.first), model::v4_mapped(range.last)) +
               ")";
    const auto all_ipv4 = *model::parse_address_range("0.0.0.0/0");
    return "(" + plain + " AND NOT " +
           is_within(sql, value, model::v4_mapped(all_ipv4.first),
                     model::v4_mapped(all_ipv4.last)) +
           ")";
}

std::string address_is_in_range(BoundSql &sql, const std::string &id,
                                const model::AddressRange &range) {
    return "EXISTS(SELECT 1 FROM address AS a WHERE a.id = " + id + " AND " +
           is_in_range(sql, "a.value", range) + ")";
}

// Over the namespace of a flow or a bind failure `f`.
std::string namespace_name_is(BoundSql &sql, const std::string &name, const std::string &at_us) {
    return "(SELECT t.value FROM network_namespace AS n LEFT JOIN text AS t ON t.id = n.name WHERE "
           "n.boot = f.boot AND n.inode = f.network_namespace AND n.since_us <= " +
           at_us + " ORDER BY n.since_us DESC LIMIT 1) = " + sql.put(name);
}

// What flows and bind failures have in common, under the same names.
std::string socket_conditions(BoundSql &sql, const model::LeaseQuery &query,
                              const std::string &named_at_us) {
    std::string text;
    if (query.protocol)
        text += " AND f.protocol = " + sql.put(number(*query.protocol));
    if (query.uid)
        text += " AND f.uid = " + sql.put(std::int64_t{*query.uid});
    if (query.network_namespace)
        text += " AND f.network_namespace = " + sql.put(std::int64_t{*query.network_namespace});
    if (query.network_namespace_name)
        text += " AND " + namespace_name_is(sql, *query.network_namespace_name, named_at_us);
    return text;
}

// ---- Length

// Codes of store/lease_times.hpp: whether there is such a time, and its bounds.
struct TimeSql {
    std::string is_there;
    std::string earliest; // after the opening, as is the other; NULL: not known
    std::string latest;

    TimeSql(Time time, const std::string &at_us, const std::string &spread_us) {
        const std::string kind = kind_sql(time);
        is_there = kind + " > 0";
        earliest = "CASE WHEN " + kind + " BETWEEN 1 AND 8 OR " + kind +
                   " BETWEEN 13 AND 16 THEN " + at_us + " - ifnull(" + spread_us + ", 0) END";
        latest = "CASE WHEN " + kind + " BETWEEN 1 AND 12 THEN " + at_us + " END";
    }
};

std::string length_conditions(BoundSql &sql, const model::LeaseQuery &query,
                              const OpeningSql &opening) {
    const TimeSql closed(Time::closed, "l.closed_us", "l.closed_spread_us");
    const TimeSql freed(Time::freed, "(ifnull(l.closed_us, 0) + l.freed_us)", "l.freed_spread_us");
    const auto until = [&](const std::string &of_closed, const std::string &of_freed) {
        return "CASE WHEN " + closed.is_there + " THEN " + of_closed + " WHEN " + freed.is_there +
               " THEN " + of_freed + " ELSE " + sql.put(query.now_us) + " - " + opening.by + " END";
    };
    std::string text;
    if (query.shorter_than_us)
        text += " AND ifnull(" + until(closed.earliest, freed.earliest) + ", 0) < " +
                sql.put(*query.shorter_than_us);
    if (query.longer_than_us)
        text += " AND ifnull(" + opening.by + " - (" + opening.earliest + ") + " +
                until(closed.latest, freed.latest) + " > " + sql.put(*query.longer_than_us) +
                ", TRUE)";
    return text;
}

} // namespace

std::string lease_conditions(BoundSql &sql, const model::LeaseQuery &query,
                             const OpeningSql &opening) {
    std::string text = socket_conditions(sql, query, "(" + opening.by + " + l.first_observed_us)");
    if (query.role)
        text += " AND f.role = " + sql.put(number(*query.role));
    if (query.outcome)
        text += " AND " + outcome_sql() + " = " + sql.put(number(*query.outcome));
    if (query.local)
        text += " AND " + address_is_in_range(sql, "f.local_address", *query.local);
    if (query.peer)
        text +=
            " AND l.peer_port > 0 AND " + address_is_in_range(sql, "l.peer_address", *query.peer);
    if (query.peer_port)
        text += " AND l.peer_port = " + sql.put(std::int64_t{*query.peer_port});
    text += length_conditions(sql, query, opening);
    if (!query.asks_for_processes())
        return text;
    const std::string process = process_conditions(sql, query);
    return text + " AND (EXISTS(SELECT 1 FROM process AS p WHERE p.id = f.process AND " + process +
           ") OR EXISTS(SELECT 1 FROM flow_holder AS h CROSS JOIN process AS p ON p.id = h.process "
           "WHERE h.flow = f.id AND " +
           process + "))";
}

std::string bind_failure_conditions(BoundSql &sql, const model::LeaseQuery &query) {
    if (query.peer || query.peer_port || query.role || query.outcome || query.shorter_than_us ||
        query.longer_than_us || query.open_only)
        return " AND FALSE";
    std::string text = socket_conditions(sql, query, "f.at_us");
    if (query.local)
        text += " AND " + is_in_range(sql, "f.local_address", *query.local);
    if (query.asks_for_processes())
        text += " AND EXISTS(SELECT 1 FROM process AS p WHERE p.id = f.process AND " +
                process_conditions(sql, query) + ")";
    return text;
}

std::string flows_of_processes(BoundSql &sql, const model::LeaseQuery &query, const Part &part) {
    const std::string process = process_conditions(sql, query);
    return "SELECT o.flow FROM process AS p CROSS JOIN flow_of_process AS o ON o.process = p.id "
           "WHERE " +
           process +
           " UNION ALL SELECT f.id FROM flow AS f CROSS JOIN process AS p ON p.id = "
           "f.process WHERE f.id > " +
           std::to_string(part.indexed_flow) + " AND " + process +
           " UNION ALL SELECT h.flow FROM process AS p CROSS JOIN flow_holder AS h ON h.process = "
           "p.id WHERE " +
           process;
}

std::vector<AddressBytes> forms_of_peer(const model::LeaseQuery &query) {
    if (!query.peer || query.peer->first != query.peer->last)
        return {};
    const model::Address &peer = query.peer->first;
    if (peer.family == Family::ipv4)
        return {bytes(peer), bytes(model::v4_mapped(peer))};
    return {bytes(peer)};
}

} // namespace portd::store
