#include "capture/bpf_events.hpp"

#include "capture/bpf/events.h"
#include "capture/process_reader.hpp"

#include <algorithm>
#include <cstring>
#include <sys/socket.h>
#include <tuple>

namespace portd::capture {
namespace {

constexpr std::uint8_t ip_protocol_tcp = 6;
constexpr std::uint8_t ip_protocol_udp = 17;

template <typename Record>
std::optional<Record> read_fixed(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Record))
        return std::nullopt;
    Record record;
    std::memcpy(&record, bytes.data(), sizeof(Record));
    return record;
}

model::Instant instant_of(std::uint64_t ns) {
    return model::instant_from_us(static_cast<std::int64_t>(ns / 1000));
}

ImageId image_of(const portd_image &image) {
    return {image.started_at_ns, image.pid, image.exec_id};
}

std::optional<SocketEvent::Kind> kind_of(std::uint8_t kind) {
    using Kind = SocketEvent::Kind;
    switch (kind) {
    case PORTD_BOUND:
        return Kind::bound;
    case PORTD_BIND_FAILED:
        return Kind::bind_failed;
    case PORTD_LISTENING:
        return Kind::listening;
    case PORTD_CONNECTING:
        return Kind::connecting;
    case PORTD_CONNECTED:
        return Kind::connected;
    case PORTD_SENT:
        return Kind::sent;
    case PORTD_UDP_CONNECTING:
        return Kind::udp_connecting;
    case PORTD_NAMED_PEER:
        return Kind::named_peer;
    case PORTD_RELEASED:
        return Kind::released;
    case PORTD_CLOSED:
        return Kind::closed;
    }
    return std::nullopt;
}

model::SocketState state_of(std::uint8_t state) {
    if (state > static_cast<std::uint8_t>(model::SocketState::new_syn_received))
        return model::SocketState::close; // TCP_BOUND_INACTIVE, for one
    return static_cast<model::SocketState>(state == 0 ? 7 : state);
}

model::Endpoint endpoint_of(Family family, const std::uint8_t (&address)[16], std::uint16_t port) {
    model::Endpoint endpoint;
    endpoint.address.family = family;
    std::copy_n(address, family == Family::ipv6 ? 16 : 4, endpoint.address.bytes.begin());
    endpoint.port = port;
    return endpoint;
}

// What an event and a row say alike. False if it is not about a socket that can be.
template <typename Told, typename Raw>
bool decode_common(const Raw &raw, Told &told) {
    const bool is_tcp = raw.protocol == ip_protocol_tcp;
    if ((!is_tcp && raw.protocol != ip_protocol_udp) ||
        (raw.family != AF_INET && raw.family != AF_INET6))
        return false;
    const Family family = raw.family == AF_INET6 ? Family::ipv6 : Family::ipv4;
    const auto has = [&](int flag) { return (raw.header.flags & flag) != 0; };
    told.at = instant_of(raw.header.at_ns);
    told.key = {raw.cookie, raw.network_namespace, model::SocketKey::Kind::cookie};
    told.protocol = is_tcp ? Protocol::tcp : Protocol::udp;
    told.local = endpoint_of(family, raw.local_address, raw.local_port);
    told.peer = endpoint_of(family, raw.peer_address, raw.peer_port);
    told.state = state_of(raw.state);
    told.uid = raw.uid;
    told.is_kernels = has(PORTD_KERNEL_SOCKET);
    told.is_port_locked = has(PORTD_PORT_LOCKED);
    told.connect_chose_port = raw.connect_chose_port != 0;
    told.is_orphan = has(PORTD_ORPHAN);
    return true;
}

std::optional<BpfEvent> decode_socket(const portd_socket_event &raw) {
    const auto kind = kind_of(raw.header.kind);
    const auto has = [&](int flag) { return (raw.header.flags & flag) != 0; };
    SocketEvent event;
    if (!kind || !decode_common(raw, event))
        return std::nullopt;
    event.kind = *kind;
    if (has(PORTD_HAS_IMAGE) && !raw.caller_only_looked)
        event.image = image_of(raw.image);
    event.old_state = state_of(raw.old_state);
    event.error = raw.error;
    if (!has(PORTD_REQUEST_UNKNOWN))
        event.requested_port = raw.requested_port;
    event.bytes_sent = raw.bytes_sent;
    // The kernel counts the peer's FIN as a byte (tcp_rcv_nxt_update() in net/ipv4/tcp_input.c).
    event.bytes_received =
        raw.bytes_received - (has(PORTD_PEER_CLOSED) && raw.bytes_received > 0 ? 1 : 0);
    event.has_peer_closed = has(PORTD_PEER_CLOSED);
    event.is_in_accept = has(PORTD_IN_ACCEPT);
    event.is_in_exec = has(PORTD_IN_EXEC);
    return event;
}

// The bits that are set, as ranges.
template <std::size_t words>
std::vector<model::PortRange> ranges_of(const __u64 (&bits)[words]) {
    std::vector<model::PortRange> ranges;
    for (std::size_t port = 0; port < words * 64; ++port) {
        if (port % 64 == 0 && bits[port / 64] == 0) {
            port += 63;
            continue;
        }
        if ((bits[port / 64] >> port % 64 & 1) == 0)
            continue;
        const auto number = static_cast<std::uint16_t>(port);
        if (!ranges.empty() && ranges.back().high + 1 == number)
            ranges.back().high = number;
        else
            ranges.push_back({number, number});
    }
    return ranges;
}

std::optional<BpfEvent> decode_namespace(const portd_namespace &raw) {
    if (raw.range_low > raw.range_high)
        return std::nullopt;
    return NamespaceTold{raw.network_namespace,
                         {.local_range = {raw.range_low, raw.range_high},
                          .reserved = ranges_of(raw.reserved_ports),
                          .unprivileged_start = raw.unprivileged_start,
                          .time_wait_reuse = model::time_wait_reuse_of(raw.time_wait_reuse)}};
}

// "nginx\0sbin\0usr\0/\0" is /usr/sbin/nginx. Nothing if the last NUL is missing.
std::optional<std::string> join_names(std::string_view names) {
    std::string path;
    if (!names.empty() && names.back() != '\0')
        return std::nullopt;
    while (!names.empty()) {
        names.remove_suffix(1);
        const auto before = names.rfind('\0');
        const auto name = before == std::string_view::npos ? names : names.substr(before + 1);
        if (!name.empty() && name != "/")
            (path += '/') += name;
        names.remove_suffix(name.size());
    }
    return path.empty() ? "/" : path;
}

std::string command_of(const char (&command)[PORTD_COMMAND_BYTES]) {
    return {command, strnlen(command, sizeof(command))};
}

std::optional<BpfEvent> decode_image(const portd_process_event &raw, std::string_view strings) {
    const std::size_t names = std::size_t{raw.path_bytes} + raw.control_group_bytes;
    if (names > strings.size() || raw.ancestor_count > PORTD_ANCESTORS)
        return std::nullopt;
    ImageTold told;
    told.image = image_of(raw.image);
    told.at = instant_of(raw.header.at_ns);
    told.was_forked = (raw.header.flags & PORTD_FORKED) != 0;
    told.is_exiting = (raw.header.flags & PORTD_NO_MEMORY) != 0;
    told.is_amid_exec = (raw.header.flags & PORTD_AMID_EXEC) != 0;
    if (raw.path_bytes > 0)
        told.executable = join_names(strings.substr(0, raw.path_bytes));
    if ((raw.header.flags & PORTD_CONTROL_GROUP_CUT) == 0)
        told.control_group = join_names(strings.substr(raw.path_bytes, raw.control_group_bytes));
    if (raw.arguments_bytes > 0) {
        const std::size_t half = strings.size() / 2;
        if (names > half || raw.arguments_bytes > strings.size() - half)
            return std::nullopt;
        told.arguments = split_arguments(strings.substr(half, raw.arguments_bytes));
    }
    told.command = command_of(raw.command);
    told.uid = raw.uid;
    told.gid = raw.gid;
    if (raw.login_uid != static_cast<std::uint32_t>(-1))
        told.login_uid = raw.login_uid;
    for (std::size_t i = 0; i < raw.ancestor_count; ++i)
        told.ancestors.push_back({static_cast<std::int32_t>(raw.ancestors[i].pid),
                                  command_of(raw.ancestors[i].command)});
    return told;
}

} // namespace

std::optional<std::size_t> record_length(std::span<const std::byte> bytes) {
    const auto header = read_fixed<portd_header>(bytes);
    if (!header || header->length < sizeof(portd_header) || header->length > bytes.size())
        return std::nullopt;
    return header->length;
}

bool tell_the_same(const SocketRow &a, const SocketRow &b) {
    const auto facts = [](const SocketRow &row) {
        return std::tie(row.key, row.protocol, row.local, row.peer, row.state, row.uid, row.is_held,
                        row.is_kernels, row.is_port_locked, row.connect_chose_port, row.is_orphan);
    };
    return facts(a) == facts(b);
}

std::optional<SocketRow> decode_row(std::span<const std::byte> record) {
    const auto raw = read_fixed<portd_row>(record);
    SocketRow row;
    if (!raw || raw->header.kind != PORTD_ROW || !decode_common(*raw, row))
        return std::nullopt;
    row.is_held = (raw->header.flags & PORTD_HAS_IMAGE) != 0;
    return row;
}

std::optional<BpfEvent> decode_record(std::span<const std::byte> record) {
    const auto length = record_length(record);
    if (!length)
        return std::nullopt;
    record = record.first(*length);
    const auto header = read_fixed<portd_header>(record);
    if (header->kind == PORTD_PROCESS) {
        const auto raw = read_fixed<portd_process_event>(record);
        if (!raw)
            return std::nullopt;
        const auto strings = record.subspan(sizeof(portd_process_event));
        return decode_image(*raw, {reinterpret_cast<const char *>(strings.data()), strings.size()});
    }
    if (header->kind == PORTD_PROCESS_ENDED) {
        const auto raw = read_fixed<portd_process_ended_event>(record);
        return raw ? std::optional<BpfEvent>(
                         ImageEnded{image_of(raw->image), instant_of(raw->header.at_ns)})
                   : std::nullopt;
    }
    if (header->kind == PORTD_FORK) {
        const auto raw = read_fixed<portd_fork_event>(record);
        return raw ? std::optional<BpfEvent>(
                         ImageForked{image_of(raw->child), image_of(raw->parent)})
                   : std::nullopt;
    }
    if (header->kind == PORTD_NAMESPACE) {
        const auto raw = read_fixed<portd_namespace>(record);
        return raw ? decode_namespace(*raw) : std::nullopt;
    }
    if (header->kind == PORTD_NAMESPACE_ENDED) {
        const auto raw = read_fixed<portd_namespace_ended>(record);
        return raw ? std::optional<BpfEvent>(
                         NamespaceEnded{raw->network_namespace, instant_of(raw->header.at_ns)})
                   : std::nullopt;
    }
    if (header->kind == PORTD_ROW)
        return decode_row(record);
    const auto raw = read_fixed<portd_socket_event>(record);
    return raw ? decode_socket(*raw) : std::nullopt;
}

} // namespace portd::capture
