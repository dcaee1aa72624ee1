#include "store/late_index.hpp"

#include <string>

namespace portd::store {

LateIndex::LateIndex(Database &database, Part &part)
    : database_(database),
      part_(part),
      insert_port_(database, "INSERT INTO lease_of_port(port, lease) VALUES(?1, ?2)"),
      insert_flow_(database, "INSERT INTO lease_of_flow(flow, lease) VALUES(?1, ?2)"),
      delete_flow_(database, "DELETE FROM lease_of_flow WHERE flow = ?1 AND lease = ?2"),
      insert_peer_(database, "INSERT INTO lease_of_peer(peer_address, lease) VALUES(?1, ?2)"),
      delete_peer_(database, "DELETE FROM lease_of_peer WHERE peer_address = ?1 AND lease = ?2") {
    Statement count(database, "SELECT count(*) FROM lease WHERE ?1 IS NULL OR id > ?1");
    Execution row(count);
    row.bind(part.indexed_lease).next();
    waiting_ = row.integer(0);
}

void LateIndex::add(std::int64_t id, std::int64_t port, const Entry &entry) {
    Execution(insert_port_).bind(port).bind(id).run();
    Execution(insert_flow_).bind(entry.flow).bind(id).run();
    if (entry.peer_address)
        Execution(insert_peer_).bind(*entry.peer_address).bind(id).run();
}

void LateIndex::change(std::int64_t id, const Entry &from, const Entry &to) {
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
    if (waiting_ < most_waiting)
        return;
    fill_late_indexes(database_, "main");
    const Part stored = read_part(database_);
    part_.indexed_lease = stored.indexed_lease;
    part_.indexed_flow = stored.indexed_flow;
    waiting_ = 0;
}

void fill_late_indexes(Database &database, const std::string &schema) {
    const std::string new_leases = " FROM " + schema +
                                   ".lease WHERE id > (SELECT "
                                   "ifnull(indexed_lease, -9223372036854775808) FROM " +
                                   schema + ".part)";
    const std::string new_flows =
        " FROM " + schema + ".flow WHERE id > (SELECT indexed_flow FROM " + schema + ".part)";
    database.execute("INSERT INTO " + schema + ".lease_of_port SELECT port, id" + new_leases +
                     " ORDER BY port, id");
    database.execute("INSERT INTO " + schema + ".lease_of_flow SELECT flow, id" + new_leases +
                     " ORDER BY flow, id");
    database.execute("INSERT INTO " + schema + ".flow_of_process SELECT process, id" + new_flows +
                     " AND process IS NOT NULL ORDER BY process, id");
    database.execute("INSERT INTO " + schema + ".lease_of_peer SELECT peer_address, id" +
                     new_leases + " AND peer_address IS NOT NULL ORDER BY peer_address, id");
    database.execute("UPDATE " + schema + ".part SET indexed_lease = (SELECT max(id) FROM " +
                     schema + ".lease), indexed_flow = ifnull((SELECT max(id) FROM " + schema +
                     ".flow), 0)");
}

} // namespace portd::store
