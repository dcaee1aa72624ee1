#include "client/fold.hpp"

#include "unit/client/fake_daemon.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace portd::client {
namespace {

using test::observed;
using test::sampled;
using test::second;
using test::t0;

proto::Lease lease(Role role, const std::string &address, std::int64_t opened_usec) {
    proto::Lease lease = test::connection_lease();
    lease.role = role;
    lease.local_address = address;
    lease.local_port = 8080;
    lease.opened = observed(opened_usec);
    lease.closed.reset();
    lease.freed.reset();
    return lease;
}

std::vector<FoldedLease> leases_of(const std::vector<FoldedRow> &rows) {
    std::vector<FoldedLease> leases;
    for (const FoldedRow &row : rows)
        leases.push_back(std::get<FoldedLease>(row));
    return leases;
}

std::vector<FoldedLease> fold(const std::vector<proto::Lease> &leases,
                              Folding folding = Folding::on) {
    Fold fold(folding);
    for (const proto::Lease &lease : leases)
        fold.add(lease);
    return leases_of(fold.take());
}

TEST(FoldTest, ConnectionsAreCountedUnderTheirListener) {
    const auto listener = lease(Role::listener, "0.0.0.0", t0);
    const auto accepted = lease(Role::accepted, "10.0.0.5", t0 + second);
    for (const auto &order :
         {std::vector{listener, accepted, accepted}, std::vector{accepted, accepted, listener},
          std::vector{accepted, listener, accepted}}) {
        const auto rows = fold(order);
        ASSERT_EQ(rows.size(), 1U);
        EXPECT_EQ(rows[0].lease.role, Role::listener);
        EXPECT_EQ(rows[0].accepted, 2U);
    }
    EXPECT_EQ(fold({listener, accepted, accepted}, Folding::off).size(), 3U);
}

TEST(FoldTest, ConnectionsOfOtherListenersAreShown) {
    const auto listener = lease(Role::listener, "0.0.0.0", t0);
    auto ended = listener;
    ended.freed = observed(t0 + second);
    auto other_address = listener;
    other_address.local_address = "10.0.0.9";
    auto other_port = listener;
    other_port.local_port = 8081;
    auto other_namespace = listener;
    other_namespace.network_namespace = 1;
    auto other_boot = listener;
    other_boot.boot_id = "b2";
    auto later = listener;
    later.opened = observed(t0 + 3600 * second);

    const auto accepted = lease(Role::accepted, "10.0.0.5", t0 + 2 * second);
    for (const auto &stranger :
         {ended, other_address, other_port, other_namespace, other_boot, later})
        EXPECT_EQ(fold({stranger, accepted}).size(), 2U);
    EXPECT_EQ(fold({accepted}).size(), 1U);
}

TEST(FoldTest, UnsureTimesMayMatch) {
    auto listener = lease(Role::listener, "::", t0);
    listener.freed = sampled(t0 + second, t0 + 3 * second);
    const auto accepted = lease(Role::accepted, "::ffff:10.0.0.5", t0 + 2 * second);
    EXPECT_EQ(fold({listener, accepted}).size(), 1U);
}

TEST(FoldTest, TheMoreParticularListenerWins) {
    const auto any = lease(Role::listener, "0.0.0.0", t0);
    const auto particular = lease(Role::listener, "10.0.0.5", t0);
    const auto rows = fold({any, particular, lease(Role::accepted, "10.0.0.5", t0 + 1)});
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].accepted, 0U);
    EXPECT_EQ(rows[1].accepted, 1U);
}

TEST(FoldTest, ConnectionsAfterTheirListenerWasTakenAreCountedApart) {
    Fold fold(Folding::on);
    fold.add(lease(Role::listener, "0.0.0.0", t0));
    ASSERT_EQ(fold.take().size(), 1U);
    fold.add(lease(Role::accepted, "10.0.0.5", t0 + 1));
    fold.add(lease(Role::accepted, "10.0.0.5", t0 + 2));
    EXPECT_TRUE(fold.take().empty());
    EXPECT_EQ(fold.late(), 2U);
}

TEST(FoldTest, BindFailuresKeepTheirPlace) {
    Fold fold(Folding::on);
    const auto accepted = lease(Role::accepted, "10.0.0.5", t0 + second);
    fold.add(accepted);
    fold.add(lease(Role::listener, "0.0.0.0", t0));
    fold.add(test::refused_bind());
    fold.add(accepted);
    fold.add(lease(Role::client, "10.0.0.5", t0));
    EXPECT_EQ(fold.held(), 4U);
    const auto rows = fold.take();
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(std::get<FoldedLease>(rows[0]).accepted, 2U);
    EXPECT_EQ(std::get<proto::BindFailure>(rows[1]), test::refused_bind());
    EXPECT_EQ(std::get<FoldedLease>(rows[2]).lease.role, Role::client);
}

TEST(FoldTest, APortWithThousandsOfListenersStaysCheap) {
    Fold fold(Folding::on);
    constexpr std::int64_t starts = 20'000;
    for (std::int64_t i = 0; i < starts; ++i) {
        auto listener = lease(Role::listener, "0.0.0.0", t0 + 2 * i * second);
        listener.freed = observed(t0 + (2 * i + 1) * second);
        fold.add(listener);
        fold.add(lease(Role::accepted, "10.0.0.5", t0 + 2 * i * second + 1));
    }
    const auto rows = leases_of(fold.take());
    ASSERT_EQ(rows.size(), static_cast<std::size_t>(starts));
    EXPECT_TRUE(std::all_of(rows.begin(), rows.end(),
                            [](const FoldedLease &row) { return row.accepted == 1; }));
}

// Whatever the order and the moments of taking: nothing is lost, and only connections are folded.
RC_GTEST_PROP(FoldTest, EveryLeaseIsShownOrCounted, ()) {
    Fold fold(Folding::on);
    std::size_t added = 0;
    std::size_t others = 0;
    std::size_t shown = 0;
    std::size_t shown_others = 0;
    std::size_t counted = 0;
    const auto take = [&] {
        for (const FoldedLease &row : leases_of(fold.take())) {
            ++shown;
            shown_others += row.lease.role != Role::accepted ? 1U : 0U;
            counted += row.accepted;
        }
    };
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 40));
    for (const int step : steps) {
        if (step >= 36) {
            take();
            continue;
        }
        const Role role = step % 3 == 0   ? Role::listener
                          : step % 3 == 1 ? Role::accepted
                                          : Role::client;
        const char *address = step % 2 == 0 ? "0.0.0.0" : "10.0.0.5";
        fold.add(lease(role, address, t0 + step % 5 * second));
        ++added;
        others += role != Role::accepted ? 1U : 0U;
    }
    take();
    RC_ASSERT(shown + counted + fold.late() == added);
    RC_ASSERT(shown_others == others);
    RC_ASSERT(fold.held() == 0U);
}

} // namespace
} // namespace portd::client
