// The same ports in use in several network namespaces at the same time.
#include "name_space.hpp"
#include "processes.hpp"
#include "scenarios.hpp"
#include "sockets.hpp"

#include <cstddef>

#include <sys/wait.h>
#include <unistd.h>

namespace ground_truth {
namespace {

constexpr std::size_t namespaces = 3;
constexpr std::uint16_t listener_port = 60609;
constexpr std::uint16_t client_port = 50505;
constexpr std::uint16_t datagram_port = 55555;

struct Barrier {
    Event arrived;
    Event go;
};

void play_in_one(std::size_t number, Barrier &everything_open) {
    constexpr auto scenario = "namespaces";
    if (!enter_new_network_namespace())
        die("unshare of the network namespace");
    const auto listener = bind_port(scenario, open_tcp(AF_INET), ipv4("0.0.0.0", listener_port));
    listen_on(listener);
    const auto client = bind_port(scenario, open_tcp(AF_INET), ipv4("127.0.0.1", client_port));
    connect_bound(client, ipv4("127.0.0.1", listener_port));
    const auto accepted = accept_from(listener);
    const auto automatic =
        connect_to(scenario, open_tcp(AF_INET), ipv4("127.0.0.1", listener_port));
    const auto second_accepted = accept_from(listener);
    const auto datagrams = bind_port(scenario, open_udp(AF_INET), ipv4("0.0.0.0", datagram_port));
    send_bytes(client, 100 + number);
    receive_bytes(accepted, 100 + number);
    everything_open.arrived.set();
    everything_open.go.wait();
    usleep(static_cast<useconds_t>(2000 * number));
    close_last(client);
    receive_until_end(accepted);
    close_last(accepted);
    close_last(automatic);
    receive_until_end(second_accepted);
    close_last(second_accepted);
    close_last(datagrams);
    close_last(listener);
}

bool permitted() {
    const pid_t child = check(fork(), "fork");
    if (child == 0)
        _exit(enter_new_network_namespace() ? 0 : 1);
    int status = 0;
    check(waitpid(child, &status, 0), "waitpid");
    return status == 0;
}

} // namespace

void play_namespaces(const Options &) {
    if (!permitted()) {
        skip("namespaces", "a network namespace is refused");
        return;
    }
    Barrier everything_open;
    for (std::size_t i = 0; i < namespaces; ++i)
        spawn([&] { play_in_one(i, everything_open); });
    for (std::size_t i = 0; i < namespaces; ++i)
        everything_open.arrived.wait();
    for (std::size_t i = 0; i < namespaces; ++i)
        everything_open.go.set();
    wait_for_all();
}

} // namespace ground_truth
