// Connections to a listener whose queue is full: the kernel drops their SYNs.
#include "scenarios.hpp"
#include "server.hpp"
#include "victim.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ground_truth {
namespace {

void abandon(const Server &server) {
    const auto socket =
        connect_to("abandoned", open_tcp(AF_INET, SOCK_CLOEXEC | SOCK_NONBLOCK), server.address());
    usleep(30'000);
    note_outcome(socket, Outcome::abandoned);
    close_last(socket);
}

void nothing(int) {}

// A signal interrupts connect(2); the program gives up.
void interrupt(const Server &server) {
    struct sigaction action {};
    action.sa_handler = nothing;
    check(sigaction(SIGALRM, &action, nullptr), "sigaction");
    const int fd = open_tcp(AF_INET);
    const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 50'000}};
    Span span{.before = now_us()};
    check(setitimer(ITIMER_REAL, &soon, nullptr), "setitimer");
    if (connect(fd, server.address().address(), server.address().length) == 0 || errno != EINTR)
        die("an interruption was expected");
    span.after = now_us();
    const auto socket = log_socket("interrupted", fd, span, Role::client, PortChoice::automatic);
    note_peer(socket, server.address());
    note_outcome(socket, Outcome::abandoned);
    close_last(socket);
}

// Fails by itself, in some 3 seconds: the SYN and one retransmission go unanswered.
Socket begin_timeout(const Server &server) {
    const int fd = open_tcp(AF_INET, SOCK_CLOEXEC | SOCK_NONBLOCK);
    set_option(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
    return connect_to("timedOut", fd, server.address());
}

void end_in_failure(const Socket &socket, int expected, Outcome outcome, std::int64_t since) {
    pollfd ready{.fd = socket.fd, .events = POLLOUT, .revents = 0};
    if (check(poll(&ready, 1, 20'000), "poll") != 1)
        die("the connection did not fail");
    auto &lease = *socket.lease;
    lease.closed = {since, now_us()};
    int error = 0;
    socklen_t length = sizeof error;
    check(getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &error, &length), "SO_ERROR");
    if (error != expected) {
        errno = error;
        die("the connection failed in another way");
    }
    lease.outcome = outcome;
    lease.last_holder = self();
    check(close(socket.fd), "close");
}

std::uint16_t checksum(const void *data, std::size_t bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes; i += 2) {
        std::uint16_t word = 0;
        std::memcpy(&word, static_cast<const char *>(data) + i, sizeof word);
        sum += word;
    }
    sum = (sum >> 16) + (sum & 0xffff);
    sum += sum >> 16;
    return static_cast<std::uint16_t>(~sum);
}

// What a router says of a packet that it cannot deliver: RFC 792, with the head of the packet.
struct HostUnreachable {
    icmphdr icmp{};
    std::array<char, sizeof(iphdr) + 8> original{};
};

std::array<char, sizeof(iphdr) + 8> read_syn(int raw, std::uint16_t from) {
    std::array<char, 2048> packet{};
    while (recv(raw, packet.data(), packet.size(), 0) >= 40) {
        tcphdr tcp{};
        std::memcpy(&tcp, packet.data() + sizeof(iphdr), sizeof tcp);
        std::array<char, sizeof(iphdr) + 8> head{};
        std::memcpy(head.data(), packet.data(), head.size());
        if (ntohs(tcp.source) == from && tcp.syn != 0)
            return head;
    }
    die("recv of the SYN");
}

void answer_unreachable(const Server &server) {
    const int raw_tcp = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    const int raw_icmp = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (raw_tcp < 0 || raw_icmp < 0) {
        skip("unreachable", "raw sockets are refused");
        return;
    }
    const auto socket = connect_to("unreachable", open_tcp(AF_INET, SOCK_CLOEXEC | SOCK_NONBLOCK),
                                   server.address());
    HostUnreachable answer;
    answer.original = read_syn(raw_tcp, socket.lease->local.port);
    answer.icmp.type = ICMP_DEST_UNREACH;
    answer.icmp.code = ICMP_HOST_UNREACH;
    answer.icmp.checksum = checksum(&answer, sizeof answer);
    const auto to = ipv4("127.0.0.1", 0);
    const auto since = now_us();
    if (sendto(raw_icmp, &answer, sizeof answer, 0, to.address(), to.length) < 0)
        die("sendto of the ICMP message");
    end_in_failure(socket, EHOSTUNREACH, Outcome::unreachable, since);
    close(raw_tcp);
    close(raw_icmp);
}

} // namespace

void play_silence(const Options &) {
    Server server("silence", ipv4("127.0.0.1", 0), 0);
    Victim victim([&] {
        const auto socket = connect_to(
            "killedConnecting", open_tcp(AF_INET, SOCK_CLOEXEC | SOCK_NONBLOCK), server.address());
        note_outcome(socket, Outcome::abandoned);
        return socket;
    });
    // A queue of length 0 takes one connection.
    const auto first = connect_to("silence", open_tcp(AF_INET), server.address());
    victim.open();
    victim.kill();
    abandon(server);
    interrupt(server);
    answer_unreachable(server);
    const auto slow = begin_timeout(server);
    end_in_failure(slow, ETIMEDOUT, Outcome::timed_out, slow.lease->opened.after);
    server.accept();
    close_last(first);
    server.receive_until_end();
    server.close();
}

} // namespace ground_truth
