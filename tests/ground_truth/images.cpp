// execve(2) under an open socket: the process stays, its program does not.
#include "images.hpp"

#include "processes.hpp"
#include "scenarios.hpp"
#include "server.hpp"

#include <cstdlib>
#include <cstring>
#include <thread>

#include <unistd.h>

namespace ground_truth {
namespace {

Socket dial(const char *scenario, Server &server, int flags) {
    const auto client = connect_to(scenario, open_tcp(AF_INET, flags), server.address());
    server.accept();
    send_bytes(client, 8);
    return client;
}

[[noreturn]] void become(const char *image, const Socket &socket) {
    execute(copy_of(own_program(), "successor"),
            {image, std::to_string(log_fd()), std::to_string(index_of(*socket.lease)),
             std::to_string(socket.fd)});
}

void finish(Server &server) {
    server.receive_until_end();
    server.close();
}

// The next program has the socket, and closes it.
void socket_stays_open(Server &server) {
    wait_for(spawn([&] { become(image_close, dial("execInherited", server, 0)); }));
    finish(server);
}

// close-on-exec: the program that is replaced was the last to have it.
void socket_is_closed(Server &server) {
    wait_for(spawn([&] {
        const auto client = dial("execClosed", server, SOCK_CLOEXEC);
        client.lease->outcome = Outcome::closed;
        client.lease->last_holder = self();
        client.lease->closed.before = now_us();
        become(image_closed, client);
    }));
    finish(server);
}

// A thread that is not the first calls execve(2): it takes over the pid of the process.
void thread_executes(Server &server) {
    wait_for(spawn([&] {
        const auto client = dial("execByThread", server, 0);
        std::thread([&] { become(image_close, client); }).join();
    }));
    finish(server);
}

// The opener closes its descriptor and exits; a program that it starts has the socket, and closes it last.
void child_program_closes_last(Server &server) {
    Shared<pid_t> child;
    Event opener_gone;
    wait_for(spawn([&] {
        const auto client = dial("spawned", server, 0);
        *child = spawn([&] {
            opener_gone.wait();
            become(image_close, client);
        });
        close(client.fd);
    }));
    opener_gone.set();
    wait_for(*child);
    finish(server);
}

int number(const char *text) {
    return static_cast<int>(std::strtol(text, nullptr, 10));
}

void accept_one(const Socket &listener) {
    const auto accepted = accept_from(listener);
    // As many as the caller says: it waits for an answer before it closes.
    receive_some(accepted);
    send_bytes(accepted, 2);
    close_last(accepted);
}

} // namespace

void play_images(const Options &) {
    {
        Server server("images", ipv4("127.0.0.1", 0));
        socket_stays_open(server);
        socket_is_closed(server);
        thread_executes(server);
        child_program_closes_last(server);
    }
    wait_for_all();
}

bool play_image(int argc, char **argv) {
    if (argc != 5 || std::strncmp(argv[1], "image-", 6) != 0)
        return false;
    const std::string_view image = argv[1];
    attach_log(number(argv[2]));
    const Socket socket{number(argv[4]), &lease_at(static_cast<std::size_t>(number(argv[3])))};
    if (image == image_closed) {
        socket.lease->closed.after = now_us();
        return true;
    }
    usleep(5000);
    if (image != image_close)
        accept_one(socket);
    if (image != image_accept)
        close_last(socket);
    return true;
}

} // namespace ground_truth
