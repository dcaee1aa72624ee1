#include "model/bind_rules.hpp"

#include "model/address_range.hpp"

#include <gtest/gtest.h>

namespace portd::model {
namespace {

enum class Socket { listener, connection };

proto::Lease lease_at(const char *address, Socket socket) {
    proto::Lease lease;
    lease.local_address = address;
    lease.network_namespace = 7;
    lease.role = socket == Socket::listener ? Role::listener : Role::client;
    lease.phase = socket == Socket::listener ? Phase::listening : Phase::connected;
    return lease;
}

IntendedBind bind_at(const char *address) {
    return {.protocol = Protocol::tcp,
            .address = parse_address_range(address)->first,
            .network_namespace = 7};
}

// What Linux 6.18 answered to each of these pairs.
TEST(JudgeBind, AddressesAreComparedAsLinuxDoes) {
    const auto blocks = BindVerdict::blocks;
    const auto may = BindVerdict::may_block;
    const auto not_at_all = BindVerdict::does_not_block;
    const struct {
        const char *held;
        Socket socket;
        const char *asked;
        BindVerdict verdict;
        BindReason reason;
    } cases[] = {
        {"0.0.0.0", Socket::listener, "0.0.0.0", blocks, BindReason::same_address},
        {"0.0.0.0", Socket::listener, "127.0.0.1", blocks, BindReason::wildcard_held},
        {"0.0.0.0", Socket::listener, "::", blocks, BindReason::dual_stack_asked},
        {"0.0.0.0", Socket::listener, "::1", not_at_all, BindReason::other_family},
        {"0.0.0.0", Socket::listener, "::ffff:127.0.0.1", blocks, BindReason::wildcard_held},
        {"127.0.0.1", Socket::listener, "0.0.0.0", blocks, BindReason::wildcard_asked},
        {"127.0.0.1", Socket::connection, "0.0.0.0", blocks, BindReason::wildcard_asked},
        {"127.0.0.2", Socket::listener, "127.0.0.1", not_at_all, BindReason::other_address},
        {"127.0.0.2", Socket::listener, "::", blocks, BindReason::dual_stack_asked},
        {"::ffff:127.0.0.1", Socket::connection, "127.0.0.1", blocks, BindReason::same_address},
        {"::", Socket::listener, "0.0.0.0", may, BindReason::dual_stack_held},
        {"::", Socket::listener, "127.0.0.1", may, BindReason::dual_stack_held},
        {"::", Socket::listener, "::1", blocks, BindReason::wildcard_held},
        {"::1", Socket::listener, "0.0.0.0", not_at_all, BindReason::other_family},
        {"::1", Socket::connection, "0.0.0.0", may, BindReason::ipv6_connection},
        {"::1", Socket::connection, "127.0.0.1", not_at_all, BindReason::other_family},
        {"::1", Socket::connection, "::", blocks, BindReason::wildcard_asked},
    };
    for (const auto &test : cases) {
        const BindJudgement judgement =
            judge_bind(lease_at(test.held, test.socket), bind_at(test.asked));
        EXPECT_EQ(judgement, (BindJudgement{test.verdict, test.reason}))
            << test.held << " " << test.asked;
    }
}

TEST(JudgeBind, OtherNamespacesAndProtocolsAreApart) {
    proto::Lease lease = lease_at("0.0.0.0", Socket::listener);
    IntendedBind bind = bind_at("0.0.0.0");
    bind.protocol = Protocol::udp;
    EXPECT_EQ(judge_bind(lease, bind).reason, BindReason::other_protocol);
    bind.protocol.reset();
    EXPECT_EQ(judge_bind(lease, bind).verdict, BindVerdict::blocks);
    lease.network_namespace = 8;
    EXPECT_EQ(judge_bind(lease, bind),
              (BindJudgement{BindVerdict::does_not_block, BindReason::other_namespace}));
}

TEST(JudgeBind, WithoutAnAddressAnyWildcardIsMeant) {
    IntendedBind bind = bind_at("0.0.0.0");
    bind.address.reset();
    EXPECT_EQ(judge_bind(lease_at("::", Socket::listener), bind),
              (BindJudgement{BindVerdict::blocks, BindReason::same_address}));
    EXPECT_EQ(judge_bind(lease_at("::1", Socket::listener), bind),
              (BindJudgement{BindVerdict::blocks, BindReason::wildcard_asked}));
    EXPECT_EQ(judge_bind(lease_at("127.0.0.1", Socket::connection), bind),
              (BindJudgement{BindVerdict::blocks, BindReason::wildcard_asked}));
}

TEST(OptionsToShare, AreFewerForListeners) {
    proto::Lease lease = lease_at("0.0.0.0", Socket::listener);
    EXPECT_EQ(options_to_share(lease), std::vector<std::string>{"SO_REUSEPORT"});
    lease.protocol = Protocol::udp;
    EXPECT_EQ(options_to_share(lease).size(), 2U);
    EXPECT_EQ(options_to_share(lease_at("0.0.0.0", Socket::connection)).size(), 2U);
}

} // namespace
} // namespace portd::model
