// Short TCP connections over loopback, as fast as they can be made, and the truth about each:
//
//   churn connections COUNT TRUTH           one process makes them all
//   churn programs COUNT TRUTH PROGRAM      each is made by an executed program (connect_once)
//
// The client closes first. The server is in this program and listens on a port that is not dynamic;
// destinations alternate between eight addresses, so that no destination runs out of ports. TRUTH
// gets a line "PID ADDRESS PORT PEER PEER_PORT" for each, of the client's end. Prints the wall time
// in microseconds.
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::uint16_t server_port = 7000;
constexpr std::uint32_t first_destination = 0x7f000101; // 127.0.1.1
constexpr std::uint32_t destinations = 8;

struct Connection {
    pid_t pid = 0;
    sockaddr_in client{};
    sockaddr_in server{};
};

int checked(int result, const char *what) {
    if (result < 0)
        throw std::system_error(errno, std::generic_category(), what);
    return result;
}

sockaddr_in address_of(std::uint32_t address) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(server_port);
    made.sin_addr.s_addr = htonl(address);
    return made;
}

const sockaddr *generic(const sockaddr_in &address) {
    return static_cast<const sockaddr *>(static_cast<const void *>(&address));
}

sockaddr_in destination_of(std::size_t number) {
    return address_of(first_destination + static_cast<std::uint32_t>(number) % destinations);
}

int listen_everywhere() {
    const int listener = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const int on = 1;
    checked(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "setsockopt");
    const sockaddr_in any = address_of(INADDR_ANY);
    checked(bind(listener, generic(any), sizeof(any)), "bind");
    checked(listen(listener, 128), "listen");
    return listener;
}

int accept_from(int listener, sockaddr_in &client) {
    socklen_t length = sizeof(client);
    return checked(accept4(listener, static_cast<sockaddr *>(static_cast<void *>(&client)), &length,
                           SOCK_CLOEXEC),
                   "accept4");
}

void connect_here(int listener, Connection &made) {
    const int client = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    checked(connect(client, generic(made.server), sizeof(made.server)), "connect");
    const int accepted = accept_from(listener, made.client);
    close(client);
    close(accepted);
    made.pid = getpid();
}

void connect_by_program(int listener, Connection &made, const char *program) {
    char address[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &made.server.sin_addr, address, sizeof(address));
    std::string name(program), port = std::to_string(server_port);
    char *arguments[] = {name.data(), address, port.data(), nullptr};
    if (const int error = posix_spawn(&made.pid, program, nullptr, nullptr, arguments, nullptr))
        throw std::system_error(error, std::generic_category(), program);
    const int accepted = accept_from(listener, made.client);
    int status = 0;
    checked(waitpid(made.pid, &status, 0), "waitpid");
    close(accepted);
    if (status != 0)
        throw std::runtime_error("the program failed");
}

void write_truth(const char *path, const std::vector<Connection> &connections) {
    std::FILE *const file = std::fopen(path, "w");
    if (!file)
        throw std::system_error(errno, std::generic_category(), path);
    for (const Connection &one : connections) {
        char client[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &one.client.sin_addr, client, sizeof(client));
        inet_ntop(AF_INET, &one.server.sin_addr, server, sizeof(server));
        std::fprintf(file, "%d %s %d %s %d\n", one.pid, client, ntohs(one.client.sin_port), server,
                     ntohs(one.server.sin_port));
    }
    if (std::fclose(file) != 0)
        throw std::system_error(errno, std::generic_category(), path);
}

void run(std::size_t count, const char *truth, const char *program) {
    const int listener = listen_everywhere();
    std::vector<Connection> connections(count);
    const auto began = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < count; ++i) {
        connections[i].server = destination_of(i);
        if (program)
            connect_by_program(listener, connections[i], program);
        else
            connect_here(listener, connections[i]);
    }
    const auto took = std::chrono::steady_clock::now() - began;
    std::printf("%lld\n", static_cast<long long>(
                              std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    close(listener);
    write_truth(truth, connections);
}

} // namespace

int main(int argc, char **argv) {
    const std::string_view how = argc > 1 ? argv[1] : "";
    if (!(how == "connections" && argc == 4) && !(how == "programs" && argc == 5)) {
        std::fprintf(stderr,
                     "usage: churn connections COUNT TRUTH | programs COUNT TRUTH PROGRAM\n");
        return 2;
    }
    try {
        run(std::strtoul(argv[2], nullptr, 10), argv[3], argc == 5 ? argv[4] : nullptr);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "churn: %s\n", error.what());
        return 1;
    }
    return 0;
}
