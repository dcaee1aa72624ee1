#include "server/bind_diagnosis.hpp"

#include "fake_backend.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace portd::server {
namespace {

model::IntendedBind anywhere() {
    return {.protocol = std::nullopt, .address = std::nullopt, .network_namespace = 7};
}

std::string text_of(const std::vector<proto::BlockedTime> &times) {
    std::string text;
    for (const proto::BlockedTime &time : times) {
        text += text.empty() ? "" : " ";
        text += std::to_string(time.since_usec) + "-" +
                (time.until_usec ? std::to_string(*time.until_usec) : "") +
                (time.certain ? "" : "?") + "*" + std::to_string(time.leases);
    }
    return text;
}

TEST(BlockedTimes, AreJoinedWhereTheyMeet) {
    BlockedTimes times(10);
    times.add(freed_lease("a", 50000, 1000, 5, 20), BindVerdict::blocks);
    EXPECT_EQ(text_of(times.times()), "10-20*1");
    times.add(freed_lease("b", 50000, 1000, 40, 50), BindVerdict::blocks);
    times.add(freed_lease("c", 50000, 1000, 60, 70), BindVerdict::does_not_block);
    EXPECT_EQ(text_of(times.times()), "10-20*1 40-50*1");
    times.add(freed_lease("d", 50000, 1000, 20, 30), BindVerdict::may_block);
    EXPECT_EQ(text_of(times.times()), "10-30?*2 40-50*1");
    times.add(open_lease("e", 50000, 1000, 45), BindVerdict::blocks);
    EXPECT_EQ(text_of(times.times()), "10-30?*2 40-*2");
    times.add(freed_lease("f", 50000, 1000, 25, 42), BindVerdict::blocks);
    EXPECT_EQ(text_of(times.times()), "10-?*5");
    EXPECT_EQ(times.forgotten(), 0);
}

TEST(BlockedTimes, TakeBoundsForWhatTheyAre) {
    proto::Lease lease = freed_lease("a", 50000, 1000, 5, 20);
    lease.opened = {.usec = {}, .earliest_usec = 15, .latest_usec = 18, .provenance = {}};
    lease.freed = proto::Moment{
        .usec = {}, .earliest_usec = 20, .latest_usec = std::nullopt, .provenance = {}};
    BlockedTimes times(10);
    times.add(lease, BindVerdict::blocks);
    EXPECT_EQ(text_of(times.times()), "15-?*1");
}

TEST(BlockedTimes, ForgetTheOldest) {
    BlockedTimes times(0);
    for (int i = 0; i < 40; ++i)
        times.add(freed_lease("a", 50000, 1000, 10 * i, 10 * i + 5), BindVerdict::blocks);
    ASSERT_EQ(times.times().size(), BlockedTimes::most_times);
    EXPECT_EQ(times.forgotten(), 8);
    EXPECT_EQ(times.times().front().since_usec, 80);
}

// Moment by moment: blocked is what some lease covers.
RC_GTEST_PROP(BlockedTimes, CoverJustWhatTheLeasesDo, ()) {
    BlockedTimes times(0);
    std::set<std::int64_t> blocked;
    const auto count = *rc::gen::inRange(0, 12);
    for (int i = 0; i < count; ++i) {
        const std::int64_t begin = *rc::gen::inRange(0, 60);
        const std::int64_t end = begin + *rc::gen::inRange(0, 20);
        times.add(freed_lease("a", 50000, 1000, begin, end), BindVerdict::blocks);
        for (std::int64_t at = begin; at <= end; ++at)
            blocked.insert(at);
    }
    std::set<std::int64_t> told;
    std::int64_t leases = 0;
    std::int64_t last_end = -1;
    for (const proto::BlockedTime &time : times.times()) {
        RC_ASSERT(time.since_usec > last_end);
        last_end = *time.until_usec;
        leases += time.leases;
        for (std::int64_t at = time.since_usec; at <= last_end; ++at)
            told.insert(at);
    }
    RC_ASSERT(told == blocked);
    RC_ASSERT(leases == count);
}

TEST(BindDiagnosis, PutsWhatIsInTheWayFirst) {
    BindDiagnosis diagnosis(anywhere(), 0);
    proto::Lease elsewhere = open_lease("elsewhere", 50000, 1000, 5);
    elsewhere.network_namespace = 8;
    proto::Lease lingering = open_lease("lingering", 50000, 1000, 5);
    lingering.phase = Phase::lingering;
    proto::Lease listener = open_lease("listener", 50000, 1000, 5);
    listener.role = Role::listener;
    for (const proto::Lease &lease :
         {elsewhere, lingering, open_lease("client", 50000, 1000, 5), listener})
        diagnosis.add_open(lease);
    for (int i = 0; i < 20; ++i)
        diagnosis.add_open(elsewhere);
    const proto::Diagnosis told = diagnosis.finish();
    EXPECT_EQ(told.blocking, 3);
    EXPECT_EQ(told.perhaps_blocking, 0);
    EXPECT_EQ(told.not_blocking, 21);
    ASSERT_EQ(told.obstacles.size(), BindDiagnosis::most_obstacles);
    EXPECT_EQ(told.obstacles[0].lease.id, "listener");
    EXPECT_EQ(told.obstacles[0].shared_by, std::vector<std::string>{"SO_REUSEPORT"});
    EXPECT_EQ(told.obstacles[1].lease.id, "client");
    EXPECT_EQ(told.obstacles[2].lease.id, "lingering");
    EXPECT_EQ(told.obstacles[3].reason, BindReason::other_namespace);
    EXPECT_TRUE(told.obstacles[3].shared_by.empty());
}

TEST(BindDiagnosis, CountsWhatTheKernelChoseAndTheNewestFailures) {
    BindDiagnosis diagnosis(anywhere(), 0);
    diagnosis.set_ports({.local_range = {50000, 50010}, .reserved = {{50001, 50002}}}, 50000);
    proto::Lease accepted = freed_lease("b", 50000, 1000, 30, 40);
    accepted.role = Role::accepted;
    proto::Lease chosen = freed_lease("c", 50000, 1000, 50, 60);
    chosen.port_choice = PortChoice::explicit_;
    diagnosis.add_past(freed_lease("a", 50000, 1000, 10, 20));
    diagnosis.add_past(accepted);
    diagnosis.add_past(chosen);
    proto::BindFailure elsewhere = bind_failure(50000, 1000, 99);
    elsewhere.network_namespace = 8;
    diagnosis.add(elsewhere);
    for (int i = 0; i < 10; ++i)
        diagnosis.add(bind_failure(50000, 1000, 90 - i));
    const proto::Diagnosis told = diagnosis.finish();
    EXPECT_EQ(told.leases, 3);
    EXPECT_EQ(told.automatic_leases, 1);
    EXPECT_EQ(text_of(told.blocked), "10-20*1 30-40*1 50-60*1");
    ASSERT_EQ(told.programs.size(), 1U);
    EXPECT_EQ(told.programs[0].leases, 3);
    ASSERT_EQ(told.failures.size(), BindDiagnosis::most_failures);
    EXPECT_EQ(told.failures.back().at_usec, 90);
    EXPECT_EQ(told.failures_earlier, 2);
    EXPECT_EQ(told.reserved_ports, "50001-50002");
    EXPECT_EQ(told.in_range, true);
    EXPECT_EQ(told.reserved, false);
    EXPECT_EQ(told.privileged, false);
}

} // namespace
} // namespace portd::server
