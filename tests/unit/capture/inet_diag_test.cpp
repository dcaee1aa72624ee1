#include "capture/inet_diag.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;

// Builds datagrams as the kernel does.
class Datagram {
  public:
    Datagram() { bytes_.reserve(4096); }

    Datagram &header(std::uint16_t type, std::size_t payload, std::uint16_t flags = 0) {
        nlmsghdr header{};
        header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + payload);
        header.nlmsg_type = type;
        header.nlmsg_flags = flags;
        return append(header);
    }
    template <typename T>
    Datagram &append(const T &value) {
        const auto old = bytes_.size();
        bytes_.resize(old + sizeof value);
        std::memcpy(bytes_.data() + old, &value, sizeof value);
        return *this;
    }
    Datagram &attribute(std::uint16_t type, const void *data, std::size_t size) {
        rtattr attribute{};
        attribute.rta_len = static_cast<std::uint16_t>(sizeof attribute + size);
        attribute.rta_type = type;
        append(attribute);
        const auto old = bytes_.size();
        bytes_.resize(old + ((size + 3) & ~std::size_t{3}));
        std::memcpy(bytes_.data() + old, data, size);
        return *this;
    }
    std::span<const std::byte> bytes() const { return bytes_; }
    std::size_t size() const { return bytes_.size(); }

  private:
    std::vector<std::byte> bytes_;
};

inet_diag_msg message(int family = AF_INET) {
    inet_diag_msg m{};
    m.idiag_family = static_cast<std::uint8_t>(family);
    m.idiag_state = 1;
    m.id.idiag_sport = htons(60609);
    m.id.idiag_dport = htons(443);
    m.id.idiag_src[0] = htonl(0x7f000001);
    m.id.idiag_dst[0] = htonl(0xc0000201);
    m.id.idiag_cookie[0] = 0x89abcdef;
    m.id.idiag_cookie[1] = 0x01234567;
    m.idiag_uid = 1000;
    m.idiag_inode = 4242;
    return m;
}

DiagBatch decode(const Datagram &datagram) {
    DiagBatch batch;
    decode_diag(datagram.bytes(), batch);
    return batch;
}

TEST(InetDiag, ReadsASocket) {
    Datagram datagram;
    datagram.header(SOCK_DIAG_BY_FAMILY, sizeof(inet_diag_msg)).append(message());
    const auto batch = decode(datagram);
    ASSERT_EQ(batch.sockets.size(), 1u);
    const auto &socket = batch.sockets.front();
    EXPECT_EQ(socket.cookie, 0x0123456789abcdefu);
    EXPECT_EQ(socket.local.address.to_string(), "127.0.0.1");
    EXPECT_EQ(socket.local.port, 60609);
    EXPECT_EQ(socket.peer.address.to_string(), "192.0.2.1");
    EXPECT_EQ(socket.peer.port, 443);
    EXPECT_EQ(socket.state, model::SocketState::established);
    EXPECT_EQ(socket.uid, 1000u);
    EXPECT_EQ(socket.inode, 4242u);
    EXPECT_FALSE(socket.has_protocol);
    EXPECT_FALSE(socket.tcp);
    EXPECT_FALSE(batch.done);
}

TEST(InetDiag, ReadsTheAttributesOfADestroyEvent) {
    tcp_info info{};
    info.tcpi_delivered = 2;
    info.tcpi_bytes_sent = 1200;
    info.tcpi_bytes_retrans = 200;
    info.tcpi_bytes_received = 500;
    info.tcpi_last_data_sent = 300;
    info.tcpi_last_data_recv = 400;
    info.tcpi_last_ack_recv = 250;
    const std::uint8_t protocol = IPPROTO_TCP;
    Datagram attributes;
    attributes.attribute(INET_DIAG_PROTOCOL, &protocol, 1);
    attributes.attribute(INET_DIAG_INFO, &info, sizeof info);
    Datagram datagram;
    datagram.header(SOCK_DIAG_BY_FAMILY, sizeof(inet_diag_msg) + attributes.size());
    datagram.append(message(AF_INET6));
    datagram.attribute(INET_DIAG_PROTOCOL, &protocol, 1);
    datagram.attribute(INET_DIAG_INFO, &info, sizeof info);
    const auto batch = decode(datagram);
    ASSERT_EQ(batch.sockets.size(), 1u);
    const auto &socket = batch.sockets.front();
    EXPECT_TRUE(socket.has_protocol);
    EXPECT_EQ(socket.protocol, Protocol::tcp);
    EXPECT_EQ(socket.local.address.family, Family::ipv6);
    ASSERT_TRUE(socket.tcp);
    EXPECT_TRUE(socket.tcp->established);
    EXPECT_EQ(socket.tcp->bytes_sent, 1000u);
    EXPECT_EQ(socket.tcp->bytes_received, 500u);
    // At least: the ages of tcp_info are coarse.
    EXPECT_LE(socket.tcp->idle, 250ms);
    EXPECT_GE(socket.tcp->idle, 200ms);
}

TEST(InetDiag, AShorterTcpInfoReadsAsZeroWhereItEnds) {
    const std::uint8_t start[8] = {1};
    Datagram datagram;
    datagram.header(SOCK_DIAG_BY_FAMILY, sizeof(inet_diag_msg) + sizeof(rtattr) + sizeof start)
        .append(message())
        .attribute(INET_DIAG_INFO, start, sizeof start);
    const auto batch = decode(datagram);
    ASSERT_TRUE(batch.sockets.at(0).tcp);
    EXPECT_FALSE(batch.sockets[0].tcp->established);
}

TEST(InetDiag, SaysWhenADumpEndsFailsOrWasInterrupted) {
    Datagram done;
    done.header(NLMSG_DONE, sizeof(int)).append(int{0});
    EXPECT_TRUE(decode(done).done);
    EXPECT_EQ(decode(done).error, 0);

    Datagram failed;
    failed.header(NLMSG_DONE, sizeof(int)).append(int{-ENOMEM});
    EXPECT_EQ(decode(failed).error, ENOMEM);

    nlmsgerr refused{};
    refused.error = -EPERM;
    Datagram error;
    error.header(NLMSG_ERROR, sizeof refused).append(refused);
    EXPECT_EQ(decode(error).error, EPERM);
    EXPECT_TRUE(decode(error).done);

    Datagram interrupted;
    interrupted.header(SOCK_DIAG_BY_FAMILY, sizeof(inet_diag_msg), NLM_F_DUMP_INTR)
        .append(message());
    EXPECT_TRUE(decode(interrupted).interrupted);
}

TEST(InetDiag, CountsWhatItCannotRead) {
    auto odd_family = message();
    odd_family.idiag_family = AF_UNIX;
    auto odd_state = message();
    odd_state.idiag_state = 99;
    for (const auto &bad : {odd_family, odd_state}) {
        Datagram datagram;
        datagram.header(SOCK_DIAG_BY_FAMILY, sizeof bad).append(bad);
        EXPECT_EQ(decode(datagram).malformed, 1u);
        EXPECT_TRUE(decode(datagram).sockets.empty());
    }
    Datagram cut;
    cut.header(SOCK_DIAG_BY_FAMILY, sizeof(inet_diag_msg));
    EXPECT_EQ(decode(cut).malformed, 1u) << "the header promises more than there is";
}

TEST(InetDiag, EveryTruncationIsSafe) {
    const std::uint8_t protocol = IPPROTO_UDP;
    Datagram datagram;
    datagram.header(SOCK_DIAG_BY_FAMILY, sizeof(inet_diag_msg) + 8)
        .append(message())
        .attribute(INET_DIAG_PROTOCOL, &protocol, 1);
    for (std::size_t length = 0; length <= datagram.size(); ++length) {
        const std::vector<std::byte> cut(datagram.bytes().begin(),
                                         datagram.bytes().begin() + static_cast<long>(length));
        DiagBatch batch;
        decode_diag(cut, batch);
        EXPECT_EQ(batch.sockets.size(), length == datagram.size() ? 1u : 0u);
    }
}

} // namespace
} // namespace portd::capture
