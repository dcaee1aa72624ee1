#include "sockets.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

namespace ground_truth {
namespace {

template <typename Address>
Endpoint endpoint_of(const Address &address) {
    Endpoint endpoint;
    std::memcpy(&endpoint.storage, &address, sizeof address);
    endpoint.length = sizeof address;
    return endpoint;
}

template <typename Address>
Address as(const Endpoint &endpoint) {
    Address address{};
    std::memcpy(&address, &endpoint.storage, sizeof address);
    return address;
}

Name name_of(const Endpoint &endpoint) {
    Name name{.family = endpoint.family(), .port = port_of(endpoint)};
    if (endpoint.family() == AF_INET) {
        const auto address = as<sockaddr_in>(endpoint).sin_addr;
        std::memcpy(name.address.data(), &address, sizeof address);
    } else {
        const auto address = as<sockaddr_in6>(endpoint).sin6_addr;
        std::memcpy(name.address.data(), &address, sizeof address);
    }
    return name;
}

int option_of(int fd, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    check(getsockopt(fd, SOL_SOCKET, name, &value, &length), "getsockopt");
    return value;
}

// The ports of MPTCP are those of TCP.
int protocol_of(int fd) {
    const int protocol = option_of(fd, SO_PROTOCOL);
    return protocol == IPPROTO_MPTCP ? IPPROTO_TCP : protocol;
}

sockaddr *writable(Endpoint &endpoint) {
    endpoint.length = sizeof endpoint.storage;
    return reinterpret_cast<sockaddr *>(&endpoint.storage);
}

PortChoice choice_of(const Endpoint &wanted) {
    return port_of(wanted) == 0 ? PortChoice::automatic : PortChoice::explicit_;
}

bool is_connection(const Lease &lease) {
    return lease.role == Role::client || lease.role == Role::accepted;
}

} // namespace

const sockaddr *Endpoint::address() const {
    return reinterpret_cast<const sockaddr *>(&storage);
}

Endpoint ipv4(const char *address, std::uint16_t port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    if (inet_pton(AF_INET, address, &name.sin_addr) != 1)
        die(address);
    return endpoint_of(name);
}

Endpoint ipv6(const char *address, std::uint16_t port) {
    sockaddr_in6 name{};
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(port);
    if (inet_pton(AF_INET6, address, &name.sin6_addr) != 1)
        die(address);
    return endpoint_of(name);
}

// The port is at the same place in both.
Endpoint with_port(Endpoint endpoint, std::uint16_t port) {
    auto address = as<sockaddr_in>(endpoint);
    address.sin_port = htons(port);
    std::memcpy(&endpoint.storage, &address, offsetof(sockaddr_in, sin_addr));
    return endpoint;
}

std::uint16_t port_of(const Endpoint &endpoint) {
    return ntohs(as<sockaddr_in>(endpoint).sin_port);
}

Endpoint local_of(int fd) {
    Endpoint endpoint;
    check(getsockname(fd, writable(endpoint), &endpoint.length), "getsockname");
    return endpoint;
}

// Read, not tried: a trial would be a lease that no scenario accounts for.
bool has_ipv6() {
    std::ifstream addresses("/proc/net/if_inet6");
    std::string address;
    std::string rest;
    while (addresses >> address && std::getline(addresses, rest))
        if (address == "00000000000000000000000000000001")
            return true;
    return false;
}

int open_tcp(int family, int flags) {
    return check(socket(family, SOCK_STREAM | flags, 0), "socket");
}

int open_udp(int family, int flags) {
    return check(socket(family, SOCK_DGRAM | flags, 0), "socket");
}

void set_option(int fd, int level, int name, int value) {
    check(setsockopt(fd, level, name, &value, sizeof value), "setsockopt");
}

void note_names(const Socket &socket) {
    auto &lease = *socket.lease;
    lease.local = name_of(local_of(socket.fd));
    Endpoint peer;
    if (getpeername(socket.fd, writable(peer), &peer.length) == 0)
        lease.peer = name_of(peer);
}

void note_peer(const Socket &socket, const Endpoint &peer) {
    socket.lease->peer = name_of(peer);
}

Socket log_socket(const char *scenario, int fd, const Span &span, Role role, PortChoice choice) {
    auto &lease = add_lease(scenario);
    lease.protocol = protocol_of(fd);
    lease.role = role;
    lease.choice = choice;
    lease.opened = span;
    lease.opener = self();
    const Socket socket{fd, &lease};
    note_names(socket);
    return socket;
}

Socket bind_port(const char *scenario, int fd, const Endpoint &endpoint) {
    Span span{.before = now_us()};
    check(bind(fd, endpoint.address(), endpoint.length), "bind");
    span.after = now_us();
    const auto role = option_of(fd, SO_TYPE) == SOCK_DGRAM ? Role::datagram : Role::none;
    return log_socket(scenario, fd, span, role, choice_of(endpoint));
}

FailedBind &log_failed_bind(const char *scenario, int fd, const Endpoint &wanted,
                            const Span &span) {
    const int error = errno;
    if (error != EADDRINUSE)
        die("bind");
    auto &failed = add_failed_bind(scenario);
    failed.protocol = protocol_of(fd);
    failed.error = error;
    failed.wanted = name_of(wanted);
    failed.tried = span;
    return failed;
}

Socket bind_explicit(const char *scenario, int fd, const Endpoint &any_port) {
    const auto role = option_of(fd, SO_TYPE) == SOCK_DGRAM ? Role::datagram : Role::none;
    while (true) {
        const auto wanted = with_port(any_port, next_explicit_port());
        Span span{.before = now_us()};
        const int result = bind(fd, wanted.address(), wanted.length);
        span.after = now_us();
        if (result == 0)
            return log_socket(scenario, fd, span, role, PortChoice::explicit_);
        log_failed_bind(scenario, fd, wanted, span);
    }
}

void listen_on(const Socket &socket, int backlog) {
    check(listen(socket.fd, backlog), "listen");
    socket.lease->role = Role::listener;
}

Socket open_listener(const char *scenario, const Endpoint &any_port, int backlog) {
    const auto listener = bind_explicit(scenario, open_tcp(any_port.family()), any_port);
    listen_on(listener, backlog);
    return listener;
}

Socket connect_to(const char *scenario, int fd, const Endpoint &peer) {
    Span span{.before = now_us()};
    if (connect(fd, peer.address(), peer.length) != 0 && errno != EINPROGRESS)
        die("connect");
    span.after = now_us();
    const auto role = option_of(fd, SO_TYPE) == SOCK_DGRAM ? Role::datagram : Role::client;
    const auto socket = log_socket(scenario, fd, span, role, PortChoice::automatic);
    // A connection that is still to be made has no peer name yet.
    note_peer(socket, peer);
    return socket;
}

void connect_bound(const Socket &socket, const Endpoint &peer) {
    if (connect(socket.fd, peer.address(), peer.length) != 0 && errno != EINPROGRESS)
        die("connect");
    if (socket.lease->protocol == IPPROTO_TCP)
        socket.lease->role = Role::client;
    note_names(socket);
    note_peer(socket, peer);
}

Socket accept_from(const Socket &listener) {
    const int fd = check(accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC), "accept");
    return log_socket(listener.lease->scenario.data(), fd, Span{.after = now_us()}, Role::accepted,
                      listener.lease->choice);
}

void send_bytes(const Socket &socket, std::size_t count) {
    static const std::array<char, 65536> payload{};
    while (count > 0) {
        const auto part = count < payload.size() ? count : payload.size();
        const auto sent = send(socket.fd, payload.data(), part, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        count -= static_cast<std::size_t>(sent);
        socket.lease->sent += static_cast<std::uint64_t>(sent);
    }
}

void receive_bytes(const Socket &socket, std::size_t count) {
    std::array<char, 65536> buffer;
    while (count > 0) {
        const auto part = count < buffer.size() ? count : buffer.size();
        const auto got = recv(socket.fd, buffer.data(), part, 0);
        if (got <= 0)
            die("recv");
        count -= static_cast<std::size_t>(got);
        socket.lease->received += static_cast<std::uint64_t>(got);
    }
}

void receive_some(const Socket &socket) {
    std::array<char, 4096> buffer;
    const auto got = recv(socket.fd, buffer.data(), buffer.size(), 0);
    if (got <= 0)
        die("recv");
    socket.lease->received += static_cast<std::uint64_t>(got);
}

std::size_t receive_until_end(const Socket &socket) {
    std::array<char, 65536> buffer;
    std::size_t total = 0;
    while (true) {
        const auto got = recv(socket.fd, buffer.data(), buffer.size(), 0);
        if (got < 0)
            die("recv");
        if (got == 0)
            break;
        total += static_cast<std::size_t>(got);
    }
    socket.lease->received += total;
    return total;
}

void note_outcome(const Socket &socket, Outcome outcome) {
    socket.lease->outcome = outcome;
}

void close_last(const Socket &socket) {
    auto &lease = *socket.lease;
    if (lease.outcome == Outcome::none && is_connection(lease))
        lease.outcome = Outcome::closed;
    lease.last_holder = self();
    lease.closed.before = now_us();
    check(close(socket.fd), "close");
    lease.closed.after = now_us();
}

void close_with_reset(const Socket &socket) {
    const linger none{.l_onoff = 1, .l_linger = 0};
    check(setsockopt(socket.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), "SO_LINGER");
    note_outcome(socket, Outcome::reset);
    close_last(socket);
}

} // namespace ground_truth
