// Many connections, and many programs with one connection each. Byte counts differ from one to the
// next, so that mistaking one for another shows.
#include "churn.hpp"

#include "processes.hpp"
#include "scenarios.hpp"

#include <array>
#include <string>
#include <vector>

#include <unistd.h>

namespace ground_truth {
namespace {

// A listener at a port that portd does not record by default.
Socket open_unrecorded_listener(const char *scenario) {
    const int fd = open_tcp(AF_INET);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    for (std::uint16_t port = 21000; port < 22000; ++port) {
        const auto wanted = ipv4("0.0.0.0", port);
        if (bind(fd, wanted.address(), wanted.length) == 0) {
            const auto now = now_us();
            const Socket listener =
                log_socket(scenario, fd, {now, now}, Role::listener, PortChoice::explicit_);
            listen_on(listener);
            return listener;
        }
    }
    die("bind");
}

void answer(const Socket &connection) {
    receive_some(connection);
    send_bytes(connection, answer_bytes(connection.lease->received));
    receive_until_end(connection);
    close_last(connection);
}

void run_parent(std::size_t first, std::size_t last, std::uint16_t port) {
    const auto program = program_beside("ground_truth_once");
    const auto log = std::to_string(log_fd());
    const auto port_text = std::to_string(port);
    for (std::size_t i = first; i < last; ++i) {
        auto &lease = add_lease("programs");
        const auto child = spawn_program(
            program, {log, std::to_string(index_of(lease)), port_text, std::to_string(i)});
        wait_for(child);
        // Those that leave their socket to exit(2) could not note when it ended.
        if (lease.closed.after == 0)
            lease.closed.after = now_us();
    }
}

} // namespace

AnsweringServer start_answering(const char *scenario, std::size_t count, bool recorded) {
    std::array<int, 2> ends{};
    check(pipe(ends.data()), "pipe");
    AnsweringServer server;
    server.process = spawn([&] {
        const auto listener = recorded ? open_listener(scenario, ipv4("0.0.0.0", 0))
                                       : open_unrecorded_listener(scenario);
        const auto port = port_of(local_of(listener.fd));
        if (write(ends[1], &port, sizeof port) != sizeof port)
            die("write");
        for (std::size_t i = 0; i < count; ++i)
            answer(accept_from(listener));
        close_last(listener);
    });
    if (read(ends[0], &server.port, sizeof server.port) != sizeof server.port)
        die("the server did not start");
    close(ends[0]);
    close(ends[1]);
    return server;
}

void play_churn(const Options &options) {
    const auto server = start_answering("churn", options.count, options.recorded_listener);
    for (std::size_t i = 0; i < options.count; ++i) {
        const auto connection =
            connect_to("churn", open_tcp(AF_INET), churn_destination(i, server.port));
        ask(connection, i);
        close_last(connection);
    }
    wait_for(server.process);
}

void play_programs(const Options &options) {
    const auto server = start_answering("programs", options.count, options.recorded_listener);
    std::vector<pid_t> parents;
    for (std::size_t p = 0; p < options.parents; ++p) {
        const auto first = options.count * p / options.parents;
        const auto last = options.count * (p + 1) / options.parents;
        parents.push_back(spawn([&] { run_parent(first, last, server.port); }));
    }
    for (const auto parent : parents)
        wait_for(parent);
    wait_for(server.process);
}

} // namespace ground_truth
