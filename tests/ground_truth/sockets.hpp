// System calls on sockets that note in the log what they did. A Socket is a descriptor and the
// lease that it has at the moment; failures that a scenario does not expect end the program.
#pragma once

#include "truth_log.hpp"

#include <cstddef>
#include <cstdint>

#include <sys/socket.h>

namespace ground_truth {

struct Endpoint {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr *address() const;
    int family() const { return storage.ss_family; }
};

Endpoint ipv4(const char *address, std::uint16_t port);
Endpoint ipv6(const char *address, std::uint16_t port);
Endpoint with_port(Endpoint endpoint, std::uint16_t port);
std::uint16_t port_of(const Endpoint &endpoint);
Endpoint local_of(int fd);
bool has_ipv6();

struct Socket {
    int fd = -1;
    Lease *lease = nullptr;
};

int open_tcp(int family, int flags = SOCK_CLOEXEC);
int open_udp(int family, int flags = SOCK_CLOEXEC);
void set_option(int fd, int level, int name, int value);

// bind(2) that takes a port: automatic where the port of the endpoint is 0.
Socket bind_port(const char *scenario, int fd, const Endpoint &endpoint);
// The same with an explicit port of this run, each try with another one until it is free.
Socket bind_explicit(const char *scenario, int fd, const Endpoint &any_port);
// A bind(2) that has just failed with EADDRINUSE; dies where errno says something else.
FailedBind &log_failed_bind(const char *scenario, int fd, const Endpoint &wanted, const Span &span);
// listen(2) on a socket with a port.
void listen_on(const Socket &socket, int backlog = 4096);
// A listener at an explicit port of this run.
Socket open_listener(const char *scenario, const Endpoint &any_port, int backlog = 4096);

// connect(2) that takes a port, and succeeds (or, on a non-blocking socket, begins). The flow of
// times is: connect, names, lease in the log.
Socket connect_to(const char *scenario, int fd, const Endpoint &peer);
// connect(2) of a socket that has a port already.
void connect_bound(const Socket &socket, const Endpoint &peer);
Socket accept_from(const Socket &listener);

// For steps that are not one of these functions: a lease that was opened in `span` by this process.
Socket log_socket(const char *scenario, int fd, const Span &span, Role role, PortChoice choice);
// Both names as the kernel has them now.
void note_names(const Socket &socket);
// The peer that was wanted, where no connection was made.
void note_peer(const Socket &socket, const Endpoint &peer);

void send_bytes(const Socket &socket, std::size_t count);
void receive_bytes(const Socket &socket, std::size_t count);
void receive_some(const Socket &socket);             // one recv(2)
std::size_t receive_until_end(const Socket &socket); // how many bytes that was

// close(2) by the last holder; an outcome that was noted before is kept, and is else `closed` for
// connections.
void close_last(const Socket &socket);
// The same with SO_LINGER 0: the peer is sent a reset.
void close_with_reset(const Socket &socket);
// Notes how a connection ended that was not closed yet.
void note_outcome(const Socket &socket, Outcome outcome);

} // namespace ground_truth
