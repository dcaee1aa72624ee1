// Datagram sockets. The one that answers is a process of its own.
#include "name_space.hpp"
#include "processes.hpp"
#include "scenarios.hpp"
#include "sockets.hpp"

#include <array>
#include <cerrno>

#include <unistd.h>

namespace ground_truth {
namespace {

// Sends back what it is sent; an empty datagram ends it.
class Responder {
  public:
    Responder(const char *scenario, const Endpoint &any_port) {
        std::array<int, 2> ends{};
        check(pipe(ends.data()), "pipe");
        process_ = spawn([&] { respond(scenario, any_port, ends[1]); });
        if (read(ends[0], &address_, sizeof address_) != sizeof address_)
            die("the responder did not start");
        ::close(ends[0]);
        ::close(ends[1]);
    }
    Responder(const Responder &) = delete;
    Responder &operator=(const Responder &) = delete;

    const Endpoint &address() const { return address_; }

    // The farewell is a lease, too.
    void finish(const char *scenario) {
        const auto socket = connect_to(scenario, open_udp(address_.family()), address_);
        if (send(socket.fd, "", 0, 0) != 0)
            die("send");
        close_last(socket);
        wait_for(process_);
    }

  private:
    static void respond(const char *scenario, const Endpoint &any_port, int started) {
        const auto socket = bind_explicit(scenario, open_udp(any_port.family()), any_port);
        const auto address = local_of(socket.fd);
        if (write(started, &address, sizeof address) != sizeof address)
            die("write");
        std::array<char, 512> buffer;
        sockaddr_storage from{};
        while (true) {
            socklen_t length = sizeof from;
            auto *sender = reinterpret_cast<sockaddr *>(&from);
            const auto got = recvfrom(socket.fd, buffer.data(), buffer.size(), 0, sender, &length);
            if (got <= 0)
                break;
            if (sendto(socket.fd, buffer.data(), static_cast<std::size_t>(got), 0, sender, length) <
                0)
                die("sendto");
        }
        close_last(socket);
    }

    pid_t process_ = 0;
    Endpoint address_;
};

void send_to(int fd, const Endpoint &to) {
    if (sendto(fd, "question", 8, 0, to.address(), to.length) != 8)
        die("sendto");
}

void await_answer(int fd) {
    std::array<char, 512> buffer;
    if (recv(fd, buffer.data(), buffer.size(), 0) != 8)
        die("recv");
}

// The first sendto(2) of a socket without a port takes one.
Socket send_unbound(const char *scenario, int fd, const Endpoint &to) {
    Span span{.before = now_us()};
    send_to(fd, to);
    span.after = now_us();
    return log_socket(scenario, fd, span, Role::datagram, PortChoice::automatic);
}

void converse(const Socket &socket, const Endpoint &to) {
    send_to(socket.fd, to);
    await_answer(socket.fd);
    close_last(socket);
}

void play_ways(const char *scenario, const Endpoint &local, const Endpoint &to) {
    const auto open = [&] { return open_udp(to.family()); };
    converse(bind_explicit(scenario, open(), local), to);
    converse(bind_port(scenario, open(), with_port(local, 0)), to);

    const auto unbound = send_unbound(scenario, open(), to);
    await_answer(unbound.fd);
    converse(unbound, to);

    const auto connected = connect_to(scenario, open(), to);
    check(static_cast<int>(send(connected.fd, "question", 8, 0)), "send");
    await_answer(connected.fd);
    close_last(connected);

    const auto bound_and_connected = bind_explicit(scenario, open(), local);
    connect_bound(bound_and_connected, to);
    close_last(bound_and_connected);

    const auto silent = bind_explicit(scenario, open(), local);
    close_last(silent);
}

void connect_again(int fd, const Endpoint &to) {
    check(connect(fd, to.address(), to.length), "connect");
}

void connect_to_nobody(int fd) {
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    check(connect(fd, &nobody, sizeof nobody), "connect to nobody");
}

// What a socket leaves without a word, and who it could talk to when it had several peers.
void play_disconnects(const char *scenario) {
    Responder one(scenario, ipv4("127.0.0.1", 0));
    Responder another(scenario, ipv4("127.0.0.1", 0));

    const auto left = send_unbound("udpLeft", open_udp(AF_INET), one.address());
    connect_again(left.fd, one.address());
    note_peer(left, one.address());
    left.lease->last_holder = self();
    left.lease->closed.before = now_us();
    connect_to_nobody(left.fd);
    left.lease->closed.after = now_us();
    close(left.fd);

    const auto kept = bind_explicit(scenario, open_udp(AF_INET), ipv4("127.0.0.1", 0));
    connect_again(kept.fd, one.address());
    connect_to_nobody(kept.fd);
    send_to(kept.fd, another.address());
    close_last(kept);

    const auto moved = connect_to(scenario, open_udp(AF_INET), one.address());
    connect_again(moved.fd, another.address());
    moved.lease->peer = {};
    close_last(moved);

    one.finish(scenario);
    another.finish(scenario);
}

Endpoint mapped(const Endpoint &to) {
    return ipv6("::ffff:127.0.0.1", port_of(to));
}

Socket open_short(std::size_t i, const Endpoint &to) {
    const auto loopback = ipv4("127.0.0.1", 0);
    switch (i % 4) {
    case 0:
        return connect_to("udpChurn", open_udp(AF_INET), to);
    case 1:
        return send_unbound("udpChurn", open_udp(AF_INET), to);
    case 2:
        return bind_port("udpChurn", open_udp(AF_INET), loopback);
    default:
        return connect_to("udpChurn", open_udp(AF_INET6), mapped(to));
    }
}

} // namespace

void play_udp(const Options &) {
    Responder ipv4_responder("udpIpv4", ipv4("127.0.0.1", 0));
    play_ways("udpIpv4", ipv4("127.0.0.1", 0), ipv4_responder.address());
    play_ways("udpWildcard", ipv4("0.0.0.0", 0), ipv4_responder.address());
    if (!has_ipv6()) {
        skip("udpIpv6", "no IPv6 here");
        skip("udpMapped", "no IPv6 here");
    } else {
        play_ways("udpMapped", ipv6("::ffff:127.0.0.1", 0), mapped(ipv4_responder.address()));
        Responder ipv6_responder("udpIpv6", ipv6("::1", 0));
        play_ways("udpIpv6", ipv6("::1", 0), ipv6_responder.address());
        ipv6_responder.finish("udpIpv6");
    }
    ipv4_responder.finish("udpIpv4");
}

void play_udp_churn(const Options &options) {
    Responder responder("udpChurn", ipv4("127.0.0.1", 0));
    const bool ipv6_too = has_ipv6();
    if (!ipv6_too)
        skip("udpChurn", "no IPv6 here: IPv4 only");
    for (std::size_t i = 0; i < options.count; ++i)
        close_last(open_short(ipv6_too ? i : i % 3, responder.address()));
    responder.finish("udpChurn");
}

void play_resolver(const Options &options) {
    Responder responder("resolver", ipv4("127.0.0.1", 0));
    for (std::size_t i = 0; i < options.count; ++i) {
        const auto socket = connect_to("resolver", open_udp(AF_INET), responder.address());
        if (send(socket.fd, "question", 8, 0) != 8)
            die("send");
        await_answer(socket.fd);
        close_last(socket);
    }
    responder.finish("resolver");
}

void play_udp_reconnect(const Options &) {
    Responder responder("udpReconnect", ipv4("127.0.0.1", 0));
    const int fd = open_udp(AF_INET);
    for (int i = 0; i < 3; ++i) {
        const auto socket = connect_to("udpReconnect", fd, responder.address());
        auto &lease = *socket.lease;
        lease.last_holder = self();
        lease.closed.before = now_us();
        connect_to_nobody(fd);
        lease.closed.after = now_us();
    }
    close(fd);
    responder.finish("udpReconnect");
}

void play_udp_disconnect(const Options &) {
    play_disconnects("udpDisconnect");
    const pid_t elsewhere = spawn([] {
        if (enter_new_network_namespace())
            play_disconnects("udpDisconnect");
        else
            skip("udpDisconnect", "a network namespace is refused");
    });
    wait_for(elsewhere);
}

} // namespace ground_truth
