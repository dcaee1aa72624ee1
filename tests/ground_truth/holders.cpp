// Sockets whose opener is not the one who lets go of them last.
#include "processes.hpp"
#include "scenarios.hpp"
#include "server.hpp"
#include "victim.hpp"

#include <array>
#include <cstring>
#include <thread>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ground_truth {
namespace {

constexpr useconds_t a_while_us = 5000;

// A connected client; the server, which belongs to the first process, is told to accept it.
Socket dial(const char *scenario, Server &server) {
    const auto client = connect_to(scenario, open_tcp(AF_INET), server.address());
    server.accept();
    send_bytes(client, 3);
    return client;
}

void finish(Server &server) {
    server.receive_until_end();
    server.close();
}

// The opener closes its descriptor and exits; its child goes on, and closes later.
void child_closes_last(Server &server) {
    Event opener_gone;
    Event closed;
    const auto opener = spawn([&] {
        const auto client = dial("childLast", server);
        spawn([&] {
            opener_gone.wait();
            usleep(a_while_us);
            send_bytes(client, 4);
            close_last(client);
            closed.set();
        });
        close(client.fd);
    });
    wait_for(opener);
    opener_gone.set();
    closed.wait();
    finish(server);
}

void parent_closes_last(Server &server) {
    wait_for(spawn([&] {
        const auto client = dial("parentLast", server);
        wait_for(spawn([&] { close(client.fd); }));
        usleep(a_while_us);
        close_last(client);
    }));
    finish(server);
}

// Nobody calls close(2): the opener exits, and so does its child after it.
void exits_close(Server &server) {
    Event opener_gone;
    Shared<Lease *> lease;
    Shared<pid_t> heir;
    const auto opener = spawn([&] {
        const auto client = dial("exit", server);
        note_outcome(client, Outcome::closed);
        *lease = client.lease;
        *heir = spawn([&] {
            opener_gone.wait();
            usleep(a_while_us);
            client.lease->last_holder = self();
            client.lease->closed.before = now_us();
        });
    });
    wait_for(opener);
    opener_gone.set();
    wait_for(*heir);
    (*lease)->closed.after = now_us();
    finish(server);
}

void duplicate_closes_last(Server &server) {
    wait_for(spawn([&] {
        auto client = dial("duplicate", server);
        const int original = client.fd;
        client.fd = check(dup(original), "dup");
        close(original);
        usleep(a_while_us);
        send_bytes(client, 5);
        close_last(client);
    }));
    finish(server);
}

void send_descriptor(int channel, int fd) {
    char byte = 0;
    iovec data{.iov_base = &byte, .iov_len = 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    check(static_cast<int>(sendmsg(channel, &message, 0)), "sendmsg");
}

int receive_descriptor(int channel) {
    char byte = 0;
    iovec data{.iov_base = &byte, .iov_len = 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    check(static_cast<int>(recvmsg(channel, &message, MSG_CMSG_CLOEXEC)), "recvmsg");
    const auto *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS)
        die("no descriptor was passed");
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

// Whether the opener still has the socket when the receiver gets it, or only the message has it.
enum class Passing : std::uint8_t { from_hand_to_hand, by_message_alone };

void pass_descriptor(const char *scenario, Server &server, Passing passing) {
    std::array<int, 2> channel{};
    check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel.data()), "socketpair");
    Shared<Lease *> lease;
    Event may_receive;
    Event received;
    Event may_close;
    const auto receiver = spawn([&] {
        may_receive.wait();
        const int fd = receive_descriptor(channel[0]);
        received.set();
        may_close.wait();
        const Socket socket{fd, *lease};
        send_bytes(socket, 6);
        close_last(socket);
    });
    const auto sender = spawn([&] {
        const auto client = dial(scenario, server);
        *lease = client.lease;
        send_descriptor(channel[1], client.fd);
        if (passing == Passing::from_hand_to_hand) {
            may_receive.set();
            received.wait();
        }
        close(client.fd);
    });
    wait_for(sender);
    usleep(a_while_us);
    if (passing == Passing::by_message_alone)
        may_receive.set();
    may_close.set();
    wait_for(receiver);
    close(channel[0]);
    close(channel[1]);
    finish(server);
}

// pidfd_getfd(2): the new holder helps itself.
void take_descriptor(Server &server) {
    Shared<Socket> socket;
    Event opened;
    Event taken;
    const auto opener = spawn([&] {
        *socket = dial("taken", server);
        opened.set();
        taken.wait();
    });
    const auto taker = spawn([&] {
        opened.wait();
        const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, opener, 0));
        check(pidfd, "pidfd_open");
        const auto fd = static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, (*socket).fd, 0));
        const bool permitted = fd >= 0;
        taken.set();
        if (!permitted)
            die("pidfd_getfd");
        pollfd opener_gone{pidfd, POLLIN, 0}; // exit_notify() comes after its files are closed
        check(poll(&opener_gone, 1, -1), "poll");
        usleep(a_while_us);
        close_last({fd, (*socket).lease});
    });
    wait_for(opener);
    wait_for(taker);
    finish(server);
}

// The process is what holds a socket, whichever of its threads calls.
void threads_open_and_close(Server &server) {
    wait_for(spawn([&] {
        Socket client;
        std::thread([&] { client = dial("threads", server); }).join();
        usleep(a_while_us);
        std::thread([&] { close_last(client); }).join();
    }));
    finish(server);
}

void killed_with_socket(Server &server) {
    Victim victim([&] {
        const auto client = dial("killed", server);
        note_outcome(client, Outcome::closed);
        return client;
    });
    victim.open();
    usleep(a_while_us);
    victim.kill();
    finish(server);
}

} // namespace

void play_holders(const Options &) {
    {
        Server server("holders", ipv4("127.0.0.1", 0));
        child_closes_last(server);
        parent_closes_last(server);
        exits_close(server);
        duplicate_closes_last(server);
        pass_descriptor("passed", server, Passing::from_hand_to_hand);
        pass_descriptor("passedInFlight", server, Passing::by_message_alone);
        take_descriptor(server);
        threads_open_and_close(server);
        killed_with_socket(server);
    }
    wait_for_all();
}

} // namespace ground_truth
