// Sockets of MPTCP, here and in another network namespace.
#include "name_space.hpp"
#include "processes.hpp"
#include "scenarios.hpp"
#include "sockets.hpp"

#include <cstddef>

#include <netinet/in.h>
#include <unistd.h>

namespace ground_truth {
namespace {

constexpr auto scenario = "mptcp";

int open_mptcp() {
    return check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP), "socket of MPTCP");
}

bool permitted() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

void converse(const Socket &client, const Socket &listener, std::size_t bytes) {
    const auto accepted = accept_from(listener);
    send_bytes(client, bytes);
    receive_bytes(accepted, bytes);
    send_bytes(accepted, bytes + 1);
    receive_bytes(client, bytes + 1);
    close_last(client);
    receive_until_end(accepted);
    close_last(accepted);
}

void play_here() {
    const auto any_port = ipv4("127.0.0.1", 0);
    close_last(bind_explicit(scenario, open_mptcp(), any_port));

    const auto listener = bind_explicit(scenario, open_mptcp(), any_port);
    listen_on(listener);
    const auto address = local_of(listener.fd);
    converse(connect_to(scenario, open_tcp(AF_INET), address), listener, 100);
    converse(connect_to(scenario, open_mptcp(), address), listener, 200);
    const auto bound = bind_explicit(scenario, open_mptcp(), any_port);
    connect_bound(bound, address);
    converse(bound, listener, 300);

    // A child has it last.
    Event is_alone;
    const pid_t child = spawn([&] {
        is_alone.wait();
        close_last(listener);
    });
    close(listener.fd);
    is_alone.set();
    wait_for(child);
}

} // namespace

void play_mptcp(const Options &) {
    if (!permitted()) {
        skip(scenario, "the kernel has no MPTCP, or it is switched off");
        return;
    }
    play_here();
    const pid_t elsewhere = spawn([] {
        if (enter_new_network_namespace() && permitted())
            play_here();
        else
            skip(scenario, "a network namespace is refused");
    });
    wait_for(elsewhere);
}

} // namespace ground_truth
