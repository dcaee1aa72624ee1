// The ends of connections. The client is this process; the server is another, so that what the
// kernel does to one end while the other runs is charged to the wrong process if it can be.
#include "scenarios.hpp"
#include "server.hpp"

#include <array>
#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace ground_truth {
namespace {

const Endpoint loopback = ipv4("127.0.0.1", 0);

Socket dial(const char *scenario, const Server &server, int flags = SOCK_CLOEXEC) {
    return connect_to(scenario, open_tcp(AF_INET, flags), server.address());
}

void client_closes_first() {
    Server server("clientCloses", loopback);
    const auto client = dial("clientCloses", server);
    server.accept();
    send_bytes(client, 1000);
    server.receive(1000);
    server.send(500);
    receive_bytes(client, 500);
    close_last(client);
    server.receive_until_end();
    server.close();
}

void server_closes_first() {
    Server server("serverCloses", loopback);
    const auto client = dial("serverCloses", server);
    server.accept();
    send_bytes(client, 123);
    server.receive(123);
    server.send(77);
    server.close();
    receive_until_end(client);
    close_last(client);
}

// The client was done and gone before anybody accepted it.
void closed_before_accept() {
    Server server("closedBeforeAccept", loopback);
    const auto client = dial("closedBeforeAccept", server);
    send_bytes(client, 42);
    close_last(client);
    server.accept();
    server.receive_until_end();
    server.close();
}

void half_closed() {
    Server server("halfClosed", loopback);
    const auto client = dial("halfClosed", server);
    server.accept();
    send_bytes(client, 10);
    check(shutdown(client.fd, SHUT_WR), "shutdown");
    server.receive_until_end();
    for (int i = 0; i < 20; ++i) {
        server.send(10'000);
        receive_bytes(client, 10'000);
        usleep(15'000);
    }
    const auto since = now_us();
    server.close();
    receive_until_end(client);
    close_last(client);
    client.lease->closed.before = since; // with the peer's end, TIME_WAIT takes the port over
}

// The kernel's part of the connection is over while the program still has the socket.
void shut_down_long_before_close() {
    Server server("shutDown", loopback);
    const auto client = dial("shutDown", server);
    server.accept();
    send_bytes(client, 5);
    server.receive(5);
    const auto since = now_us();
    check(shutdown(client.fd, SHUT_RDWR), "shutdown");
    server.receive_until_end();
    server.close();
    usleep(50'000);
    close_last(client);
    client.lease->closed.before = since;
}

void expect_reset(const Socket &client, std::int64_t since) {
    std::array<char, 256> buffer;
    if (recv(client.fd, buffer.data(), buffer.size(), 0) >= 0 || errno != ECONNRESET)
        die("a reset was expected");
    note_outcome(client, Outcome::reset);
    usleep(20'000);
    close_last(client);
    // The reset took the port, the program its socket.
    client.lease->closed.before = since;
}

void reset_by_client() {
    Server server("resetByClient", loopback);
    const auto client = dial("resetByClient", server);
    server.accept();
    send_bytes(client, 64);
    server.receive(64);
    close_with_reset(client);
    server.expect_reset();
    server.close();
}

void reset_by_server() {
    Server server("resetByServer", loopback);
    const auto client = dial("resetByServer", server);
    server.accept();
    server.send(33);
    receive_bytes(client, 33);
    const auto since = now_us();
    server.close_with_reset();
    expect_reset(client, since);
}

void closed_without_reading() {
    Server server("unread", loopback);
    const auto client = dial("unread", server);
    server.accept();
    send_bytes(client, 100);
    server.receive(40);
    server.expect_unread(60);
    const auto since = now_us();
    server.close_unread();
    expect_reset(client, since);
}

// The connection waited in the accept queue until its listener was gone: no process ever had it.
void never_accepted() {
    Server server("neverAccepted", loopback);
    const auto client = dial("neverAccepted", server);
    send_bytes(client, 10);

    auto &unaccepted = add_lease("neverAccepted");
    const auto index = index_of(unaccepted);
    unaccepted = *client.lease;
    unaccepted.role = Role::accepted;
    unaccepted.choice = PortChoice::explicit_;
    unaccepted.outcome = Outcome::reset;
    unaccepted.local = client.lease->peer;
    unaccepted.peer = client.lease->local;
    unaccepted.opener = {};
    unaccepted.sent = 0;
    unaccepted.received = 10;

    const auto since = now_us();
    server.close_listener();
    lease_at(index).closed = {since, now_us()};
    expect_reset(client, since);
}

void simultaneous_close() {
    Server server("simultaneousClose", loopback);
    for (int i = 0; i < 20; ++i) {
        const auto client = dial("simultaneousClose", server);
        server.accept();
        const auto when = now_us() + 2000;
        server.close_at(when);
        while (now_us() < when) {
        }
        close_last(client);
        server.finish();
    }
}

void non_blocking() {
    Server server("nonBlocking", loopback);
    const auto client = dial("nonBlocking", server, SOCK_CLOEXEC | SOCK_NONBLOCK);
    pollfd ready{.fd = client.fd, .events = POLLOUT, .revents = 0};
    if (check(poll(&ready, 1, 5000), "poll") != 1)
        die("the connection was not made");
    note_names(client);
    server.accept();
    send_bytes(client, 17);
    server.receive(17);
    close_last(client);
    server.receive_until_end();
    server.close();
}

// A port at which nobody listens, which is not portd's to record.
Endpoint closed_port() {
    return ipv4("127.0.0.1", 1);
}

void expect_refusal(int fd, const Endpoint &peer) {
    if (connect(fd, peer.address(), peer.length) == 0 || errno != ECONNREFUSED)
        die("a refusal was expected");
}

// A blocking connect(2) that is refused: the kernel takes the port back before it returns. Each
// try is a lease.
void refused_again_and_again(const char *scenario, int fd, int tries) {
    for (int i = 0; i < tries; ++i) {
        Span span{.before = now_us()};
        expect_refusal(fd, closed_port());
        span.after = now_us();
        const auto socket = log_socket(scenario, fd, span, Role::client, PortChoice::automatic);
        auto &lease = *socket.lease;
        note_peer(socket, closed_port());
        // The failure reset the name of the socket, but for the port.
        lease.local.address = lease.peer.address;
        lease.outcome = Outcome::refused;
        lease.last_holder = self();
        lease.closed = span;
    }
    check(close(fd), "close");
}

// bind(2) to port 0, and then refused: the port was the kernel's choice, so it takes it back.
void refused_with_bound_address() {
    const int fd = open_tcp(AF_INET);
    const auto socket = bind_port("refusedBindZero", fd, loopback);
    auto &lease = *socket.lease;
    lease.closed.before = now_us();
    expect_refusal(fd, closed_port());
    lease.closed.after = now_us();
    lease.role = Role::client;
    lease.outcome = Outcome::refused;
    lease.last_holder = self();
    note_peer(socket, closed_port());
    check(close(fd), "close");
}

// A port that the program chose stays its own, refused or not.
void refused_with_bound_port() {
    const int fd = open_tcp(AF_INET);
    const auto socket = bind_explicit("refusedBound", fd, loopback);
    for (int i = 0; i < 2; ++i)
        expect_refusal(fd, closed_port());
    socket.lease->role = Role::client;
    note_peer(socket, closed_port());
    note_outcome(socket, Outcome::refused);
    usleep(5000);
    close_last(socket);
}

void refused_non_blocking() {
    const auto socket = connect_to("refusedNonBlocking",
                                   open_tcp(AF_INET, SOCK_CLOEXEC | SOCK_NONBLOCK), closed_port());
    pollfd ready{.fd = socket.fd, .events = POLLOUT, .revents = 0};
    check(poll(&ready, 1, 5000), "poll");
    auto &lease = *socket.lease;
    lease.closed = {lease.opened.before, now_us()};
    lease.outcome = Outcome::refused;
    lease.last_holder = self();
    check(close(socket.fd), "close");
}

} // namespace

void play_outcomes(const Options &) {
    client_closes_first();
    server_closes_first();
    closed_before_accept();
    half_closed();
    shut_down_long_before_close();
    reset_by_client();
    reset_by_server();
    closed_without_reading();
    never_accepted();
    simultaneous_close();
    non_blocking();
    refused_again_and_again("refused", open_tcp(AF_INET), 1);
    refused_again_and_again("refusedAgain", open_tcp(AF_INET), 5);
    refused_with_bound_address();
    refused_with_bound_port();
    refused_non_blocking();
}

} // namespace ground_truth
