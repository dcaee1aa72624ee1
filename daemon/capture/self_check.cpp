#include "capture/self_check.hpp"

#include "system/fd.hpp"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace portd::capture {
namespace {

using Kind = SocketEvent::Kind;
using system::Fd;

// Failures are values here: there may be no loopback in this network namespace.
struct Fault {
    std::string what;
};

[[noreturn]] void fail(const char *what) {
    throw Fault{std::string("cannot ") + what +
                " on loopback: " + std::generic_category().message(errno)};
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool bind_to(const Fd &socket, std::uint16_t port) {
    const auto address = loopback(port);
    return ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0;
}

void connect_to(const Fd &socket, std::uint16_t port) {
    const auto address = loopback(port);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        fail("connect");
}

Fd open_socket(int type) {
    Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    if (!socket)
        fail("open a socket");
    return socket;
}

std::uint16_t port_of(const Fd &socket) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr *>(&address), &length) != 0)
        fail("name a socket");
    return ntohs(address.sin_port);
}

std::uint64_t cookie_of(const Fd &socket) {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0)
        fail("read a socket's cookie");
    return cookie;
}

} // namespace

SelfCheckTraffic::SelfCheckTraffic(const model::PortPolicy &ports) {
    try {
        if (ports.kind() == model::PortPolicy::Kind::list)
            use_listed_ports(ports);
        else
            use_chosen_ports();
    } catch (const Fault &fault) {
        expected_.clear();
        fault_ = fault.what;
    }
}

// The connection is cut off by the end that is closed first, so that nothing lingers.
void SelfCheckTraffic::use_chosen_ports() {
    const Fd listener = open_socket(SOCK_STREAM);
    const Fd client = open_socket(SOCK_STREAM);
    const Fd datagram = open_socket(SOCK_DGRAM);
    if (!bind_to(listener, 0) || !bind_to(datagram, 0) || ::listen(listener.get(), 1) != 0)
        fail("bind");
    connect_to(client, port_of(listener));
    const Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted)
        fail("accept");
    const linger cut_off{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &cut_off, sizeof cut_off);
    expected_[cookie_of(listener)] = {"TCP listener",
                                      port_of(listener),
                                      {Kind::bound, Kind::listening, Kind::released, Kind::closed}};
    expected_[cookie_of(client)] = {
        "TCP client",
        port_of(client),
        {Kind::connecting, Kind::connected, Kind::released, Kind::closed}};
    expected_[cookie_of(accepted)] = {"accepted TCP connection",
                                      port_of(accepted),
                                      {Kind::connected, Kind::released, Kind::closed}};
    expected_[cookie_of(datagram)] = {
        "UDP socket", port_of(datagram), {Kind::bound, Kind::released}};
}

void SelfCheckTraffic::use_listed_ports(const model::PortPolicy &ports) {
    const Fd listener = open_socket(SOCK_STREAM);
    const Fd datagram = open_socket(SOCK_DGRAM);
    for (std::uint32_t port = 65535; port > 0; --port) {
        const auto wanted = static_cast<std::uint16_t>(port);
        if (!ports.records(wanted, {}) || !bind_to(listener, wanted) || !bind_to(datagram, wanted))
            continue;
        expected_[cookie_of(listener)] = {"TCP socket", wanted, {Kind::bound, Kind::released}};
        expected_[cookie_of(datagram)] = {"UDP socket", wanted, {Kind::bound, Kind::released}};
        return;
    }
    throw Fault{"no port of the setting `ports` is free"};
}

void SelfCheckTraffic::meet(const BpfEvent &event) {
    const auto *socket = std::get_if<SocketEvent>(&event);
    const auto found = socket ? expected_.find(socket->key.value) : expected_.end();
    if (found == expected_.end())
        return;
    auto &expected = found->second;
    expected.missing.erase(socket->kind);
    const bool ours =
        !socket->image || socket->image->pid == static_cast<std::uint32_t>(::getpid());
    if (socket->local.port != expected.port)
        wrong_ = expected.name + ": port " + std::to_string(expected.port) + " was told as " +
                 std::to_string(socket->local.port);
    else if (!ours)
        wrong_ = expected.name + ": told as of process " + std::to_string(socket->image->pid);
}

SelfCheck SelfCheckTraffic::verdict(model::Instant now) const {
    if (!fault_.empty())
        return {now, false, fault_};
    if (!wrong_.empty())
        return {now, false, wrong_};
    for (const auto &[_, expected] : expected_)
        if (!expected.missing.empty())
            return {now, false,
                    std::to_string(expected.missing.size()) + " events were not told of our own " +
                        expected.name};
    return {now, true,
            "every event of a TCP connection and a UDP socket of our own was told exactly"};
}

} // namespace portd::capture
