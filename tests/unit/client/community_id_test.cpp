#include "client/community_id.hpp"

#include <gtest/gtest.h>

namespace portd::client {
namespace {

// The TCP and UDP flows of baseline/baseline_deflt.json of the specification.
TEST(CommunityId, IsThatOfTheBaseline) {
    const struct {
        Protocol protocol;
        const char *source;
        std::int64_t source_port;
        const char *destination;
        std::int64_t destination_port;
        const char *id;
    } flows[] = {
        {Protocol::tcp, "2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "2607:f8b0:400c:c03::1a",
         25, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
        {Protocol::tcp, "2607:f8b0:400c:c03::1a", 25, "2001:470:e5bf:dead:4957:2174:e82c:4887",
         63943, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
        {Protocol::tcp, "128.232.110.120", 34855, "66.35.250.204", 80,
         "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {Protocol::tcp, "66.35.250.204", 80, "128.232.110.120", 34855,
         "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {Protocol::udp, "192.168.1.52", 54585, "8.8.8.8", 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
        {Protocol::udp, "8.8.8.8", 53, "192.168.1.52", 54585, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
    };
    for (const auto &flow : flows)
        EXPECT_EQ(community_id(flow.protocol, flow.source, flow.source_port, flow.destination,
                               flow.destination_port),
                  flow.id);
}

TEST(CommunityId, AnIPv4FlowOfAnIPv6SocketIsOneOfIPv4) {
    EXPECT_EQ(
        community_id(Protocol::tcp, "::ffff:128.232.110.120", 34855, "::ffff:66.35.250.204", 80),
        "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
}

TEST(CommunityId, BothDirectionsAreOneFlowAlsoBetweenEqualAddresses) {
    const auto there = community_id(Protocol::tcp, "127.0.0.1", 50000, "127.0.0.1", 443);
    EXPECT_TRUE(there);
    EXPECT_EQ(community_id(Protocol::tcp, "127.0.0.1", 443, "127.0.0.1", 50000), there);
    EXPECT_NE(community_id(Protocol::udp, "127.0.0.1", 443, "127.0.0.1", 50000), there);
}

TEST(CommunityId, ThereIsNoneWithoutTwoAddressesOfOneKind) {
    EXPECT_EQ(community_id(Protocol::tcp, "", 1, "127.0.0.1", 2), std::nullopt);
    EXPECT_EQ(community_id(Protocol::tcp, "localhost", 1, "127.0.0.1", 2), std::nullopt);
    EXPECT_EQ(community_id(Protocol::tcp, "::1", 1, "127.0.0.1", 2), std::nullopt);
}

} // namespace
} // namespace portd::client
