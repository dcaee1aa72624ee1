#include "server.hpp"

#include "processes.hpp"

#include <array>
#include <cerrno>

#include <unistd.h>

namespace ground_truth {
namespace {

struct Command {
    char what = 0;
    std::size_t argument = 0;
};

// Busy: sleeping would miss the moment by far more than a connection lasts.
void wait_until(std::int64_t when_us) {
    while (now_us() < when_us) {
    }
}

void find_reset(const Socket &connection) {
    std::array<char, 64> buffer;
    if (recv(connection.fd, buffer.data(), buffer.size(), 0) >= 0 || errno != ECONNRESET)
        die("a reset was expected");
    connection.lease->outcome = Outcome::reset;
    // The port went with the reset, which the client sent before this.
    connection.lease->closed.before = connection.lease->opened.after;
}

void close_noting(const Socket &connection) {
    const auto reset_since = connection.lease->closed.before;
    close_last(connection);
    if (reset_since != 0)
        connection.lease->closed.before = reset_since;
}

// Does one step; false: that was the last one.
bool obey(const Command &command, Socket &listener, Socket &connection) {
    switch (command.what) {
    case 'a':
        connection = accept_from(listener);
        return true;
    case 's':
        send_bytes(connection, command.argument);
        return true;
    case 'r':
        receive_bytes(connection, command.argument);
        return true;
    case 'e':
        receive_until_end(connection);
        return true;
    case 'f':
        check(shutdown(connection.fd, SHUT_WR), "shutdown");
        return true;
    case 'c':
        close_noting(connection);
        return true;
    case 'R':
        close_with_reset(connection);
        return true;
    case 'U':
        connection.lease->received += command.argument;
        return true;
    case 'u':
        note_outcome(connection, Outcome::reset);
        close_last(connection);
        return true;
    case 'x':
        find_reset(connection);
        return true;
    case 't':
        wait_until(static_cast<std::int64_t>(command.argument));
        close_last(connection);
        return true;
    case 'l':
        close_last(listener);
        listener.fd = -1;
        return true;
    default:
        if (listener.fd >= 0)
            close_last(listener);
        return false;
    }
}

void serve(const char *scenario, const Endpoint &any_port, int backlog, int channel) {
    auto listener = open_listener(scenario, any_port, backlog);
    const auto address = local_of(listener.fd);
    if (write(channel, &address, sizeof address) != sizeof address)
        die("write to the channel");
    Socket connection;
    Command command;
    bool more = true;
    while (more && read(channel, &command, sizeof command) == sizeof command) {
        more = obey(command, listener, connection);
        if (write(channel, &command.what, 1) != 1)
            die("write to the channel");
    }
}

} // namespace

Server::Server(const char *scenario, const Endpoint &any_port, int backlog) {
    std::array<int, 2> ends{};
    check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    process_ = spawn([&] {
        ::close(ends[0]);
        serve(scenario, any_port, backlog, ends[1]);
    });
    ::close(ends[1]);
    channel_ = ends[0];
    if (read(channel_, &address_, sizeof address_) != sizeof address_)
        die("the server did not start");
}

Server::~Server() {
    command('q');
    ::close(channel_);
    wait_for(process_);
}

void Server::command(char what, std::size_t argument) {
    begin(what, argument);
    end();
}

void Server::begin(char what, std::size_t argument) {
    const Command command{what, argument};
    if (write(channel_, &command, sizeof command) != sizeof command)
        die("write to the server");
}

void Server::end() {
    char done = 0;
    if (read(channel_, &done, 1) != 1)
        die("the server ended");
}

} // namespace ground_truth
