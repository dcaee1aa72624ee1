#include "store/bind_failure_rows.hpp"

#include "store/row.hpp"

#include <algorithm>
#include <limits>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

} // namespace

std::string insert_bind_failure_sql() {
    return "INSERT INTO bind_failure(id, boot, network_namespace, key_kind, key_value, at_us, "
           "protocol, local_address, local_port, uid, process) "
           "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
           "ON CONFLICT(boot, network_namespace, key_kind, key_value, at_us) DO NOTHING";
}

void bind_bind_failure(Execution &execution, const model::BindFailure &failure, std::int64_t id,
                       std::int64_t boot, std::int64_t base_offset_us,
                       std::optional<std::int64_t> process) {
    execution.bind(id)
        .bind(boot)
        .bind(failure.socket.network_namespace)
        .bind(number(failure.socket.kind))
        .bind(as_signed(failure.socket.value))
        .bind(to_us(failure.at) + base_offset_us)
        .bind(number(failure.protocol))
        .bind(address_bytes(failure.local.address))
        .bind(failure.local.port)
        .bind(failure.uid)
        .bind(process);
}

BindFailureRows::BindFailureRows(Database &database, LeaseRows &rows)
    : database_(database),
      rows_(rows),
      select_(database, "SELECT boot, network_namespace, key_kind, key_value, at_us, protocol, "
                        "local_address, local_port, uid, process FROM bind_failure WHERE id = ?1") {
}

StoredBindFailure BindFailureRows::bind_failure(std::int64_t id) {
    Execution execution(select_);
    const std::string name = "bind_failure " + std::to_string(id);
    if (!execution.bind(id).next())
        database_.damaged(name + " is in an index but not in the table");
    Row row(execution, database_, name);
    StoredBindFailure stored;
    model::BindFailure &failure = stored.failure;
    stored.boot_row = row.integer();
    stored.boot = &rows_.processes().boot(stored.boot_row);
    failure.socket.network_namespace = row.fitting<std::uint32_t>();
    failure.socket.kind = row.enumeration(model::SocketKey::Kind::tuple);
    failure.socket.value = static_cast<std::uint64_t>(row.integer());
    const std::int64_t at_us = row.integer();
    failure.at = model::instant_from_us(at_us - stored.boot->base_offset_us);
    failure.protocol = row.enumeration<Protocol>();
    failure.local.address = row.address().value_or(model::Address{});
    failure.local.port = row.fitting<std::uint16_t>();
    failure.uid = row.optional_fitting<std::uint32_t>();
    if (const auto process = row.optional_integer())
        failure.process = rows_.processes().process(*process);
    stored.network_namespace_name =
        rows_.namespace_name(stored.boot_row, failure.socket.network_namespace, at_us);
    return stored;
}

// ?1 port, ?2 protocol, ?3 pid, ?4 uid, ?5 open leases only; the rows after (?6, ?7), up to ?8.
std::string bind_failures_sql(FailuresOf ports, bool newest_first) {
    const std::string source = ports == FailuresOf::one_port
                                   ? "bind_failure_by_port WHERE f.local_port = ?1 AND"
                                   : "bind_failure_by_time WHERE";
    const std::string direction = newest_first ? " DESC" : "";
    return "SELECT f.id, f.at_us, ((?2 IS NULL OR f.protocol = ?2) AND (?4 IS NULL OR f.uid IS ?4) "
           "AND ?5 = 0 AND (?3 IS NULL OR EXISTS(SELECT 1 FROM process AS p WHERE p.id = f.process "
           "AND p.pid = ?3))) FROM bind_failure AS f INDEXED BY " +
           source +
           (newest_first ? " (f.at_us, f.id) < (?6, ?7) AND f.at_us >= ?8"
                         : " (f.at_us, f.id) > (?6, ?7) AND f.at_us <= ?8") +
           " ORDER BY f.at_us" + direction + ", f.id" + direction;
}

void bind_failures_query(Execution &execution, const model::LeaseQuery &query,
                         const std::optional<model::BindFailureCursor> &after) {
    using Cursor = model::BindFailureCursor;
    const std::int64_t since = query.since_us.value_or(Limits::min());
    const std::int64_t until = query.until_us.value_or(Limits::max());
    Cursor begin = query.newest_first ? Cursor{until, Limits::max()} : Cursor{since, Limits::min()};
    if (after)
        begin = query.newest_first ? std::min(*after, begin) : std::max(*after, begin);
    execution.bind(query.port);
    if (query.protocol)
        execution.bind(number(*query.protocol));
    else
        execution.bind_null();
    execution.bind(query.pid)
        .bind(query.visible_to_uid)
        .bind(std::int64_t{query.open_only})
        .bind(begin.at_us)
        .bind(begin.number)
        .bind(query.newest_first ? since : until);
}

} // namespace portd::store
