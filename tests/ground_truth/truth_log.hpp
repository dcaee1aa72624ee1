// What a run really did, kept in memory that all of its processes share and written out as NDJSON
// when everything is over: logging must not slow down what is being logged.
//
// The memory is a memfd, whose number is handed to programs that are executed. A process attaches
// to it once, and calls refresh_self() after each fork(2), unshare(2) or setns(2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ground_truth {

enum class Role : std::uint8_t { none, client, listener, accepted, datagram };
enum class PortChoice : std::uint8_t { none, automatic, explicit_ };
enum class Outcome : std::uint8_t {
    none,
    closed,
    refused,
    reset,
    timed_out,
    unreachable,
    abandoned
};

// CLOCK_REALTIME, microseconds, just before and just after the call that did it. 0: not known here.
struct Span {
    std::int64_t before = 0;
    std::int64_t after = 0;
};

// Port 0: none. An IPv4 address fills the first four bytes.
struct Name {
    int family = 0; // AF_INET or AF_INET6
    std::uint16_t port = 0;
    std::array<std::uint8_t, 16> address{};
};

// The pid is that of the pid namespace of /proc, which is the daemon's. 0: no process.
struct Process {
    std::int32_t pid = 0;
    std::uint32_t program = 0; // index into the table of executables
};

// One socket's occupancy of one port. `opened.before` stays 0 for accepted connections: the
// handshake begins at the peer.
struct Lease {
    std::array<char, 32> scenario{};
    int protocol = 0; // IPPROTO_TCP or IPPROTO_UDP
    Role role = Role::none;
    PortChoice choice = PortChoice::none;
    Outcome outcome = Outcome::none;
    Name local;
    Name peer;
    Span opened;
    Span closed;
    Process opener;
    Process last_holder;
    std::uint64_t sent = 0; // payload of TCP
    std::uint64_t received = 0;
    std::uint64_t network_namespace = 0; // inode number of /proc/self/ns/net
};

// A bind(2) that failed because `blocker` had the port.
struct FailedBind {
    std::array<char, 32> scenario{};
    int protocol = 0;
    int error = 0;
    Name wanted;
    Span tried;
    Process process;
    Process blocker;
    std::uint64_t network_namespace = 0;
};

// Ends the process with an explanation: `what` and the text of errno.
[[noreturn]] void die(const char *what);
// Dies unless the result of a system call is one of success, which is returned.
int check(int result, const char *what);

std::int64_t now_us();

// Room for that many leases; at most once in a run.
void start_log(std::size_t leases);
void attach_log(int fd);
int log_fd();

void refresh_self();
const Process &self();
std::uint64_t own_network_namespace();

// A new record, with the scenario and the namespace filled in.
Lease &add_lease(const char *scenario);
std::size_t index_of(const Lease &lease);
Lease &lease_at(std::size_t index);
FailedBind &add_failed_bind(const char *scenario);
// The scenario cannot be played here; the reason is part of the truth.
void skip(const char *scenario, const char *reason);

// Explicit ports of this run: each is handed out once. They are in the IANA dynamic range and above
// the kernel's default ip_local_port_range, so that automatic choice does not take them.
std::uint16_t next_explicit_port();

// What was logged so far.
struct SkippedScenario {
    std::string_view scenario;
    std::string_view reason;
};
std::span<const Lease> logged_leases();
std::span<const Process> logged_processes();
std::span<const FailedBind> logged_failed_binds();
std::vector<SkippedScenario> logged_skips();
std::string_view executable_of(const Process &process);

// Writes all of it, one JSON object a line; dies where a lease was left unfinished.
void write_log(const char *path);

} // namespace ground_truth
