#include "server/audit_table.hpp"

#include "fake_backend.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <string>

namespace portd::server {
namespace {

proto::Lease lease_of(const std::string &executable, std::int64_t opened_usec,
                      std::int64_t length_usec) {
    proto::Lease lease = freed_lease("x", 50000, 1000, opened_usec, opened_usec + length_usec);
    lease.opener.executable = executable;
    lease.last_holder = lease.opener;
    return lease;
}

TEST(AuditTable, SumsUpByProgram) {
    AuditTable table(AuditBy::program);
    table.add(lease_of("/bin/a", 10, 5));
    auto refused = lease_of("/bin/b", 20, 7);
    refused.outcome = Outcome::refused;
    table.add(refused);
    auto open = open_lease("o", 50001, 1000, 30);
    open.opener.executable = "/bin/b";
    table.add(open);
    auto failure = bind_failure(50001, 1000, 40);
    failure.process.executable = "/bin/b";
    table.add(failure);

    const auto summary = table.summary(AuditOrder::leases, 10);
    ASSERT_EQ(summary.groups.size(), 2U);
    EXPECT_EQ(summary.other, std::nullopt);
    const proto::AuditGroup &b = summary.groups[0];
    EXPECT_EQ(b.executable, "/bin/b");
    EXPECT_TRUE(b.known);
    EXPECT_EQ(b.leases, 2);
    EXPECT_EQ(b.open, 1);
    EXPECT_EQ(b.bind_failures, 1);
    EXPECT_EQ(b.outcomes, (std::vector<proto::OutcomeCount>{{Outcome::refused, 1}}));
    EXPECT_EQ(b.first_usec, 20);
    EXPECT_EQ(b.last_usec, 40);
    EXPECT_EQ(b.measured, 1);
    EXPECT_EQ(b.median_usec, 7);
    EXPECT_EQ(b.p99_usec, 7);
    EXPECT_EQ(b.longest_usec, 7);
    EXPECT_EQ(b.bytes_sent, 20);
    EXPECT_EQ(b.bytes_received, 40);
    EXPECT_EQ(summary.groups[1].outcomes, (std::vector<proto::OutcomeCount>{{Outcome::closed, 1}}));
}

TEST(AuditTable, WhatIsWithheldIsNoUnknownProgram) {
    AuditTable table(AuditBy::program);
    auto cut = lease_of("", 10, 5);
    cut.opener = cut.last_holder = {};
    table.add(cut);
    cut.incomplete = true;
    table.add(cut);
    table.add(cut);
    const auto groups = table.summary(AuditOrder::leases, 10).groups;
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_FALSE(groups[0].known);
    EXPECT_TRUE(groups[0].withheld);
    EXPECT_EQ(groups[0].leases, 2);
    EXPECT_FALSE(groups[1].known);
    EXPECT_FALSE(groups[1].withheld);
}

TEST(AuditTable, GroupsByWhatWasAsked) {
    auto lease = lease_of("/bin/a", 10, 5);
    lease.opener.unit = "a.service";
    auto other = lease_of("/bin/b", 20, 5);
    other.opener.unit = "a.service";
    other.uid = 2000;
    other.user = "u2000";
    other.peer_address = "192.0.2.9";
    const auto groups = [&](AuditBy by) {
        AuditTable table(by);
        table.add(lease);
        table.add(other);
        return table.summary(AuditOrder::leases, 10).groups;
    };
    EXPECT_EQ(groups(AuditBy::program).size(), 2U);
    ASSERT_EQ(groups(AuditBy::unit).size(), 1U);
    EXPECT_EQ(groups(AuditBy::unit)[0].unit, "a.service");
    EXPECT_EQ(groups(AuditBy::unit)[0].executable, std::nullopt);
    ASSERT_EQ(groups(AuditBy::user).size(), 2U);
    EXPECT_EQ(groups(AuditBy::user)[1].user, "u2000");
    ASSERT_EQ(groups(AuditBy::peer).size(), 2U);
    EXPECT_EQ(groups(AuditBy::peer)[1].peer_address, "192.0.2.9");
}

TEST(AuditTable, WhatIsNotKnownIsAGroupOfItsOwn) {
    AuditTable table(AuditBy::unit);
    auto unknown = lease_of("", 10, 5);
    unknown.opener = unknown.last_holder = proto::Process{};
    table.add(unknown);
    table.add(lease_of("/bin/a", 10, 5)); // known, and of no unit
    const auto groups = table.summary(AuditOrder::leases, 10).groups;
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_FALSE(groups[0].known);
    EXPECT_TRUE(groups[1].known);
    // Where the opener is not known, the last holder speaks.
    AuditTable programs(AuditBy::program);
    auto inherited = lease_of("/bin/a", 10, 5);
    inherited.opener = proto::Process{};
    programs.add(inherited);
    EXPECT_EQ(programs.summary(AuditOrder::leases, 1).groups[0].executable, "/bin/a");
}

TEST(AuditTable, LengthsAreTheLongestThatCanHaveBeen) {
    AuditTable table(AuditBy::program);
    auto sampled = lease_of("/bin/a", 10, 5);
    sampled.opened = {.usec = {}, .earliest_usec = 10, .latest_usec = 20};
    sampled.closed = proto::Moment{.usec = {}, .earliest_usec = 25, .latest_usec = 40};
    table.add(sampled);
    auto unseen = sampled;
    unseen.opened.earliest_usec.reset();
    table.add(unseen);
    const auto group = table.summary(AuditOrder::leases, 1).groups[0];
    EXPECT_EQ(group.leases, 2);
    EXPECT_EQ(group.measured, 1);
    EXPECT_EQ(group.longest_usec, 30);
}

TEST(AuditTable, OrdersTheGroups) {
    AuditTable table(AuditBy::program);
    for (int i = 0; i < 3; ++i)
        table.add(lease_of("many", i, 1));
    auto failed = lease_of("failed", 10, 2);
    failed.outcome = Outcome::timed_out;
    table.add(failed);
    auto large = lease_of("large", 10, 3);
    large.bytes_sent = 1'000'000;
    table.add(large);
    table.add(lease_of("long", 10, 1'000'000));
    const auto first = [&](AuditOrder order) {
        return table.summary(order, 1).groups[0].executable.value_or("");
    };
    EXPECT_EQ(first(AuditOrder::leases), "many");
    EXPECT_EQ(first(AuditOrder::failures), "failed");
    EXPECT_EQ(first(AuditOrder::bytes), "large");
    EXPECT_EQ(first(AuditOrder::longest), "long");
}

// Whatever is folded, every lease and every byte is somewhere in the answer.
RC_GTEST_PROP(AuditTable, FoldingLosesNothing, ()) {
    const auto programs = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 2000));
    const auto limit = *rc::gen::inRange<std::size_t>(1, 30);
    AuditTable table(AuditBy::program);
    for (const int program : programs)
        table.add(lease_of(std::to_string(program), program, program));
    const auto summary = table.summary(AuditOrder::leases, limit);
    RC_ASSERT(summary.groups.size() <= limit);
    std::int64_t leases = summary.other ? summary.other->leases : 0;
    std::int64_t measured = summary.other ? summary.other->measured : 0;
    std::int64_t bytes = summary.other ? summary.other->bytes_sent : 0;
    for (const auto &group : summary.groups) {
        leases += group.leases;
        measured += group.measured;
        bytes += group.bytes_sent;
    }
    const auto count = static_cast<std::int64_t>(programs.size());
    RC_ASSERT(leases == count && measured == count && bytes == 10 * count);
}

TEST(AuditTable, GroupsAreBounded) {
    AuditTable table(AuditBy::program);
    const auto more = static_cast<int>(AuditTable::most_groups) + 50;
    for (int round = 0; round < 2; ++round)
        for (int i = 0; i < more; ++i)
            table.add(lease_of(std::to_string(i), i, i));
    const auto summary = table.summary(AuditOrder::leases, AuditTable::most_groups);
    EXPECT_EQ(summary.groups.size(), AuditTable::most_groups);
    for (const auto &group : summary.groups)
        EXPECT_EQ(group.leases, 2); // those that are told apart are counted exactly
    ASSERT_TRUE(summary.other);
    EXPECT_EQ(summary.other->leases, 100);
    EXPECT_EQ(summary.groups_in_other, 0);
}

} // namespace
} // namespace portd::server
