// Ports that are taken and given back without a connection, and binds that fail.
#include "processes.hpp"
#include "scenarios.hpp"
#include "sockets.hpp"

#include <array>

#include <unistd.h>

namespace ground_truth {
namespace {

const Endpoint loopback = ipv4("127.0.0.1", 0);
const Endpoint wildcard = ipv4("0.0.0.0", 0);

void hold_and_close(const Socket &socket) {
    usleep(3000);
    close_last(socket);
}

// Bound, and no more: such a socket has no role yet.
void play_bound_only() {
    hold_and_close(bind_explicit("boundExplicit", open_tcp(AF_INET), loopback));
    hold_and_close(bind_port("boundAutomatic", open_tcp(AF_INET), wildcard));
    hold_and_close(bind_explicit("boundUdp", open_udp(AF_INET), wildcard));
    hold_and_close(bind_port("boundUdpAutomatic", open_udp(AF_INET), loopback));
    if (has_ipv6()) {
        hold_and_close(bind_explicit("boundIpv6", open_tcp(AF_INET6), ipv6("::", 0)));
        hold_and_close(bind_port("boundIpv6Automatic", open_tcp(AF_INET6), ipv6("::1", 0)));
    } else {
        skip("boundIpv6", "no IPv6 here");
    }
}

// A port of the kernel's own range, chosen by the program.
void play_explicit_in_automatic_range() {
    for (std::uint16_t port = 50100; port < 51100; ++port) {
        const int fd = open_tcp(AF_INET);
        const auto wanted = with_port(loopback, port);
        Span span{.before = now_us()};
        if (bind(fd, wanted.address(), wanted.length) == 0) {
            span.after = now_us();
            const auto socket =
                log_socket("explicitInRange", fd, span, Role::none, PortChoice::explicit_);
            listen_on(socket);
            hold_and_close(socket);
            return;
        }
        span.after = now_us();
        log_failed_bind("explicitInRange", fd, wanted, span);
        close(fd);
    }
    die("bind");
}

void play_listeners() {
    const auto automatic = bind_port("listenBindZero", open_tcp(AF_INET), loopback);
    listen_on(automatic);
    hold_and_close(automatic);

    // Without bind(2), listen(2) takes a port.
    const int fd = open_tcp(AF_INET);
    Span span{.before = now_us()};
    check(listen(fd, 5), "listen");
    span.after = now_us();
    hold_and_close(log_socket("listenUnbound", fd, span, Role::listener, PortChoice::automatic));
}

// One lease from bind(2) to the end, whatever it connects to.
void connect_after_bind(const char *scenario, Socket (*take)(const char *, int, const Endpoint &)) {
    const auto listener = open_listener(scenario, loopback);
    const auto client = take(scenario, open_tcp(AF_INET), loopback);
    usleep(3000);
    connect_bound(client, local_of(listener.fd));
    const auto accepted = accept_from(listener);
    send_bytes(client, 9);
    close_last(client);
    receive_until_end(accepted);
    close_last(accepted);
    close_last(listener);
}

// A socket connects to its own port: it is both ends.
void play_self_connection() {
    const auto socket = bind_explicit("selfConnection", open_tcp(AF_INET), loopback);
    connect_bound(socket, local_of(socket.fd));
    send_bytes(socket, 11);
    receive_bytes(socket, 11);
    close_last(socket);
}

void fail_to_bind(int fd, const Lease &blocker) {
    const auto wanted = with_port(loopback, blocker.local.port);
    Span span{.before = now_us()};
    const int result = bind(fd, wanted.address(), wanted.length);
    span.after = now_us();
    if (result == 0)
        die("EADDRINUSE was expected");
    log_failed_bind(blocker.scenario.data(), fd, wanted, span).blocker = blocker.opener;
    check(close(fd), "close");
}

// Holds a listener and a datagram socket until it is told to close them.
void hold_ports(int indexes_end, Event &tried) {
    const auto listener = open_listener("failedBind", loopback);
    const auto datagrams = bind_explicit("failedBind", open_udp(AF_INET), loopback);
    const std::array indexes{index_of(*listener.lease), index_of(*datagrams.lease)};
    if (write(indexes_end, indexes.data(), sizeof indexes) != sizeof indexes)
        die("write");
    tried.wait();
    close_last(listener);
    close_last(datagrams);
}

// The one who fails is another process than the one who has the port.
void play_failed_binds() {
    Event tried;
    std::array<int, 2> ends{};
    check(pipe(ends.data()), "pipe");
    const auto holder = spawn([&] { hold_ports(ends[1], tried); });
    std::array<std::size_t, 2> indexes{};
    if (read(ends[0], indexes.data(), sizeof indexes) != sizeof indexes)
        die("the ports are not held");
    fail_to_bind(open_tcp(AF_INET), lease_at(indexes[0]));
    fail_to_bind(open_udp(AF_INET), lease_at(indexes[1]));
    usleep(3000);
    tried.set();
    wait_for(holder);
    close(ends[0]);
    close(ends[1]);
}

} // namespace

void play_binds(const Options &) {
    play_bound_only();
    play_explicit_in_automatic_range();
    play_listeners();
    connect_after_bind("connectBindZero", bind_port);
    connect_after_bind("connectExplicit", bind_explicit);
    play_self_connection();
    play_failed_binds();
}

} // namespace ground_truth
