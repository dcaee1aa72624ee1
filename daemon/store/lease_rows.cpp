#include "store/lease_rows.hpp"

#include "store/schema.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <utility>

namespace portd::store {
namespace {

using model::When;

constexpr std::array<std::string_view, 32> lease_columns{
    "serial",
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

template <typename Keep>
std::string update_sql(Keep keep) {
    const auto kept = [&](std::string_view column) { return column != "serial" && keep(column); };
    const auto assignment = [](std::size_t i) { return name_of(i) + " = " + parameter(i); };
    return "UPDATE lease SET " + listed(kept, assignment) + " WHERE serial = ?1";
}

std::string select_lease_sql() {
    return "SELECT " + listed(any_column, name_of) + " FROM lease WHERE serial = ?1";
}

// Two's complement, both ways: SQLite has signed integers only.
std::int64_t as_signed(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
std::optional<std::int64_t> as_signed(std::optional<std::uint64_t> value) {
    if (!value)
        return std::nullopt;
    return as_signed(*value);
}
std::optional<std::uint64_t> as_unsigned(std::optional<std::int64_t> value) {
    if (!value)
        return std::nullopt;
    return static_cast<std::uint64_t>(*value);
}

template <typename Enum>
std::int64_t number(Enum value) {
    return static_cast<std::int64_t>(value);
}
template <typename Enum>
std::optional<std::int64_t> number(std::optional<Enum> value) {
    if (!value)
        return std::nullopt;
    return number(*value);
}

std::span<const std::uint8_t> address_bytes(const model::Address &address) {
    return {address.bytes.data(), address.family == Family::ipv4 ? 4u : 16u};
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

// Takes the columns of one row in their order, and refuses what does not fit its type.
class Row {
  public:
    Row(const Execution &row, const Database &database, std::string name)
        : row_(row), database_(database), name_(std::move(name)) {}

    bool null() const { return row_.is_null(column_); }
    std::int64_t integer() { return row_.integer(column_++); }
    std::optional<std::int64_t> optional_integer() { return row_.optional_integer(column_++); }
    std::string text() { return row_.text(column_++); }
    std::optional<std::string> optional_text() { return row_.optional_text(column_++); }

    template <typename T>
    T fitting() {
        const std::int64_t value = integer();
        if (!std::in_range<T>(value))
            refuse(value);
        return static_cast<T>(value);
    }
    template <typename T>
    std::optional<T> optional_fitting() {
        return skip_null() ? std::nullopt : std::optional<T>(fitting<T>());
    }
    template <typename Enum>
    Enum enumeration(Enum last = last_value<Enum>) {
        const std::int64_t value = integer();
        if (value < 0 || value > number(last))
            refuse(value);
        return static_cast<Enum>(value);
    }
    template <typename Enum>
    std::optional<Enum> optional_enumeration() {
        return skip_null() ? std::nullopt : std::optional<Enum>(enumeration<Enum>());
    }
    std::optional<model::Instant> optional_instant(std::int64_t base) {
        const auto us = optional_integer();
        return us ? std::optional(model::instant_from_us(*us - base)) : std::nullopt;
    }
    std::optional<When> when(std::int64_t base) {
        When when{optional_instant(base), optional_instant(base), {}};
        if (skip_null())
            return std::nullopt;
        when.provenance = enumeration<Provenance>();
        return when;
    }
    std::optional<model::Address> address() {
        if (skip_null())
            return std::nullopt;
        const auto blob = row_.blob(column_++);
        if (blob.size() != 4 && blob.size() != 16)
            refuse(static_cast<std::int64_t>(blob.size()));
        model::Address address;
        address.family = blob.size() == 4 ? Family::ipv4 : Family::ipv6;
        std::copy(blob.begin(), blob.end(), address.bytes.begin());
        return address;
    }
    [[noreturn]] void refuse(std::int64_t value) const {
        database_.damaged(name_ + ": column " + std::to_string(column_) + " cannot be " +
                          std::to_string(value));
    }

  private:
    bool skip_null() {
        if (!null())
            return false;
        ++column_;
        return true;
    }

    const Execution &row_;
    const Database &database_;
    std::string name_;
    int column_ = 0;
};

void check_attribution(const Row &row, const model::Attribution &who, std::size_t holders) {
    if (who.holder && *who.holder >= holders)
        row.refuse(*who.holder);
}

} // namespace

std::string insert_lease_sql() {
    return "INSERT INTO lease(" + listed(any_column, name_of) + ") VALUES(" +
           listed(any_column, parameter) + ")";
}

std::string update_lease_sql() {
    return update_sql(any_column);
}

std::string update_unmoved_lease_sql() {
    return update_sql([](std::string_view column) {
        return column != "local_port" && column != "opened_latest_us";
    });
}

model::Instant opened_by(const model::Lease &lease) {
    return lease.opened.latest.value_or(lease.id.first_observed);
}

void bind_lease(Execution &execution, const model::Lease &lease, std::int64_t boot,
                std::int64_t base) {
    When opened = lease.opened;
    opened.latest = opened_by(lease);
    execution.bind(lease.serial)
        .bind(boot)
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
      select_boot_(database, "SELECT uuid, base_offset_us FROM boot WHERE id = ?1") {}

LeaseRows::Stored LeaseRows::lease(std::int64_t serial) {
    Execution execution(select_lease_);
    const std::string name = "lease " + std::to_string(serial);
    if (!execution.bind(serial).next())
        database_.damaged(name + " is in an index but not in the table");
    Row row(execution, database_, name);
    Stored stored;
    model::Lease &lease = stored.lease;
    lease.serial = row.integer();
    stored.boot = &boot(row.integer());
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

const BootInfo &LeaseRows::boot(std::int64_t id) {
    if (const auto known = boots_.find(id); known != boots_.end())
        return known->second;
    Execution row(select_boot_);
    if (!row.bind(id).next())
        database_.damaged("boot " + std::to_string(id) + " is missing");
    return boots_.emplace(id, BootInfo{row.text(0), row.integer(1)}).first->second;
}

} // namespace portd::store
