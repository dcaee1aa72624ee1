// Several sockets at one port at once, and ports that are chosen in unusual ways.
#include "name_space.hpp"
#include "processes.hpp"
#include "scenarios.hpp"
#include "server.hpp"

#include <array>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE // include/uapi/linux/in.h since Linux 6.3
#define IP_LOCAL_PORT_RANGE 51
#endif

namespace ground_truth {
namespace {

const Endpoint loopback = ipv4("127.0.0.1", 0);
// Between openings and closings of sockets that differ in nothing but their times.
constexpr useconds_t apart_us = 10'000;

Socket join_group(const char *scenario, int fd, const Endpoint &group) {
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    usleep(apart_us);
    if (port_of(group) == 0)
        return bind_explicit(scenario, fd, group);
    return bind_port(scenario, fd, group);
}

std::vector<Socket> open_group(const char *scenario, int (*open_socket)(int, int)) {
    std::vector<Socket> group;
    Endpoint address = loopback;
    for (int i = 0; i < 3; ++i) {
        group.push_back(join_group(scenario, open_socket(AF_INET, SOCK_CLOEXEC), address));
        address = local_of(group.front().fd);
    }
    return group;
}

// In another order than that in which they were opened.
void close_group(const std::vector<Socket> &group) {
    for (const std::size_t i : {1U, 2U, 0U}) {
        usleep(apart_us);
        close_last(group[i]);
    }
}

Socket accept_from_any(const std::vector<Socket> &group) {
    std::array<pollfd, 3> waiting{};
    for (std::size_t i = 0; i < group.size(); ++i)
        waiting[i] = {.fd = group[i].fd, .events = POLLIN, .revents = 0};
    check(poll(waiting.data(), waiting.size(), 5000), "poll");
    for (std::size_t i = 0; i < group.size(); ++i)
        if (waiting[i].revents != 0)
            return accept_from(group[i]);
    die("no connection arrived at the group");
}

void play_reuse_port() {
    const auto listeners = open_group("reusePort", open_tcp);
    for (const auto &listener : listeners)
        listen_on(listener);
    for (std::size_t i = 0; i < 8; ++i) {
        const auto client = connect_to("reusePort", open_tcp(AF_INET), local_of(listeners[0].fd));
        const auto accepted = accept_from_any(listeners);
        send_bytes(client, 10 + i);
        close_last(client);
        receive_until_end(accepted);
        close_last(accepted);
    }
    close_group(listeners);
    close_group(open_group("reusePortUdp", open_udp));
}

void finish(const Socket &client, Server &server, std::size_t bytes) {
    send_bytes(client, bytes);
    close_last(client);
    server.receive_until_end();
    server.close();
}

// The address is bound, the port is chosen by connect(2).
void play_bind_no_port() {
    Server server("bindNoPort", loopback);
    const int fd = open_tcp(AF_INET);
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    const auto source = ipv4("127.0.0.77", 0);
    check(bind(fd, source.address(), source.length), "bind");
    usleep(5000);
    const auto client = connect_to("bindNoPort", fd, server.address());
    server.accept();
    finish(client, server, 20);
}

void play_port_range() {
    constexpr std::uint32_t low = 49200;
    constexpr std::uint32_t high = 49299;
    const int fd = open_tcp(AF_INET);
    const std::uint32_t range = high << 16 | low;
    const bool known = setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range) == 0;
    close(fd);
    if (!known) {
        skip("portRange", "no IP_LOCAL_PORT_RANGE: the kernel is older than 6.3");
        return;
    }
    Server server("portRange", loopback);
    for (std::size_t i = 0; i < 10; ++i) {
        const int ranged = open_tcp(AF_INET);
        set_option(ranged, IPPROTO_IP, IP_LOCAL_PORT_RANGE, static_cast<int>(range));
        const auto client = i % 2 == 0 ? connect_to("portRange", ranged, server.address())
                                       : bind_port("portRange", ranged, loopback);
        if (i % 2 != 0)
            connect_bound(client, server.address());
        if (client.lease->local.port < low || client.lease->local.port > high)
            die("the port is not in its range");
        server.accept();
        finish(client, server, 30 + i);
    }
}

// Two connections from the same explicit port to different servers.
void play_same_explicit_port() {
    Server first_server("samePort", loopback);
    Server second_server("samePort", loopback);
    const int first_fd = open_tcp(AF_INET);
    const int second_fd = open_tcp(AF_INET);
    for (const int fd : {first_fd, second_fd})
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const auto first = bind_explicit("samePort", first_fd, loopback);
    usleep(apart_us);
    const auto second = bind_port("samePort", second_fd, local_of(first_fd));
    connect_bound(first, first_server.address());
    connect_bound(second, second_server.address());
    first_server.accept();
    second_server.accept();
    finish(first, first_server, 40);
    finish(second, second_server, 50);
}

// In a namespace with one automatic port, connections to different servers share it.
void share_automatically() {
    if (!enter_new_network_namespace()) {
        skip("automaticSharing", "a network namespace is refused");
        return;
    }
    set_local_port_range("50000 50000");
    Server first_server("automaticSharing", ipv4("0.0.0.0", 0));
    Server second_server("automaticSharing", ipv4("0.0.0.0", 0));
    const auto dial = [](const Server &server, const char *address) {
        return connect_to("automaticSharing", open_tcp(AF_INET),
                          ipv4(address, port_of(server.address())));
    };
    const auto first = dial(first_server, "127.0.0.1");
    const auto second = dial(second_server, "127.0.0.1");
    first_server.accept();
    second_server.accept();
    if (first.lease->local.port != 50000 || second.lease->local.port != 50000)
        die("the port is not shared");
    finish(first, first_server, 60);
    finish(second, second_server, 70);
}

} // namespace

void play_sharing(const Options &) {
    play_reuse_port();
    play_bind_no_port();
    play_port_range();
    play_same_explicit_port();
    wait_for(spawn(share_automatically));
}

} // namespace ground_truth
