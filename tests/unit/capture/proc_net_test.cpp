#include "capture/proc_net.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <rapidcheck/gtest.h>
#include <sstream>
#include <string>

#include "processes.hpp"

namespace portd::capture {
namespace {

using model::SocketState;

const std::string header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
                           "retrnsmt   uid  timeout inode\n";
const std::string listener = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 "
                             "00000000  1000        0 1124 1 0000000000000000 100 0 0 10 0\n";
const std::string lingering = "   1: 0100007F:C350 0200007F:0050 06 00000000:00000000 03:000003F2 "
                              "00000000     0        0 0 3 0000000000000000\n";

TEST(ProcNet, ReadsRows) {
    const auto table = parse_proc_net(header + listener + lingering, Family::ipv4);
    EXPECT_FALSE(table.truncated);
    EXPECT_EQ(table.malformed_rows, 0U);
    ASSERT_EQ(table.rows.size(), 2U);
    EXPECT_EQ(table.rows[0].local.address.to_string(), "127.0.0.1");
    EXPECT_EQ(table.rows[0].local.port, 8080);
    EXPECT_EQ(table.rows[0].peer.port, 0);
    EXPECT_EQ(table.rows[0].state, SocketState::listen);
    EXPECT_EQ(table.rows[0].uid, 1000U);
    EXPECT_EQ(table.rows[0].inode, 1124U);
    EXPECT_EQ(table.rows[1].peer.address.to_string(), "127.0.0.2");
    EXPECT_EQ(table.rows[1].state, SocketState::time_wait);
    EXPECT_EQ(table.rows[1].inode, 0U);
}

TEST(ProcNet, ReadsIpv6InTheMachinesWords) {
    const auto row = parse_proc_net_row(
        " 9: B80D0120000000000000000001000000:01BB 0000000000000000FFFF00000101A8C0:D431 01 "
        "00000000:00000000 00:00000000 00000000 65534 0 4294967295 2 0 1",
        Family::ipv6);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->local.address.to_string(), "2001:db8::1");
    EXPECT_EQ(row->peer.address.to_string(), "::ffff:192.168.1.1");
    EXPECT_EQ(row->local.port, 443);
    EXPECT_EQ(row->inode, 4294967295U);
}

TEST(ProcNet, LeavesOutTheLineThatIsCutOff) {
    for (std::size_t length = 0; length < listener.size(); ++length) {
        const auto table =
            parse_proc_net(header + lingering + listener.substr(0, length), Family::ipv4);
        EXPECT_EQ(table.rows.size(), 1U) << length;
        EXPECT_EQ(table.truncated, length > 0) << length;
        EXPECT_EQ(table.malformed_rows, 0U) << length;
    }
    EXPECT_TRUE(parse_proc_net("", Family::ipv4).truncated);
}

TEST(ProcNet, CountsWhatIsNoRow) {
    for (const auto *line :
         {"", "0:", "0: 0100007F:1F90", "0 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1",
          "0: 0100007F:1F901 00000000:0000 0A 0:0 0:0 0 0 0 1",
          "0: 0100007F:1F90 00000000:0000 00 0:0 0:0 0 0 0 1",
          "0: 0100007F:1F90 00000000:0000 0D 0:0 0:0 0 0 0 1",
          "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 -1 0 1",
          "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4294967296",
          "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 x",
          "0: 0000000000000000FFFF00000101A8C0:D431 00000000:0000 0A 0:0 0:0 0 0 0 1"}) {
        const auto table = parse_proc_net(header + line + "\n" + listener, Family::ipv4);
        EXPECT_EQ(table.malformed_rows, 1U) << line;
        EXPECT_EQ(table.rows.size(), 1U) << line;
    }
}

RC_GTEST_PROP(ProcNet, ReadsWhatTheKernelPrints, ()) {
    std::array<std::uint32_t, 4> words{};
    for (auto &word : words)
        word = *rc::gen::arbitrary<std::uint32_t>();
    const auto local = *rc::gen::arbitrary<std::uint16_t>();
    const auto peer = *rc::gen::arbitrary<std::uint16_t>();
    const auto state = *rc::gen::inRange<unsigned>(1, 13);
    const auto uid = *rc::gen::arbitrary<std::uint32_t>();
    const auto inode = *rc::gen::arbitrary<std::uint32_t>();
    std::array<char, 256> line{};
    // The format of get_tcp6_sock().
    std::snprintf(line.data(), line.size(),
                  "%4d: %08X%08X%08X%08X:%04X %08X%08X%08X%08X:%04X %02X %08X:%08X %02X:%08lX %08X "
                  "%5u %8d %lu %d %s %lu %lu %u %u %d",
                  7, words[0], words[1], words[2], words[3], local, words[3], words[2], words[1],
                  words[0], peer, state, 0U, 0U, 0U, 0UL, 0U, uid, 0,
                  static_cast<unsigned long>(inode), 1, "0000000000000000", 20UL, 4UL, 0U, 10U, -1);
    const auto row = parse_proc_net_row(line.data(), Family::ipv6);
    RC_ASSERT(row.has_value());
    RC_ASSERT(std::memcmp(row->local.address.bytes.data(), words.data(), 16) == 0);
    RC_ASSERT(row->local.port == local && row->peer.port == peer);
    RC_ASSERT(unsigned(row->state) == state && row->uid == uid && row->inode == inode);
}

TEST(ProcNet, FindsARealSocket) {
    const auto socket = testing::open_socket();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr any{};
    std::memcpy(&any, &address, sizeof address);
    ASSERT_EQ(::bind(socket.get(), &any, sizeof address), 0);
    socklen_t size = sizeof any;
    ASSERT_EQ(::getsockname(socket.get(), &any, &size), 0);
    std::memcpy(&address, &any, sizeof address);

    std::ifstream file("/proc/net/udp");
    std::ostringstream text;
    text << file.rdbuf();
    const auto table = parse_proc_net(text.str(), Family::ipv4);
    EXPECT_FALSE(table.truncated);
    EXPECT_EQ(table.malformed_rows, 0U);
    const auto inode = testing::inode_of(socket);
    const auto row = std::ranges::find(table.rows, inode, &ProcNetRow::inode);
    ASSERT_NE(row, table.rows.end());
    EXPECT_EQ(row->local.address.to_string(), "127.0.0.1");
    EXPECT_EQ(row->local.port, ntohs(address.sin_port));
    EXPECT_EQ(row->state, SocketState::close);
    EXPECT_EQ(row->uid, ::geteuid());
}

} // namespace
} // namespace portd::capture
