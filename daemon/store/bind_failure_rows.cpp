#include "store/bind_failure_rows.hpp"

#include "store/lease_filter.hpp"
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

BoundSql bind_failures_of(const model::LeaseQuery &query,
                          const std::optional<model::BindFailureCursor> &after) {
    using Cursor = model::BindFailureCursor;
    const std::int64_t since = query.since_us.value_or(Limits::min());
    const std::int64_t until = query.until_us.value_or(Limits::max());
    Cursor begin = query.newest_first ? Cursor{until, Limits::max()} : Cursor{since, Limits::min()};
    if (after)
        begin = query.newest_first ? std::min(*after, begin) : std::max(*after, begin);

    BoundSql sql;
    const std::string visible =
        query.visible_to_uid ? " AND f.uid IS " + sql.put(std::int64_t{*query.visible_to_uid}) : "";
    const std::string source = query.port ? "bind_failure_by_port WHERE f.local_port = " +
                                                sql.put(std::int64_t{*query.port}) + " AND "
                                          : "bind_failure_by_time WHERE ";
    const std::string direction = query.newest_first ? " DESC" : "";
    sql.text = "SELECT f.id, f.at_us, (TRUE" + visible + bind_failure_conditions(sql, query) +
               ") FROM bind_failure AS f INDEXED BY " + source + "(f.at_us, f.id) " +
               (query.newest_first ? "<" : ">") + " (" + sql.put(begin.at_us) + ", " +
               sql.put(begin.number) + ") AND f.at_us " + (query.newest_first ? ">=" : "<=") + " " +
               sql.put(query.newest_first ? since : until) + " ORDER BY f.at_us" + direction +
               ", f.id" + direction;
    return sql;
}

} // namespace portd::store
