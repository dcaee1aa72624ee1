// What identifies a socket, and the states the kernel's tables give it.
#pragma once

#include "model/endpoint.hpp"

#include <cstdint>
#include <functional>

namespace portd::model {

// One kernel socket within a boot.
//   cookie  the socket cookie (sock_diag(7)): shared by dumps, destroy events and eBPF
//   inode   /proc/net tables have no cookie; an inode lives as long as the socket's file
//   tuple   a hash of protocol and endpoints, for /proc/net rows that have neither (TIME_WAIT)
struct SocketKey {
    enum class Kind : std::uint8_t { cookie, inode, tuple };

    std::uint64_t value = 0;
    std::uint32_t network_namespace = 0; // inode number of the namespace, namespaces(7)
    Kind kind = Kind::cookie;

    auto operator<=>(const SocketKey &) const = default;
};

// Values of enum in include/net/tcp_states.h, shared by sock_diag and /proc/net/tcp. UDP sockets
// use established (connected) and close (not connected) only.
enum class SocketState : std::uint8_t {
    established = 1,
    syn_sent = 2,
    syn_received = 3,
    fin_wait1 = 4,
    fin_wait2 = 5,
    time_wait = 6,
    close = 7,
    close_wait = 8,
    last_ack = 9,
    listen = 10,
    closing = 11,
    new_syn_received = 12,
};

// One of the kernel's socket tables, scanned as a whole.
struct Table {
    Protocol protocol = Protocol::tcp;
    Family family = Family::ipv4;
    std::uint32_t network_namespace = 0;

    auto operator<=>(const Table &) const = default;
};

} // namespace portd::model

template <>
struct std::hash<portd::model::SocketKey> {
    std::size_t operator()(const portd::model::SocketKey &key) const noexcept {
        // Cookies and inodes are small and dense: spread them over the word (splitmix64's
        // finisher).
        std::uint64_t x = key.value ^ (std::uint64_t{key.network_namespace} << 32) ^
                          (std::uint64_t(key.kind) << 62);
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return x ^ (x >> 31);
    }
};
