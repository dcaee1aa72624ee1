// A program that makes one connection and is gone; started in great numbers.
//
//   ground_truth_once LOG_FD LEASE PORT NUMBER
//
// Every second one leaves its socket to exit(2), and whoever waits for it notes when it was gone.
#include "churn.hpp"

#include <cerrno>
#include <cstdlib>

#include <netinet/in.h>
#include <unistd.h>

using namespace ground_truth;

namespace {

std::size_t number(const char *text) {
    return std::strtoul(text, nullptr, 10);
}

// As connect_to(), into the record that the parent made.
Socket connect_into(Lease &lease, const Endpoint &peer) {
    const int fd = open_tcp(AF_INET);
    const Socket socket{fd, &lease};
    lease.opened.before = now_us();
    check(connect(fd, peer.address(), peer.length), "connect");
    lease.opened.after = now_us();
    lease.protocol = IPPROTO_TCP;
    lease.role = Role::client;
    lease.choice = PortChoice::automatic;
    lease.opener = self();
    note_names(socket);
    return socket;
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 5) {
        errno = EINVAL;
        die("usage: ground_truth_once LOG_FD LEASE PORT NUMBER");
    }
    attach_log(static_cast<int>(number(argv[1])));
    auto &lease = lease_at(number(argv[2]));
    const auto i = number(argv[4]);
    const auto connection =
        connect_into(lease, churn_destination(i, static_cast<std::uint16_t>(number(argv[3]))));
    ask(connection, i);
    if (i % 2 == 0) {
        close_last(connection);
    } else {
        lease.outcome = Outcome::closed;
        lease.last_holder = self();
        lease.closed.before = now_us();
    }
    _exit(0);
}
