#include "store/lease_rows.hpp"

#include "store/row.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace portd::store {
namespace {

using model::When;

constexpr std::array<std::string_view, lease_column_count> lease_columns{
    "serial",
    "epoch",
    "boot",
    "network_namespace",
    "key_kind",
    "key_value",
    "first_us",
    "protocol",
    "local_address",
    "local_port",
    "peer_address",
    "peer_port",
    "role",
    "port_choice",
    "phase",
    "outcome",
    "opened_earliest_us",
    "opened_latest_us",
    "opened_provenance",
    "closed_earliest_us",
    "closed_latest_us",
    "closed_provenance",
    "freed_earliest_us",
    "freed_latest_us",
    "freed_provenance",
    "uid",
    "opener",
    "opener_provenance",
    "last_holder",
    "last_holder_provenance",
    "holders_omitted",
    "bytes_sent",
    "bytes_received",
};

std::string parameter(std::size_t column) {
    std::string text("?");
    return text += std::to_string(column + 1);
}

// The columns that `keep` admits, each as `write` puts it, with commas between.
template <typename Keep, typename Write>
std::string listed(Keep keep, Write write) {
    std::string list;
    for (std::size_t i = 0; i < lease_columns.size(); ++i) {
        if (!keep(lease_columns[i]))
            continue;
        if (!list.empty())
            list += ", ";
        list += write(i);
    }
    return list;
}

bool any_column(std::string_view) {
    return true;
}

std::string name_of(std::size_t column) {
    return std::string(lease_columns[column]);
}

std::string select_lease_sql() {
    return "SELECT " + listed(any_column, name_of) + " FROM lease WHERE serial = ?1";
}

void bind_when(Execution &execution, const std::optional<When> &when, std::int64_t base) {
    const auto bound = [&](const std::optional<model::Instant> &at) {
        at ? execution.bind(to_us(*at) + base) : execution.bind_null();
    };
    if (!when) {
        execution.bind_null().bind_null().bind_null();
        return;
    }
    bound(when->earliest);
    bound(when->latest);
    execution.bind(number(when->provenance));
}

void check_attribution(const Row &row, const model::Attribution &who, std::size_t holders) {
    if (who.holder && *who.holder >= holders)
        row.refuse(*who.holder);
}

} // namespace

std::string insert_lease_sql() {
    return "INSERT OR ROLLBACK INTO lease(" + listed(any_column, name_of) + ") VALUES ";
}

std::string update_lease_sql() {
    const auto kept = [](std::string_view column) { return column != "serial"; };
    const auto assignment = [](std::size_t i) { return name_of(i) + " = " + parameter(i); };
    return "UPDATE lease SET " + listed(kept, assignment) + " WHERE serial = ?1";
}

std::string update_progress_sql() {
    return "UPDATE lease SET phase = ?2, outcome = ?3, closed_earliest_us = ?4, "
           "closed_latest_us = ?5, closed_provenance = ?6, freed_earliest_us = ?7, "
           "freed_latest_us = ?8, freed_provenance = ?9, last_holder = ?10, "
           "last_holder_provenance = ?11, holders_omitted = ?12, bytes_sent = ?13, "
           "bytes_received = ?14 WHERE serial = ?1";
}

void bind_progress(Execution &execution, const model::Lease &lease, std::int64_t base) {
    execution.bind(lease.serial).bind(number(lease.phase)).bind(number(lease.outcome));
    bind_when(execution, lease.closed, base);
    bind_when(execution, lease.freed, base);
    execution.bind(lease.last_holder.holder)
        .bind(number(lease.last_holder.provenance))
        .bind(lease.holders_omitted)
        .bind(as_signed(lease.bytes_sent))
        .bind(as_signed(lease.bytes_received));
}

model::Instant opened_by(const model::Lease &lease) {
    return lease.opened.latest.value_or(lease.id.first_observed);
}

void bind_lease(Execution &execution, const model::Lease &lease, const Filing &filing) {
    const std::int64_t base = filing.base_offset_us;
    When opened = lease.opened;
    opened.latest = opened_by(lease);
    execution.bind(lease.serial)
        .bind(filing.epoch)
        .bind(filing.boot)
        .bind(lease.id.socket.network_namespace)
        .bind(number(lease.id.socket.kind))
        .bind(as_signed(lease.id.socket.value))
        .bind(to_us(lease.id.first_observed) + base)
        .bind(number(lease.protocol))
        .bind(address_bytes(lease.local.address))
        .bind(lease.local.port);
    if (lease.peer == model::Endpoint{})
        execution.bind_null().bind_null();
    else
        execution.bind(address_bytes(lease.peer.address)).bind(lease.peer.port);
    execution.bind(number(lease.role))
        .bind(number(lease.port_choice))
        .bind(number(lease.phase))
        .bind(number(lease.outcome));
    bind_when(execution, opened, base);
    bind_when(execution, lease.closed, base);
    bind_when(execution, lease.freed, base);
    execution.bind(lease.uid)
        .bind(lease.opener.holder)
        .bind(number(lease.opener.provenance))
        .bind(lease.last_holder.holder)
        .bind(number(lease.last_holder.provenance))
        .bind(lease.holders_omitted)
        .bind(as_signed(lease.bytes_sent))
        .bind(as_signed(lease.bytes_received));
}

LeaseRows::LeaseRows(Database &database)
    : database_(database),
      select_lease_(database, select_lease_sql()),
      select_holders_(database, "SELECT process, first_us, last_us, present FROM lease_holder "
                                "WHERE lease = ?1 ORDER BY ordinal"),
      select_process_(
          database,
          "SELECT p.pid, p.start_us - b.base_offset_us, e.value, c.value, a.value, p.uid, p.gid, "
          "p.login_uid, g.value, u.value, k.value FROM process AS p JOIN boot AS b ON b.id = "
          "p.boot "
          "LEFT JOIN text AS e ON e.id = p.executable LEFT JOIN text AS c ON c.id = p.command "
          "LEFT JOIN text AS a ON a.id = p.arguments LEFT JOIN text AS g ON g.id = p.control_group "
          "LEFT JOIN text AS u ON u.id = p.unit LEFT JOIN text AS k ON k.id = p.container "
          "WHERE p.id = ?1"),
      select_ancestors_(database,
                        "SELECT a.pid, t.value FROM ancestor AS a LEFT JOIN text AS t ON t.id = "
                        "a.command WHERE a.process = ?1 ORDER BY a.ordinal"),
      select_boot_(database, "SELECT uuid, base_offset_us FROM boot WHERE id = ?1"),
      select_namespace_name_(
          database, "SELECT t.value FROM network_namespace AS n LEFT JOIN text AS t ON t.id = "
                    "n.name WHERE n.boot = ?1 AND n.inode = ?2 AND n.since_us <= ?3 "
                    "ORDER BY n.since_us DESC LIMIT 1") {}

LeaseRows::Stored LeaseRows::lease(std::int64_t serial) {
    Execution execution(select_lease_);
    const std::string name = "lease " + std::to_string(serial);
    if (!execution.bind(serial).next())
        database_.damaged(name + " is in an index but not in the table");
    Row row(execution, database_, name);
    Stored stored;
    model::Lease &lease = stored.lease;
    lease.serial = row.integer();
    row.integer(); // the epoch follows from the opening
    const std::int64_t boot_row = row.integer();
    stored.boot = &boot(boot_row);
    const std::int64_t base = stored.boot->wall_offset_us;
    lease.id.socket.network_namespace = row.fitting<std::uint32_t>();
    lease.id.socket.kind = row.enumeration(model::SocketKey::Kind::tuple);
    lease.id.socket.value = static_cast<std::uint64_t>(row.integer());
    lease.id.first_observed = model::instant_from_us(row.integer() - base);
    lease.protocol = row.enumeration<Protocol>();
    lease.local.address = row.address().value_or(model::Address{});
    lease.local.port = row.fitting<std::uint16_t>();
    lease.peer.address = row.address().value_or(model::Address{});
    lease.peer.port = row.optional_fitting<std::uint16_t>().value_or(std::uint16_t{0});
    lease.role = row.optional_enumeration<Role>();
    lease.port_choice = row.optional_enumeration<PortChoice>();
    lease.phase = row.enumeration<Phase>();
    lease.outcome = row.optional_enumeration<Outcome>();
    lease.opened = row.when(base).value_or(When{});
    lease.closed = row.when(base);
    lease.freed = row.when(base);
    lease.uid = row.optional_fitting<std::uint32_t>();
    lease.opener.holder = row.optional_fitting<std::uint32_t>();
    lease.opener.provenance = row.enumeration<Provenance>();
    lease.last_holder.holder = row.optional_fitting<std::uint32_t>();
    lease.last_holder.provenance = row.enumeration<Provenance>();
    lease.holders_omitted = row.fitting<std::uint32_t>();
    lease.bytes_sent = as_unsigned(row.optional_integer());
    lease.bytes_received = as_unsigned(row.optional_integer());
    lease.holders = holders(serial, base);
    stored.network_namespace_name = namespace_name(boot_row, lease.id.socket.network_namespace,
                                                   to_us(lease.id.first_observed) + base);
    check_attribution(row, lease.opener, lease.holders.size());
    check_attribution(row, lease.last_holder, lease.holders.size());
    return stored;
}

std::vector<model::Holder> LeaseRows::holders(std::int64_t serial, std::int64_t base) {
    std::vector<model::Holder> found;
    Execution row(select_holders_);
    row.bind(serial);
    while (row.next())
        found.push_back({process(row.integer(0)), model::instant_from_us(row.integer(1) - base),
                         model::instant_from_us(row.integer(2) - base), row.integer(3) != 0});
    return found;
}

model::ProcessRef LeaseRows::process(std::int64_t id) {
    if (const auto known = processes_.find(id); known != processes_.end())
        return known->second;
    Execution execution(select_process_);
    const std::string name = "process " + std::to_string(id);
    if (!execution.bind(id).next())
        database_.damaged(name + " is missing");
    Row row(execution, database_, name);
    auto process = std::make_shared<model::Process>();
    process->key.pid = row.fitting<std::int32_t>();
    process->key.started_at = model::instant_from_us(row.integer());
    process->executable = row.optional_text();
    process->command = row.text();
    process->arguments = row.optional_text();
    process->uid = row.optional_fitting<std::uint32_t>();
    process->gid = row.optional_fitting<std::uint32_t>();
    process->login_uid = row.optional_fitting<std::uint32_t>();
    process->control_group = row.optional_text();
    process->unit = row.optional_text();
    process->container = row.optional_text();
    process->ancestors = ancestors(id);
    return processes_.emplace(id, std::move(process)).first->second;
}

std::vector<model::Ancestor> LeaseRows::ancestors(std::int64_t process) {
    std::vector<model::Ancestor> found;
    Execution execution(select_ancestors_);
    execution.bind(process);
    while (execution.next()) {
        Row row(execution, database_, "ancestors of process " + std::to_string(process));
        const auto pid = row.fitting<std::int32_t>();
        found.push_back({pid, row.text()});
    }
    return found;
}

std::optional<std::string> LeaseRows::namespace_name(std::int64_t boot, std::uint32_t inode,
                                                     std::int64_t at_us) {
    Execution row(select_namespace_name_);
    if (!row.bind(boot).bind(inode).bind(at_us).next())
        return std::nullopt;
    return row.optional_text(0);
}

const BootInfo &LeaseRows::boot(std::int64_t id) {
    if (const auto known = boots_.find(id); known != boots_.end())
        return known->second;
    Execution row(select_boot_);
    if (!row.bind(id).next())
        database_.damaged("boot " + std::to_string(id) + " is missing");
    return boots_.emplace(id, BootInfo{row.text(0), row.integer(1)}).first->second;
}

} // namespace portd::store
