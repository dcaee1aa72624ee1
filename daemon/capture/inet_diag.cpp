#include "capture/inet_diag.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

namespace portd::capture {
namespace {

using Bytes = std::span<const std::byte>;

template <typename T>
std::optional<T> read(Bytes bytes) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes.size() < sizeof(T))
        return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

// Netlink messages and attributes start at multiples of four; the last one may lack its padding.
Bytes skip(Bytes bytes, std::size_t length) {
    return bytes.subspan(std::min(bytes.size(), (length + 3) & ~std::size_t{3}));
}

model::Endpoint endpoint(Family family, const __be32 (&address)[4], __be16 port) {
    model::Endpoint result;
    result.address.family = family;
    std::memcpy(result.address.bytes.data(), address, family == Family::ipv4 ? 4 : 16);
    result.port = ntohs(port);
    return result;
}

// The ages in tcp_info are counted in jiffies, at worst 10 ms each (CONFIG_HZ=100), and may be one
// short or one long.
constexpr auto age_uncertainty = std::chrono::milliseconds(20);

// Kernels before 4.19 send a shorter tcp_info; what is missing reads as zero.
model::TcpSummary summary(Bytes payload) {
    tcp_info info{};
    std::memcpy(&info, payload.data(), std::min(payload.size(), sizeof info));
    model::TcpSummary result;
    result.established = info.tcpi_delivered > 0;
    result.bytes_sent =
        info.tcpi_bytes_sent - std::min(info.tcpi_bytes_sent, info.tcpi_bytes_retrans);
    result.bytes_received = info.tcpi_bytes_received;
    const std::chrono::milliseconds age{
        std::min({info.tcpi_last_data_sent, info.tcpi_last_data_recv, info.tcpi_last_ack_recv})};
    result.idle = std::max<model::Duration>(age - age_uncertainty, model::Duration{0});
    return result;
}

void decode_attributes(Bytes bytes, DiagSocket &socket) {
    while (const auto attribute = read<rtattr>(bytes)) {
        if (attribute->rta_len < sizeof(rtattr) || attribute->rta_len > bytes.size())
            return;
        const Bytes payload = bytes.subspan(sizeof(rtattr), attribute->rta_len - sizeof(rtattr));
        if (attribute->rta_type == INET_DIAG_INFO) {
            socket.tcp = summary(payload);
        } else if (attribute->rta_type == INET_DIAG_PROTOCOL && !payload.empty()) {
            const auto protocol = std::to_integer<int>(payload.front());
            socket.has_protocol = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
            socket.protocol = protocol == IPPROTO_UDP ? Protocol::udp : Protocol::tcp;
        }
        bytes = skip(bytes, attribute->rta_len);
    }
}

std::optional<DiagSocket> decode_socket(Bytes payload) {
    const auto message = read<inet_diag_msg>(payload);
    if (!message || (message->idiag_family != AF_INET && message->idiag_family != AF_INET6))
        return std::nullopt;
    if (message->idiag_state < 1 ||
        message->idiag_state > static_cast<int>(model::SocketState::new_syn_received))
        return std::nullopt;
    const Family family = message->idiag_family == AF_INET ? Family::ipv4 : Family::ipv6;
    DiagSocket socket;
    socket.cookie = std::uint64_t{message->id.idiag_cookie[1]} << 32 | message->id.idiag_cookie[0];
    socket.local = endpoint(family, message->id.idiag_src, message->id.idiag_sport);
    socket.peer = endpoint(family, message->id.idiag_dst, message->id.idiag_dport);
    socket.state = static_cast<model::SocketState>(message->idiag_state);
    socket.uid = message->idiag_uid;
    socket.inode = message->idiag_inode;
    decode_attributes(skip(payload, sizeof *message), socket);
    return socket;
}

} // namespace

void decode_diag(Bytes datagram, DiagBatch &batch) {
    batch.sockets.clear();
    batch.done = batch.interrupted = false;
    batch.error = 0;
    batch.malformed = 0;
    while (const auto header = read<nlmsghdr>(datagram)) {
        if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) {
            ++batch.malformed;
            return;
        }
        const Bytes payload =
            datagram.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr));
        if (header->nlmsg_flags & NLM_F_DUMP_INTR)
            batch.interrupted = true;
        if (header->nlmsg_type == NLMSG_DONE) {
            batch.done = true;
            // A dump that failed half-way says so in an int behind the header.
            const int status = read<int>(payload).value_or(0);
            batch.error = status < 0 && status > -4096 ? -status : 0;
        } else if (header->nlmsg_type == NLMSG_ERROR) {
            const int status = read<int>(payload).value_or(-EPROTO);
            batch.error = status < 0 && status > -4096 ? -status : EPROTO;
            batch.done = true;
        } else if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY ||
                   header->nlmsg_type == TCPDIAG_GETSOCK) {
            if (auto socket = decode_socket(payload))
                batch.sockets.push_back(*socket);
            else
                ++batch.malformed;
        }
        datagram = skip(datagram, header->nlmsg_len);
    }
}

} // namespace portd::capture
