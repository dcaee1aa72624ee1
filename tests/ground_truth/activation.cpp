// Listeners that are handed to the processes that accept on them.
#include "images.hpp"
#include "processes.hpp"
#include "scenarios.hpp"
#include "sockets.hpp"

#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace ground_truth {
namespace {

const Endpoint loopback = ipv4("127.0.0.1", 0);

void call(const char *scenario, const Endpoint &address, std::size_t bytes) {
    const auto client = connect_to(scenario, open_tcp(AF_INET), address);
    send_bytes(client, bytes);
    receive_until_end(client);
    close_last(client);
}

// As a service manager starts a service: the descriptor stays open over execve(2).
pid_t start_service(const Socket &listener, const char *image) {
    return spawn([&] {
        const int handed = check(fcntl(listener.fd, F_DUPFD, 50), "F_DUPFD");
        execute(copy_of(own_program(), "service"),
                {image, std::to_string(log_fd()), std::to_string(index_of(*listener.lease)),
                 std::to_string(handed)});
    });
}

// The manager opens, one service after the other accepts, the manager closes.
void manager_keeps_listener() {
    Event listening;
    Shared<Endpoint> address;
    const auto manager = spawn([&] {
        const auto listener = open_listener("activation", loopback);
        *address = local_of(listener.fd);
        listening.set();
        for (int i = 0; i < 2; ++i)
            wait_for(start_service(listener, image_accept));
        close_last(listener);
    });
    listening.wait();
    for (std::size_t i = 0; i < 2; ++i)
        call("activation", *address, 10 + i);
    wait_for(manager);
}

// The manager is gone before anybody connects: the service is the last holder.
void manager_leaves() {
    Event listening;
    Shared<Endpoint> address;
    Shared<pid_t> service;
    const auto manager = spawn([&] {
        const auto listener = open_listener("activationLeft", loopback);
        *address = local_of(listener.fd);
        *service = start_service(listener, image_accept_last);
        listening.set();
    });
    listening.wait();
    wait_for(manager);
    call("activationLeft", *address, 30);
    wait_for(*service);
}

void work(const Socket &listener, int connections) {
    for (int i = 0; i < connections; ++i) {
        const auto accepted = accept_from(listener);
        receive_bytes(accepted, 20);
        close_last(accepted);
    }
}

// Workers that were forked after listen(2) accept whatever comes.
void workers_accept() {
    Event listening;
    Shared<Endpoint> address;
    const auto master = spawn([&] {
        const auto listener = open_listener("workers", loopback);
        *address = local_of(listener.fd);
        std::vector<pid_t> workers;
        for (int i = 0; i < 3; ++i)
            workers.push_back(spawn([&] { work(listener, 4); }));
        listening.set();
        for (const auto worker : workers)
            wait_for(worker);
        close_last(listener);
    });
    listening.wait();
    for (int i = 0; i < 12; ++i)
        call("workers", *address, 20);
    wait_for(master);
}

} // namespace

void play_activation(const Options &) {
    manager_keeps_listener();
    manager_leaves();
    workers_accept();
}

} // namespace ground_truth
