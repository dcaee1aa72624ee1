#include "store/late_index.hpp"

#include "store/lease_state.hpp"

#include <limits>
#include <string>

namespace portd::store {
namespace {

// Of those that wait, the last are not in a run yet.
constexpr std::int64_t runs_of_waiting = 32;

constexpr std::int64_t before_any_lease = std::numeric_limits<std::int64_t>::min();

std::string in(const std::string &schema, const std::string &table) {
    return schema + "." + table;
}

// Leases after those that are indexed and up to `last`, an SQL expression.
void index_up_to(Database &database, const std::string &schema, const std::string &last) {
    const std::string part = in(schema, "part");
    const std::string new_leases = " FROM " + in(schema, "lease") +
                                   " AS l WHERE id > (SELECT "
                                   "ifnull(indexed_lease, " +
                                   std::to_string(before_any_lease) + ") FROM " + part +
                                   ") AND id <= " + last;
    const std::string new_flows =
        " FROM " + in(schema, "flow") + " WHERE id > (SELECT indexed_flow FROM " + part + ")";
    database.execute("INSERT INTO " + in(schema, "lease_of_port") + " SELECT " + span_sql() +
                     " << 16 | port, id" + new_leases + " ORDER BY 1, 2");
    database.execute("INSERT INTO " + in(schema, "lease_of_flow") + " SELECT flow, id" +
                     new_leases + " ORDER BY flow, id");
    database.execute("INSERT INTO " + in(schema, "flow_of_process") + " SELECT process, id" +
                     new_flows + " AND process IS NOT NULL ORDER BY process, id");
    database.execute("INSERT INTO " + in(schema, "lease_of_peer") + " SELECT peer_address, id" +
                     new_leases + " AND peer_address IS NOT NULL ORDER BY peer_address, id");
    database.execute("DELETE FROM " + in(schema, "waiting_of_port") + " WHERE run <= " + last);
    database.execute("DELETE FROM " + in(schema, "waiting_run") + " WHERE last_lease <= " + last);
    database.execute("UPDATE " + part + " SET indexed_lease = " + last +
                     ", indexed_flow = ifnull((SELECT max(id) FROM " + in(schema, "flow") +
                     "), 0)");
}

} // namespace

LateIndex::LateIndex(Database &database, Part &part, std::int64_t waiting_leases)
    : database_(database),
      part_(part),
      waiting_leases_(waiting_leases),
      insert_waiting_(database, "INSERT OR IGNORE INTO waiting_of_port(run, port, lease) "
                                "SELECT min(last_lease), ?2, ?1 FROM waiting_run "
                                "WHERE last_lease >= ?1"),
      insert_port_(database, "INSERT INTO lease_of_port(span_port, lease) VALUES(?1, ?2)"),
      delete_port_(database, "DELETE FROM lease_of_port WHERE span_port = ?1 AND lease = ?2"),
      insert_flow_(database, "INSERT INTO lease_of_flow(flow, lease) VALUES(?1, ?2)"),
      delete_flow_(database, "DELETE FROM lease_of_flow WHERE flow = ?1 AND lease = ?2"),
      insert_peer_(database, "INSERT INTO lease_of_peer(peer_address, lease) VALUES(?1, ?2)"),
      delete_peer_(database, "DELETE FROM lease_of_peer WHERE peer_address = ?1 AND lease = ?2") {
    read_state();
}

void LateIndex::read_state() {
    runs_.clear();
    sorted_ = 0;
    Statement select(database_, "SELECT last_lease, leases FROM waiting_run ORDER BY last_lease");
    Execution run(select);
    while (run.next()) {
        runs_.push_back({run.integer(0), run.integer(1)});
        sorted_ += runs_.back().leases;
    }
    Statement count(database_, "SELECT count(*) FROM lease WHERE id > ?1");
    Execution row(count);
    row.bind(part_.sorted_lease.value_or(before_any_lease)).next();
    unsorted_ = row.integer(0);
}

void LateIndex::add(std::int64_t id, const Entry &entry) {
    if (!knows(id)) {
        ++unsorted_;
        return;
    }
    if (!is_indexed(id)) {
        Execution(insert_waiting_).bind(id).bind(entry.port).run();
        return;
    }
    Execution(insert_port_).bind(span_port(entry.span, entry.port)).bind(id).run();
    Execution(insert_flow_).bind(entry.flow).bind(id).run();
    if (entry.peer_address)
        Execution(insert_peer_).bind(*entry.peer_address).bind(id).run();
}

// A lease that was open when it was indexed remains where questions find it whatever its span. In a
// run, one that is not at its port any more does no harm.
void LateIndex::change(std::int64_t id, const Entry &from, const Entry &to) {
    if (!is_indexed(id)) {
        if (from.port != to.port)
            Execution(insert_waiting_).bind(id).bind(to.port).run();
        return;
    }
    if (from.port != to.port || (from.span != to.span && from.span != Span::open)) {
        for (const Span span : {from.span, Span::open})
            Execution(delete_port_).bind(span_port(span, from.port)).bind(id).run();
        Execution(insert_port_).bind(span_port(Span::open, to.port)).bind(id).run();
    }
    if (from.flow != to.flow) {
        Execution(delete_flow_).bind(from.flow).bind(id).run();
        Execution(insert_flow_).bind(to.flow).bind(id).run();
    }
    if (from.peer_address == to.peer_address)
        return;
    if (from.peer_address)
        Execution(delete_peer_).bind(*from.peer_address).bind(id).run();
    if (to.peer_address)
        Execution(insert_peer_).bind(*to.peer_address).bind(id).run();
}

void LateIndex::fill_if_due() {
    if (unsorted_ > waiting_leases_ / runs_of_waiting)
        sort_run();
    if (sorted_ > 2 * waiting_leases_)
        index_oldest();
}

void LateIndex::sort_run() {
    const std::int64_t last = database_.integer("SELECT max(id) FROM lease");
    Statement waiting(database_, "INSERT INTO waiting_of_port(run, port, lease) "
                                 "SELECT ?1, port, id FROM lease "
                                 "WHERE id > ?2 ORDER BY port, id");
    Execution(waiting).bind(last).bind(part_.sorted_lease.value_or(before_any_lease)).run();
    Statement run(database_, "INSERT INTO waiting_run(last_lease, leases) VALUES(?1, ?2)");
    Execution(run).bind(last).bind(unsorted_).run();
    Statement note(database_, "UPDATE part SET sorted_lease = ?1");
    Execution(note).bind(last).run();
    part_.sorted_lease = last;
    runs_.push_back({last, unsorted_});
    sorted_ += unsorted_;
    unsorted_ = 0;
}

void LateIndex::index_oldest() {
    std::int64_t last = 0;
    for (std::int64_t leases = 0; !runs_.empty() && leases < waiting_leases_;) {
        last = runs_.front().last_lease;
        leases += runs_.front().leases;
        sorted_ -= runs_.front().leases;
        runs_.pop_front();
    }
    index_up_to(database_, "main", std::to_string(last));
    const Part stored = read_part(database_);
    part_.indexed_lease = stored.indexed_lease;
    part_.indexed_flow = stored.indexed_flow;
}

void index_all(Database &database, const std::string &schema) {
    const std::string last =
        database.text("SELECT ifnull(max(id), 'NULL') FROM " + schema + ".lease");
    if (last == "NULL")
        return;
    index_up_to(database, schema, last);
    database.execute("UPDATE " + in(schema, "part") + " SET sorted_lease = " + last);
}

void settle_spans(Database &database) {
    const std::string begin = std::to_string(span_port(Span::open, 0));
    database.execute("INSERT INTO lease_of_port SELECT " + span_sql() +
                     " << 16 | l.port, l.id FROM lease AS l WHERE l.id IN "
                     "(SELECT lease FROM lease_of_port WHERE span_port >= " +
                     begin + ") ORDER BY 1, 2");
    database.execute("DELETE FROM lease_of_port WHERE span_port >= " + begin);
}

} // namespace portd::store
