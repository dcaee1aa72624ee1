#include "capture/sock_diag.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>

namespace portd::capture {
namespace {

// The kernel fills datagrams of a dump up to 32 KiB if the reader's buffer allows it
// (netlink_dump() in net/netlink/af_netlink.c).
constexpr std::size_t buffer_bytes = 64 * 1024;

// One event takes about 1 KiB of this: room for a burst of 16,000 while the reader is busy.
constexpr int event_buffer_bytes = 16 * 1024 * 1024;

[[noreturn]] void fail(const std::string &what) {
    throw std::system_error(errno, std::generic_category(), what);
}

system::Fd open_socket(std::uint32_t groups) {
    system::Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!fd)
        fail("cannot open a sock_diag socket");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        fail(groups ? "cannot join the sock_diag destroy groups"
                    : "cannot bind a sock_diag socket");
    return fd;
}

system::Fd open_dump_socket() {
    auto fd = open_socket(0);
    // A dump answers at once; a kernel that does not must not hang the daemon.
    const timeval timeout{.tv_sec = 5, .tv_usec = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return fd;
}

// A datagram from the kernel; anything from another process is dropped. 0: none was there.
std::size_t receive(int fd, std::vector<std::byte> &buffer, int flags) {
    for (;;) {
        sockaddr_nl from{};
        iovec part{buffer.data(), buffer.size()};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        const ssize_t length = ::recvmsg(fd, &message, flags);
        if (length < 0) {
            if (errno == EINTR)
                continue;
            return 0;
        }
        if (from.nl_pid == 0 && (message.msg_flags & MSG_TRUNC) == 0 && length > 0)
            return static_cast<std::size_t>(length);
    }
}

template <typename Request>
struct Message {
    nlmsghdr header;
    Request request;
};

template <typename Request>
bool ask(int fd, std::uint16_t type, std::uint32_t sequence, const Request &request) {
    Message<Request> message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = type;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.header.nlmsg_seq = sequence;
    message.request = request;
    return ::send(fd, &message, sizeof message, 0) == static_cast<ssize_t>(sizeof message);
}

constexpr std::uint32_t every_state = ~std::uint32_t{0};

// The request of before sock_diag: it alone takes both families in one pass through the hash table
// of connections, whose size, not its use, is the cost of a dump (inet_diag_dump_compat() in
// net/ipv4/inet_diag.c).
bool ask_for_tcp(int fd, std::uint32_t sequence) {
    inet_diag_req request{};
    request.idiag_family = AF_INET; // any: it is not looked at
    request.idiag_states = every_state;
    return ask(fd, TCPDIAG_GETSOCK, sequence, request);
}

bool ask_for_udp(int fd, std::uint32_t sequence, int family) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(family);
    request.sdiag_protocol = IPPROTO_UDP;
    request.idiag_states = every_state;
    return ask(fd, SOCK_DIAG_BY_FAMILY, sequence, request);
}

std::string failure(Protocol protocol, int error) {
    return "reading the table of " + std::string(to_string(protocol)) +
           " sockets failed: " + std::strerror(error);
}

} // namespace

DiagDump::DiagDump() : socket_(open_dump_socket()), buffer_(buffer_bytes) {}

std::string DiagDump::read(Protocol protocol, const OnBatch &on_batch) {
    if (protocol == Protocol::tcp) {
        if (!ask_for_tcp(socket_.get(), ++sequence_))
            return failure(protocol, errno);
        return receive_all(protocol, on_batch);
    }
    for (const int family : {AF_INET, AF_INET6}) {
        if (!ask_for_udp(socket_.get(), ++sequence_, family))
            return failure(protocol, errno);
        if (auto what = receive_all(protocol, on_batch); !what.empty())
            return what;
    }
    return "";
}

std::string DiagDump::receive_all(Protocol protocol, const OnBatch &on_batch) {
    bool interrupted = false;
    for (;;) {
        const std::size_t length = receive(socket_.get(), buffer_, 0);
        if (length == 0) {
            const int error = errno;
            socket_ = open_dump_socket(); // what is left of the dump must not answer the next one
            return failure(protocol, error);
        }
        decode_diag(std::span(buffer_).first(length), batch_);
        interrupted = interrupted || batch_.interrupted || batch_.malformed > 0;
        for (auto &socket : batch_.sockets)
            socket.protocol = protocol;
        on_batch(batch_.sockets);
        if (batch_.error)
            return failure(protocol, batch_.error);
        if (batch_.done)
            return interrupted ? "the table of " + std::string(to_string(protocol)) +
                                     " sockets changed so that the reading of it was incomplete"
                               : "";
    }
}

DestroyEvents::DestroyEvents() : buffer_(buffer_bytes) {
    const auto group = [](int number) { return std::uint32_t{1} << (number - 1); };
    socket_ = open_socket(group(SKNLGRP_INET_TCP_DESTROY) | group(SKNLGRP_INET_UDP_DESTROY) |
                          group(SKNLGRP_INET6_TCP_DESTROY) | group(SKNLGRP_INET6_UDP_DESTROY));
    // Without CAP_NET_ADMIN the limit of net.core.rmem_max holds.
    if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &event_buffer_bytes,
                   sizeof event_buffer_bytes) != 0)
        setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &event_buffer_bytes,
                   sizeof event_buffer_bytes);
}

void DestroyEvents::filter(int program_fd) {
    if (setsockopt(socket_.get(), SOL_SOCKET, SO_ATTACH_BPF, &program_fd, sizeof program_fd) != 0)
        fail("cannot filter sock_diag destroy events");
}

DestroyEvents::End
DestroyEvents::read_all(const std::function<void(const DiagSocket &)> &on_destroyed) {
    for (;;) {
        const std::size_t length = receive(socket_.get(), buffer_, MSG_DONTWAIT);
        if (length == 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                return End::empty;
            if (errno == ENOBUFS)
                return End::missed;
            fail("cannot read sock_diag destroy events");
        }
        decode_diag(std::span(buffer_).first(length), batch_);
        for (const auto &socket : batch_.sockets)
            if (socket.has_protocol)
                on_destroyed(socket);
        if (batch_.malformed > 0)
            return End::missed;
    }
}

} // namespace portd::capture
