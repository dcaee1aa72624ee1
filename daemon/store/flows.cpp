#include "store/flows.hpp"

#include "store/row.hpp"

namespace portd::store {
namespace {

constexpr std::size_t flows_a_generation = 32'768;

} // namespace

Flows::Flows(Database &database, Interning &interning)
    : database_(database),
      interning_(interning),
      insert_(database, "INSERT INTO flow(boot, network_namespace, protocol, key_kind, "
                        "local_address, role, port_choice, uid, process, opener, "
                        "opener_provenance, last_holder, last_holder_provenance, holders_omitted, "
                        "port_chosen_by) "
                        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"),
      insert_holder_(database,
                     "INSERT INTO flow_holder(flow, ordinal, process) VALUES(?1, ?2, ?3)") {}

std::int64_t Flows::flow(const model::Lease &lease, std::int64_t boot) {
    Flow flow = describe(lease, boot);
    if (const auto known = younger_.find(flow); known != younger_.end())
        return known->second;
    const auto known = older_.find(flow);
    const std::int64_t id = known != older_.end() ? known->second : insert(flow);
    remember(std::move(flow), id);
    return id;
}

void Flows::remember(Flow flow, std::int64_t id) {
    if (younger_.size() >= flows_a_generation) {
        older_ = std::move(younger_);
        younger_.clear();
    }
    younger_.emplace(std::move(flow), id);
}

void Flows::forget() {
    younger_.clear();
    older_.clear();
}

Flows::Flow Flows::describe(const model::Lease &lease, std::int64_t boot) {
    Flow flow{.boot = boot,
              .network_namespace = lease.id.socket.network_namespace,
              .protocol = lease.protocol,
              .key_kind = lease.id.socket.kind,
              .local_address = interning_.address(lease.local.address),
              .role = lease.role,
              .port_choice = lease.port_choice,
              .port_chosen_by = lease.port_chosen_by,
              .uid = lease.uid,
              .first_holder = {},
              .other_holders = {},
              .opener = lease.opener,
              .last_holder = lease.last_holder,
              .holders_omitted = lease.holders_omitted};
    for (const model::Holder &holder : lease.holders) {
        const std::int64_t process = interning_.process(holder.process);
        if (!flow.first_holder)
            flow.first_holder = process;
        else
            flow.other_holders.push_back(process);
    }
    return flow;
}

std::int64_t Flows::insert(const Flow &flow) {
    Execution(insert_)
        .bind(flow.boot)
        .bind(flow.network_namespace)
        .bind(number(flow.protocol))
        .bind(number(flow.key_kind))
        .bind(flow.local_address)
        .bind(number(flow.role))
        .bind(number(flow.port_choice))
        .bind(flow.uid)
        .bind(flow.first_holder)
        .bind(flow.opener.holder)
        .bind(number(flow.opener.provenance))
        .bind(flow.last_holder.holder)
        .bind(number(flow.last_holder.provenance))
        .bind(flow.holders_omitted)
        .bind(number(flow.port_chosen_by))
        .run();
    const std::int64_t id = database_.last_insert_id();
    std::int64_t ordinal = 1;
    for (const std::int64_t process : flow.other_holders)
        Execution(insert_holder_).bind(id).bind(ordinal++).bind(process).run();
    return id;
}

std::size_t Flows::Hash::operator()(const Flow &flow) const noexcept {
    // FNV-1a over the numbers that tell flows apart in practice.
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    const auto add = [&hash](std::uint64_t value) {
        hash = (hash ^ value) * 0x100000001b3ULL;
        hash ^= hash >> 29;
    };
    add(flow.network_namespace);
    add(static_cast<std::uint64_t>(flow.local_address));
    add(static_cast<std::uint64_t>(flow.first_holder.value_or(0)));
    for (const std::int64_t process : flow.other_holders)
        add(static_cast<std::uint64_t>(process));
    add(static_cast<std::uint64_t>(number(flow.role).value_or(7)) << 8 |
        static_cast<std::uint64_t>(number(flow.protocol)));
    return hash;
}

} // namespace portd::store
