#include "store/wire_lease.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace portd::store {
namespace {

std::string hexadecimal(std::uint64_t value) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
    return {digits.data(), end};
}

char letter(model::SocketKey::Kind kind) {
    switch (kind) {
    case model::SocketKey::Kind::cookie:
        return 'c';
    case model::SocketKey::Kind::inode:
        return 'i';
    case model::SocketKey::Kind::tuple:
        return 't';
    }
    return '?';
}

std::int64_t wall(model::Instant at, const Times &times) {
    return times.walls.wall_us(to_us(at) + times.boot.base_offset_us);
}

// Both bounds by one setting of the clock: so neither their order nor their distance is lost.
proto::Moment moment(const model::When &when, const Times &times) {
    proto::Moment wire;
    wire.provenance = when.provenance;
    const auto anchor = when.latest ? when.latest : when.earliest;
    if (!anchor)
        return wire;
    const std::int64_t offset_us = wall(*anchor, times) - to_us(*anchor);
    const auto bound = [offset_us](const std::optional<model::Instant> &at) {
        return at ? std::optional(to_us(*at) + offset_us) : std::nullopt;
    };
    wire.boot_usec = to_us(*anchor);
    if (when.provenance == Provenance::observed && when.earliest == when.latest) {
        wire.usec = bound(anchor);
    } else {
        wire.earliest_usec = bound(when.earliest);
        wire.latest_usec = bound(when.latest);
    }
    return wire;
}

std::optional<std::int64_t> byte_count(const std::optional<std::uint64_t> &bytes) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!bytes || *bytes > most)
        return std::nullopt;
    return static_cast<std::int64_t>(*bytes);
}

proto::Process process(const model::Process &from, Provenance provenance, const Times &times,
                       const UserName &user_name) {
    proto::Process wire;
    wire.provenance = provenance;
    if (provenance == Provenance::unknown)
        return wire;
    wire.pid = from.key.pid;
    wire.start_usec = wall(from.key.started_at, times);
    wire.executable = from.executable;
    if (!from.command.empty())
        wire.command = from.command;
    wire.arguments = from.arguments;
    wire.uid = from.uid;
    wire.gid = from.gid;
    wire.login_uid = from.login_uid;
    if (from.uid)
        wire.user = user_name(*from.uid);
    wire.control_group = from.control_group;
    wire.unit = from.unit;
    wire.slice = from.slice;
    wire.container = from.container;
    for (const model::Ancestor &ancestor : from.ancestors)
        wire.ancestors.push_back({ancestor.pid, ancestor.command});
    return wire;
}

proto::Process attributed(const model::Lease &lease, const model::Attribution &who,
                          const Times &times, const UserName &user_name) {
    if (!who.holder)
        return {};
    return process(*lease.holders.at(*who.holder).process, who.provenance, times, user_name);
}

} // namespace

std::string wire_id(const model::LeaseId &id, const std::string &boot_id) {
    std::string text;
    for (const char c : boot_id)
        if (c != '-')
            text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text + "-" + std::to_string(id.socket.network_namespace) + "-" + letter(id.socket.kind) +
           hexadecimal(id.socket.value) + "-" +
           hexadecimal(static_cast<std::uint64_t>(to_us(id.first_observed)));
}

proto::Lease to_wire(const model::Lease &lease, const Times &times, const UserName &user_name) {
    proto::Lease wire;
    wire.id = wire_id(lease.id, times.boot.boot_id);
    wire.boot_id = times.boot.boot_id;
    if (lease.id.socket.kind == model::SocketKey::Kind::cookie)
        wire.cookie = std::to_string(lease.id.socket.value);
    wire.protocol = lease.protocol;
    wire.family = lease.local.address.family;
    wire.local_address = lease.local.address.to_string();
    wire.local_port = lease.local.port;
    if (lease.peer.port != 0) {
        wire.peer_address = lease.peer.address.to_string();
        wire.peer_port = lease.peer.port;
    }
    wire.network_namespace = lease.id.socket.network_namespace;
    wire.role = lease.role;
    wire.port_choice = lease.port_choice;
    wire.port_chosen_by = lease.port_chosen_by;
    wire.phase = lease.phase;
    wire.outcome = lease.outcome;
    wire.opened = moment(lease.opened, times);
    if (lease.closed)
        wire.closed = moment(*lease.closed, times);
    if (lease.freed)
        wire.freed = moment(*lease.freed, times);
    if (lease.uid) {
        wire.uid = *lease.uid;
        wire.user = user_name(*lease.uid);
    }
    wire.opener = attributed(lease, lease.opener, times, user_name);
    wire.last_holder = attributed(lease, lease.last_holder, times, user_name);
    for (const model::Holder &holder : lease.holders)
        wire.holders.push_back(process(*holder.process, Provenance::observed, times, user_name));
    wire.bytes_sent = byte_count(lease.bytes_sent);
    wire.bytes_received = byte_count(lease.bytes_received);
    return wire;
}

proto::BindFailure to_wire(const model::BindFailure &failure, const Times &times,
                           const UserName &user_name) {
    proto::BindFailure wire;
    wire.boot_id = times.boot.boot_id;
    wire.at_usec = wall(failure.at, times);
    wire.boot_usec = to_us(failure.at);
    wire.protocol = failure.protocol;
    wire.family = failure.local.address.family;
    wire.local_address = failure.local.address.to_string();
    wire.local_port = failure.local.port;
    wire.network_namespace = failure.socket.network_namespace;
    if (failure.uid) {
        wire.uid = *failure.uid;
        wire.user = user_name(*failure.uid);
    }
    if (failure.process)
        wire.process = process(*failure.process, Provenance::observed, times, user_name);
    return wire;
}

} // namespace portd::store
