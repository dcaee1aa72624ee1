#include "store/in_the_way.hpp"

#include "store/row.hpp"

#include <algorithm>
#include <tuple>

namespace portd::store {
namespace {

constexpr std::uint16_t first_unprivileged_port = 1024; // PROT_SOCK, include/net/sock.h

constexpr const char *leases_of_port =
    "epoch AS e CROSS JOIN lease AS l INDEXED BY lease_by_port WHERE l.epoch = e.id AND "
    "l.local_port = ?1";

// ?1 port, ?2 how many rows, ?3 instant.
std::string candidates_sql(const std::string &source) {
    return "SELECT serial, boot, network_namespace, key_kind, key_value, protocol, local_address, "
           "role, opened_earliest_us, opened_latest_us, opened_provenance, closed_earliest_us, "
           "closed_latest_us, closed_provenance, freed_earliest_us, freed_latest_us, "
           "freed_provenance FROM " +
           source + " LIMIT ?2";
}

} // namespace

InTheWay::InTheWay(Database &database)
    : database_(database),
      listeners_(database,
                 candidates_sql("lease AS l INDEXED BY lease_listener WHERE l.role = 1 AND "
                                "l.local_port = ?1 AND l.opened_latest_us <= ?3 "
                                "ORDER BY l.opened_latest_us DESC")),
      newest_(database, candidates_sql(std::string(leases_of_port) +
                                       " AND e.since_us <= ?3 AND l.opened_latest_us <= ?3 "
                                       "ORDER BY e.id DESC, l.opened_latest_us DESC")),
      all_(database, candidates_sql(leases_of_port)) {}

// Shows the leases of the failure's boot, namespace and protocol with an address that conflicts.
// The result is how many rows were looked at.
template <typename Visit>
std::size_t InTheWay::examine(Execution &execution, const StoredBindFailure &stored, Visit visit) {
    const model::BindFailure &failure = stored.failure;
    const std::int64_t base = stored.boot->wall_offset_us;
    std::size_t examined = 0;
    for (; execution.next(); ++examined) {
        Candidate lease;
        lease.serial = execution.integer(0);
        Row row(execution, database_, "lease " + std::to_string(lease.serial));
        row.integer();
        const std::int64_t boot = row.integer();
        lease.socket.network_namespace = row.fitting<std::uint32_t>();
        lease.socket.kind = row.enumeration(model::SocketKey::Kind::tuple);
        lease.socket.value = static_cast<std::uint64_t>(row.integer());
        const auto protocol = row.enumeration<Protocol>();
        lease.address = row.address().value_or(model::Address{});
        lease.is_listener = row.optional_enumeration<Role>() == Role::listener;
        lease.opened = row.when(base).value_or(model::When{});
        lease.closed = row.when(base);
        lease.freed = row.when(base);
        if (boot == stored.boot_row && protocol == failure.protocol &&
            lease.socket.network_namespace == failure.socket.network_namespace &&
            model::addresses_conflict(lease.address, failure.local.address))
            visit(std::move(lease));
    }
    return examined;
}

InTheWay::Had InTheWay::had_port(const Candidate &lease, model::Instant at) {
    const bool surely_begun = lease.opened.latest && *lease.opened.latest <= at;
    const bool surely_held =
        !lease.freed || (lease.freed->earliest && *lease.freed->earliest >= at);
    if (surely_begun && surely_held)
        return Had::surely;
    const bool not_begun = lease.opened.earliest && *lease.opened.earliest > at;
    const bool over = lease.freed && lease.freed->latest && *lease.freed->latest < at;
    return not_begun || over ? Had::not_at_all : Had::perhaps;
}

void InTheWay::put_likeliest_first(std::vector<Candidate> &found,
                                   const model::BindFailure &failure) {
    const Family family = model::unmapped(failure.local.address).family;
    const auto rank = [&](const Candidate &lease) {
        const bool lingered =
            lease.closed && lease.closed->latest && *lease.closed->latest < failure.at;
        return std::tuple(!lease.is_listener, model::unmapped(lease.address).family != family,
                          lingered, lease.opened.latest, lease.serial);
    };
    std::ranges::sort(found, {}, rank);
}

bool InTheWay::nobody_had_port(const StoredBindFailure &stored) {
    bool nobody = true;
    Execution leases(all_);
    leases.bind(stored.failure.local.port).bind(static_cast<std::int64_t>(max_searched));
    const std::size_t examined = examine(leases, stored, [&](const Candidate &lease) {
        nobody = nobody && had_port(lease, stored.failure.at) == Had::not_at_all;
    });
    return nobody && examined < max_searched;
}

Obstacles InTheWay::find(const StoredBindFailure &stored) {
    const model::BindFailure &failure = stored.failure;
    std::vector<Candidate> found;
    bool had_one_itself = false;
    const auto collect = [&](Statement &statement, bool listeners) {
        Execution leases(statement);
        leases.bind(failure.local.port)
            .bind(static_cast<std::int64_t>(max_examined))
            .bind(to_us(failure.at) + stored.boot->wall_offset_us);
        examine(leases, stored, [&](Candidate lease) {
            if (lease.is_listener != listeners || had_port(lease, failure.at) != Had::surely)
                return;
            if (lease.socket == failure.socket)
                had_one_itself = true; // EINVAL, whoever else has the port
            else
                found.push_back(std::move(lease));
        });
    };
    collect(listeners_, true);
    collect(newest_, false);
    put_likeliest_first(found, failure);

    Obstacles obstacles;
    for (std::size_t i = 0; i < std::min(found.size(), most); ++i)
        obstacles.leases.push_back(found[i].serial);
    const bool may_lack_privilege =
        failure.local.port < first_unprivileged_port && failure.uid != std::uint32_t{0};
    if (had_one_itself)
        return obstacles;
    if (!found.empty() && !may_lack_privilege)
        obstacles.error = "EADDRINUSE";
    if (found.empty() && may_lack_privilege && failure.uid && nobody_had_port(stored))
        obstacles.error = "EACCES";
    return obstacles;
}

} // namespace portd::store
