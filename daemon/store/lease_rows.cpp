#include "store/lease_rows.hpp"

#include "store/lease_state.hpp"
#include "store/lease_times.hpp"
#include "store/row.hpp"

#include <string>
#include <utility>

namespace portd::store {
namespace {

void check_attribution(const Row &row, const model::Attribution &who, std::size_t holders) {
    if (who.holder && *who.holder >= holders)
        row.refuse(*who.holder);
}

} // namespace

LeaseRows::LeaseRows(Database &database, const Part &part)
    : database_(database),
      part_(part),
      processes_(database),
      select_lease_(database,
                    "SELECT port, flow, peer_address, peer_port, key_value, state, opened_by_us, "
                    "first_observed_us, opened_spread_us, closed_us, closed_spread_us, freed_us, "
                    "freed_spread_us, bytes_sent, bytes_received FROM lease WHERE id = ?1"),
      select_flow_(database, "SELECT boot, network_namespace, protocol, key_kind, local_address, "
                             "role, port_choice, uid, process, opener, opener_provenance, "
                             "last_holder, last_holder_provenance, holders_omitted, port_chosen_by "
                             "FROM flow WHERE id = ?1"),
      select_other_holders_(database,
                            "SELECT process FROM flow_holder WHERE flow = ?1 ORDER BY ordinal"),
      select_holder_times_(database, "SELECT ordinal, first_us, last_us, present FROM "
                                     "open_holder WHERE lease = ?1"),
      select_address_(database, "SELECT value FROM address WHERE id = ?1"),
      select_namespace_name_(
          database, "SELECT t.value FROM network_namespace AS n LEFT JOIN text AS t ON t.id = "
                    "n.name WHERE n.boot = ?1 AND n.inode = ?2 AND n.since_us <= ?3 "
                    "ORDER BY n.since_us DESC LIMIT 1") {}

LeaseRows::Stored LeaseRows::lease(std::int64_t serial) {
    Execution execution(select_lease_);
    const std::string name = "lease " + std::to_string(serial);
    if (!execution.bind(part_.id_of(serial)).next())
        database_.damaged(name + " is in an index but not in the table");
    Row row(execution, database_, name);
    const auto port = row.fitting<std::uint16_t>();
    const Flow &common = flow(row.integer());
    Stored stored{common.lease, common.boot_row, &processes_.boot(common.boot_row), {}};
    const std::int64_t base = stored.boot->base_offset_us;
    model::Lease &lease = stored.lease;
    lease.serial = serial;
    lease.local.port = port;
    if (const auto peer = row.optional_integer())
        lease.peer.address = address(*peer);
    lease.peer.port = row.optional_fitting<std::uint16_t>().value_or(std::uint16_t{0});
    lease.id.socket.value = static_cast<std::uint64_t>(row.integer());
    const std::int64_t packed = row.integer();
    const auto state = unpack_state(packed);
    if (!state)
        row.refuse(packed);
    lease.phase = state->phase;
    lease.outcome = state->outcome;
    LeaseTimes times;
    times.kinds = state->kinds;
    times.opened_by_us = row.integer() + part_.moment_us(serial) - base;
    if (row.null()) // there is a text, and it is none that portd writes
        row.refuse(packed);
    times.first_observed_us = row.integer();
    times.opened_spread_us = row.optional_integer();
    times.closed_us = row.optional_integer();
    times.closed_spread_us = row.optional_integer();
    times.freed_us = row.optional_integer();
    times.freed_spread_us = row.optional_integer();
    if (!unpack_times(times, lease))
        row.refuse(packed);
    lease.bytes_sent = as_unsigned(row.optional_integer());
    lease.bytes_received = as_unsigned(row.optional_integer());
    set_holder_times(part_.id_of(serial), base, lease);
    stored.network_namespace_name = namespace_name(
        stored.boot_row, lease.id.socket.network_namespace, to_us(lease.id.first_observed) + base);
    return stored;
}

const LeaseRows::Flow &LeaseRows::flow(std::int64_t id) {
    if (const auto known = flows_.find(id); known != flows_.end())
        return known->second;
    Execution execution(select_flow_);
    const std::string name = "flow " + std::to_string(id);
    if (!execution.bind(id).next())
        database_.damaged(name + " is missing");
    Row row(execution, database_, name);
    Flow flow;
    model::Lease &lease = flow.lease;
    flow.boot_row = row.integer();
    lease.id.socket.network_namespace = row.fitting<std::uint32_t>();
    lease.protocol = row.enumeration<Protocol>();
    lease.id.socket.kind = row.enumeration(model::SocketKey::Kind::tuple);
    lease.local.address = address(row.integer());
    lease.role = row.optional_enumeration<Role>();
    lease.port_choice = row.optional_enumeration<PortChoice>();
    lease.uid = row.optional_fitting<std::uint32_t>();
    add_holders(id, row.optional_integer(), lease);
    lease.opener.holder = row.optional_fitting<std::uint32_t>();
    lease.opener.provenance = row.enumeration<Provenance>();
    lease.last_holder.holder = row.optional_fitting<std::uint32_t>();
    lease.last_holder.provenance = row.enumeration<Provenance>();
    lease.holders_omitted = row.fitting<std::uint32_t>();
    lease.port_chosen_by = row.optional_enumeration<PortChosenBy>();
    check_attribution(row, lease.opener, lease.holders.size());
    check_attribution(row, lease.last_holder, lease.holders.size());
    return flows_.emplace(id, std::move(flow)).first->second;
}

void LeaseRows::add_holders(std::int64_t flow, std::optional<std::int64_t> first,
                            model::Lease &lease) {
    if (!first)
        return;
    lease.holders.push_back({.process = processes_.process(*first)});
    Execution row(select_other_holders_);
    row.bind(flow);
    while (row.next())
        lease.holders.push_back({.process = processes_.process(row.integer(0))});
}

// See is_plain() in lease_writer.cpp for what needs no row.
void LeaseRows::set_holder_times(std::int64_t id, std::int64_t base, model::Lease &lease) {
    const model::Instant opened = opened_by(lease);
    for (model::Holder &holder : lease.holders) {
        holder.first_seen = opened;
        holder.last_seen = lease.closed ? lease.closed->latest.value_or(opened) : opened;
        holder.present = !lease.closed.has_value();
    }
    if (!lease.is_open())
        return;
    Execution row(select_holder_times_);
    row.bind(id);
    while (row.next()) {
        const auto ordinal = static_cast<std::uint64_t>(row.integer(0));
        if (ordinal >= lease.holders.size())
            database_.damaged("lease " + std::to_string(lease.serial) + " has no holder " +
                              std::to_string(ordinal));
        model::Holder &holder = lease.holders[ordinal];
        holder.first_seen = model::instant_from_us(row.integer(1) - base);
        holder.last_seen = model::instant_from_us(row.integer(2) - base);
        holder.present = row.integer(3) != 0;
    }
}

model::Address LeaseRows::address(std::int64_t id) {
    Execution execution(select_address_);
    const std::string name = "address " + std::to_string(id);
    if (!execution.bind(id).next())
        database_.damaged(name + " is missing");
    Row row(execution, database_, name);
    return row.address().value_or(model::Address{});
}

void LeaseRows::forget() {
    flows_.clear();
    processes_.forget();
}

bool LeaseRows::forget_beyond(std::size_t most_flows, std::size_t most_processes) {
    if (processes_.known() > most_processes)
        forget();
    else if (flows_.size() > most_flows)
        flows_.clear();
    else
        return false;
    return true;
}

std::optional<std::string> LeaseRows::namespace_name(std::int64_t boot, std::uint32_t inode,
                                                     std::int64_t at_us) {
    Execution row(select_namespace_name_);
    if (!row.bind(boot).bind(inode).bind(at_us).next())
        return std::nullopt;
    return row.optional_text(0);
}

} // namespace portd::store
