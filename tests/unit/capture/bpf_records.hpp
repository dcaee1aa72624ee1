// Records as the BPF program writes them, for tests.
#pragma once

#include "capture/bpf/events.h"

#include <arpa/inet.h>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <sys/socket.h>
#include <vector>

namespace portd::capture {

using Bytes = std::vector<std::byte>;

template <typename Record>
Bytes bytes_of(const Record &record) {
    Bytes bytes(sizeof record);
    std::memcpy(bytes.data(), &record, sizeof record);
    return bytes;
}

// A TCP event over IPv4 of a socket that one process has: 127.0.0.1:40000 to 127.0.0.2:443.
inline portd_socket_event socket_record(portd_kind kind) {
    portd_socket_event event{};
    event.header = {5'000'000'123, sizeof event, static_cast<__u8>(kind), PORTD_HAS_IMAGE, 0};
    event.image = {1'234'567'890, 812, 3};
    event.cookie = 77;
    event.network_namespace = 4026531840;
    event.uid = 1000;
    event.family = AF_INET;
    event.protocol = IPPROTO_TCP;
    event.state = 1;
    event.local_port = 40000;
    event.peer_port = 443;
    inet_pton(AF_INET, "127.0.0.1", event.local_address);
    inet_pton(AF_INET, "127.0.0.2", event.peer_address);
    return event;
}

// A row of the same socket.
inline portd_row row_record() {
    const auto event = socket_record(PORTD_CONNECTED);
    portd_row row{};
    row.header = {5'000'000'123, sizeof row, PORTD_ROW, 0, 0};
    row.cookie = event.cookie;
    row.network_namespace = event.network_namespace;
    row.uid = event.uid;
    row.family = event.family;
    row.protocol = event.protocol;
    row.state = event.state;
    row.local_port = event.local_port;
    row.peer_port = event.peer_port;
    std::memcpy(row.local_address, event.local_address, sizeof row.local_address);
    std::memcpy(row.peer_address, event.peer_address, sizeof row.peer_address);
    return row;
}

// Of the namespace of the same socket: 32768-60999, of which 40000-40001 are reserved.
inline portd_namespace namespace_record() {
    portd_namespace record{};
    record.header = {5'000'000'123, sizeof record, PORTD_NAMESPACE, 0, 0};
    record.network_namespace = 4026531840;
    record.range_low = 32768;
    record.range_high = 60999;
    record.unprivileged_start = 80;
    record.time_wait_reuse = 2;
    record.reserved_ports[40000 / 64] = 3ULL << 40000 % 64;
    return record;
}

// `strings_bytes` of room, with the names at its start and the arguments in its second half.
inline Bytes process_record(std::string_view path, std::string_view control_group,
                            std::string_view arguments, std::size_t strings_bytes = 1024,
                            __u8 flags = 0) {
    portd_process_event event{};
    event.header = {4'000'000'000, static_cast<__u16>(sizeof event + strings_bytes), PORTD_PROCESS,
                    flags, 0};
    event.image = {1'234'567'890, 812, 3};
    event.uid = 33;
    event.gid = 34;
    event.login_uid = static_cast<__u32>(-1);
    event.path_bytes = static_cast<__u16>(path.size());
    event.control_group_bytes = static_cast<__u16>(control_group.size());
    event.arguments_bytes = static_cast<__u16>(arguments.size());
    event.ancestor_count = 2;
    std::strcpy(event.command, "nginx");
    event.ancestors[0].pid = 700;
    std::strcpy(event.ancestors[0].command, "nginx");
    event.ancestors[1].pid = 1;
    std::strcpy(event.ancestors[1].command, "systemd");
    Bytes bytes = bytes_of(event);
    bytes.resize(sizeof event + strings_bytes);
    auto *strings = reinterpret_cast<char *>(bytes.data()) + sizeof event;
    path.copy(strings, path.size());
    control_group.copy(strings + path.size(), control_group.size());
    arguments.copy(strings + strings_bytes / 2, arguments.size());
    return bytes;
}

} // namespace portd::capture
