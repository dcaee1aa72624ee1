#include "access.hpp"

#include "proto/varlink.hpp"

#include <algorithm>
#include <utility>

namespace portd::server {
namespace {

bool is_open(const proto::Lease &lease) {
    return lease.phase != Phase::freed && !lease.freed;
}

// Made up anew from what may be shown, so that a field added to leases is not shown by oversight.
proto::Lease cut(proto::Lease &&lease) {
    proto::Lease rest;
    rest.id = std::move(lease.id);
    rest.boot_id = std::move(lease.boot_id);
    rest.cookie = std::move(lease.cookie);
    rest.protocol = lease.protocol;
    rest.family = lease.family;
    rest.local_address = std::move(lease.local_address);
    rest.local_port = lease.local_port;
    rest.peer_address = std::move(lease.peer_address);
    rest.peer_port = lease.peer_port;
    rest.network_namespace = lease.network_namespace;
    rest.role = lease.role;
    rest.phase = lease.phase;
    rest.uid = lease.uid;
    rest.user = std::move(lease.user);
    rest.incomplete = true;
    return rest;
}

} // namespace

Sight sight_of(std::uint32_t uid, const std::vector<std::uint32_t> &groups,
               std::optional<std::uint32_t> portd_group) {
    const bool member = portd_group && std::ranges::find(groups, *portd_group) != groups.end();
    return uid == 0 || member ? Sight::everything : Sight::own;
}

OthersOpen others_in(const model::LeaseQuery &query, std::int64_t now_us) {
    const bool of_past = query.until_us && *query.until_us < now_us;
    const bool of_length = query.shorter_than_us || query.longer_than_us;
    const bool tells = query.asks_for_processes() || query.outcome || of_length ||
                       query.network_namespace_name || of_past;
    return tells ? OthersOpen::withheld : OthersOpen::cut;
}

bool may_call(std::string_view method, const Caller &caller) {
    return caller.sight == Sight::everything || method != proto::methods::verify;
}

std::optional<proto::Lease> visible(proto::Lease lease, const Caller &caller, OthersOpen others) {
    if (caller.sight == Sight::everything || lease.uid == std::int64_t{caller.uid})
        return lease;
    if (others == OthersOpen::withheld || !is_open(lease))
        return std::nullopt;
    return cut(std::move(lease));
}

std::optional<proto::BindFailure> visible(proto::BindFailure failure, const Caller &caller) {
    if (caller.sight == Sight::everything)
        return failure;
    const auto is_callers = [&](std::optional<std::int64_t> uid) {
        return uid == std::int64_t{caller.uid};
    };
    if (!is_callers(failure.uid))
        return std::nullopt;
    const std::size_t left_out = std::erase_if(
        failure.in_the_way, [&](const proto::Lease &lease) { return !is_callers(lease.uid); });
    failure.incomplete = failure.incomplete || left_out > 0;
    return failure;
}

} // namespace portd::server
