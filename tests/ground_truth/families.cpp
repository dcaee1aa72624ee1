// IPv6, and IPv4 through IPv6 sockets.
#include "scenarios.hpp"
#include "server.hpp"

#include <cerrno>

#include <unistd.h>

namespace ground_truth {
namespace {

void converse(const char *scenario, const Endpoint &listen_at, int client_family,
              const char *client_peer) {
    Server server(scenario, listen_at);
    const auto port = port_of(server.address());
    const auto to = client_family == AF_INET ? ipv4(client_peer, port) : ipv6(client_peer, port);
    const auto client = connect_to(scenario, open_tcp(client_family), to);
    server.accept();
    send_bytes(client, 321);
    server.receive(321);
    server.send(654);
    receive_bytes(client, 654);
    close_last(client);
    server.receive_until_end();
    server.close();
}

void refused_ipv6() {
    const auto nobody = ipv6("::1", 1);
    const int fd = open_tcp(AF_INET6);
    Span span{.before = now_us()};
    if (connect(fd, nobody.address(), nobody.length) == 0 || errno != ECONNREFUSED)
        die("a refusal was expected");
    span.after = now_us();
    const auto socket = log_socket("refusedIpv6", fd, span, Role::client, PortChoice::automatic);
    note_peer(socket, nobody);
    auto &lease = *socket.lease;
    lease.local.address = lease.peer.address;
    lease.outcome = Outcome::refused;
    lease.last_holder = self();
    lease.closed = span;
    check(close(fd), "close");
}

} // namespace

void play_families(const Options &) {
    if (!has_ipv6()) {
        skip("families", "no IPv6 here");
        return;
    }
    converse("ipv6", ipv6("::1", 0), AF_INET6, "::1");
    converse("ipv6Wildcard", ipv6("::", 0), AF_INET6, "::1");
    converse("dualStack", ipv6("::", 0), AF_INET, "127.0.0.1");
    converse("mappedClient", ipv4("127.0.0.1", 0), AF_INET6, "::ffff:127.0.0.1");
    converse("mappedBothEnds", ipv6("::ffff:127.0.0.1", 0), AF_INET6, "::ffff:127.0.0.1");
    refused_ipv6();
}

} // namespace ground_truth
