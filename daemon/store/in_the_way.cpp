#include "store/in_the_way.hpp"

#include <algorithm>
#include <cstdint>
#include <tuple>

namespace portd::store {
namespace {

constexpr std::uint16_t first_unprivileged_port = 1024; // PROT_SOCK, include/net/sock.h

enum class Had { surely, perhaps, not_at_all };

Had had_port(const model::Lease &lease, model::Instant at) {
    const bool surely_begun = lease.opened.latest && *lease.opened.latest <= at;
    const bool surely_held =
        !lease.freed || (lease.freed->earliest && *lease.freed->earliest >= at);
    if (surely_begun && surely_held)
        return Had::surely;
    const bool not_begun = lease.opened.earliest && *lease.opened.earliest > at;
    const bool over = lease.freed && lease.freed->latest && *lease.freed->latest < at;
    return not_begun || over ? Had::not_at_all : Had::perhaps;
}

// Listeners, addresses of the same family, sockets that a process had.
void put_likeliest_first(std::vector<LeaseRows::Stored> &found, const model::BindFailure &failure) {
    const Family family = model::unmapped(failure.local.address).family;
    const auto rank = [&](const LeaseRows::Stored &stored) {
        const model::Lease &lease = stored.lease;
        const bool lingered =
            lease.closed && lease.closed->latest && *lease.closed->latest < failure.at;
        return std::tuple(lease.role != Role::listener,
                          model::unmapped(lease.local.address).family != family, lingered,
                          lease.opened.latest, lease.serial);
    };
    std::ranges::sort(found, {}, rank);
}

} // namespace

Obstacles find_obstacles(const StoredBindFailure &stored, std::vector<LeaseRows::Stored> leases,
                         AreAll are_all) {
    const model::BindFailure &failure = stored.failure;
    std::erase_if(leases, [&](const LeaseRows::Stored &one) {
        return one.boot->boot_id != stored.boot->boot_id ||
               !model::addresses_conflict(one.lease.local.address, failure.local.address);
    });
    const bool nobody_had_port =
        are_all == AreAll::yes && std::ranges::all_of(leases, [&](const LeaseRows::Stored &one) {
            return had_port(one.lease, failure.at) == Had::not_at_all;
        });
    std::erase_if(leases, [&](const LeaseRows::Stored &one) {
        return had_port(one.lease, failure.at) != Had::surely;
    });
    // EINVAL then, whoever else has the port.
    const bool had_one_itself = std::erase_if(leases, [&](const LeaseRows::Stored &one) {
                                    return one.lease.id.socket == failure.socket;
                                }) > 0;
    put_likeliest_first(leases, failure);
    if (leases.size() > most_in_the_way)
        leases.resize(most_in_the_way);

    Obstacles obstacles{std::move(leases), {}};
    const bool may_lack_privilege =
        failure.local.port < first_unprivileged_port && failure.uid != std::uint32_t{0};
    if (had_one_itself)
        return obstacles;
    if (!obstacles.leases.empty() && !may_lack_privilege)
        obstacles.error = "EADDRINUSE";
    if (obstacles.leases.empty() && may_lack_privilege && failure.uid && nobody_had_port)
        obstacles.error = "EACCES";
    return obstacles;
}

} // namespace portd::store
