#include "store/wall_coverage.hpp"
#include "store/wall_times.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace portd::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Limits = std::numeric_limits<std::int64_t>;
using proto::ClockStep;

WallTimes walls_with(const std::vector<ClockSetting> &settings) {
    WallTimes walls;
    for (const ClockSetting &setting : settings)
        walls.add(setting);
    return walls;
}

TEST(WallTimes, WithoutASettingRowTimeIsWallTime) {
    const WallTimes walls;
    EXPECT_EQ(walls.wall_us(7), 7);
    EXPECT_THAT(walls.rows_of(3, 9), ElementsAre(Stretch{3, 9}));
    EXPECT_THAT(walls.walls_of({3, 9}), ElementsAre(Stretch{3, 9}));
    EXPECT_TRUE(walls.is_set_by({0, 0}));
}

TEST(WallTimes, ATimeThatWasShownTwiceHasTwoMoments) {
    const WallTimes walls = walls_with({{0, 0}, {100, -50}});
    EXPECT_EQ(walls.wall_us(99), 99);
    EXPECT_EQ(walls.wall_us(100), 50);
    EXPECT_THAT(walls.rows_of(60, 60), ElementsAre(Stretch{60, 60}, Stretch{110, 110}));
    EXPECT_THAT(walls.rows_of(40, 40), ElementsAre(Stretch{40, 40}));
    EXPECT_THAT(walls.rows_of(40, 120), ElementsAre(Stretch{40, 170}))
        << "from end to end, without a seam where the clock was set";
    EXPECT_THAT(walls.walls_of({90, 110}), ElementsAre(Stretch{90, 99}, Stretch{50, 60}));
    EXPECT_THAT(walls.steps({}, {}, 16), ElementsAre(ClockStep{100, 50}));
    EXPECT_THAT(walls.steps(60, 60, 16), ElementsAre(ClockStep{100, 50}));
    EXPECT_THAT(walls.steps(0, 49, 16), IsEmpty());
    EXPECT_THAT(walls.steps(101, 200, 16), IsEmpty());
}

TEST(WallTimes, ATimeThatWasSkippedHasNone) {
    const WallTimes walls = walls_with({{0, 0}, {100, 50}});
    EXPECT_THAT(walls.rows_of(120, 140), IsEmpty());
    EXPECT_THAT(walls.rows_of(90, 160), ElementsAre(Stretch{90, 110}));
    EXPECT_THAT(walls.rows_of(120, {}), ElementsAre(Stretch{100, Limits::max()}));
    EXPECT_THAT(walls.rows_of({}, 120), ElementsAre(Stretch{Limits::min(), 99}));
    EXPECT_THAT(walls.steps(120, 120, 16), ElementsAre(ClockStep{100, 150}));
}

TEST(WallTimes, SmallDifferencesAreNoSettingButDoNotAddUp) {
    const WallTimes walls = walls_with({{0, 1'000'000}});
    EXPECT_FALSE(walls.is_set_by({50, 1'000'000 + least_step_us - 1}));
    EXPECT_FALSE(walls.is_set_by({50, 1'000'000 - least_step_us + 1}));
    EXPECT_TRUE(walls.is_set_by({50, 1'000'000 + least_step_us}));
    EXPECT_TRUE(walls.is_set_by({50, 1'000'000 - least_step_us}));
}

TEST(WallTimes, OnlyTheLastStepsAreTold) {
    WallTimes walls;
    for (std::int64_t i = 0; i < 10; ++i)
        walls.add({i * 100, i * 7});
    const auto steps = walls.steps({}, {}, 3);
    ASSERT_EQ(steps.size(), 3u);
    EXPECT_EQ(steps.back(), (ClockStep{900 + 56, 900 + 63}));
}

TEST(WallTimes, TheExtremesDoNotOverflow) {
    for (const std::int64_t ahead :
         {Limits::min(), Limits::max(), std::int64_t{-1}, std::int64_t{1}}) {
        const WallTimes walls = walls_with({{Limits::min() + 1, ahead}, {Limits::max() - 1, -1}});
        for (const std::int64_t at : {Limits::min(), std::int64_t{0}, Limits::max()}) {
            walls.wall_us(at);
            walls.rows_of(at, {});
            walls.rows_of({}, at);
            walls.walls_of({at, Limits::max()});
        }
    }
    const WallTimes walls = walls_with({{0, 5}, {10, -5}});
    EXPECT_THAT(walls.rows_of({}, {}), ElementsAre(Stretch{}));
}

rc::Gen<std::vector<ClockSetting>> clock_histories() {
    return rc::gen::container<std::vector<ClockSetting>>(rc::gen::construct<ClockSetting>(
        rc::gen::inRange<std::int64_t>(0, 200), rc::gen::inRange<std::int64_t>(-100, 100)));
}

// Wall time is a function of row time, and what is asked of the one is told of the other: no moment
// is missing, none is there that was not asked for, none twice.
RC_GTEST_PROP(WallTimes, RowsAreThoseAtWhichTheClockShowedTheTime, ()) {
    const WallTimes walls = walls_with(*clock_histories());
    const auto since = *rc::gen::inRange<std::int64_t>(-150, 350);
    const auto until = since + *rc::gen::inRange<std::int64_t>(0, 60);
    const auto rows = walls.rows_of(since, until);
    for (std::int64_t row = -300; row < 500; ++row) {
        const std::int64_t wall = walls.wall_us(row);
        const auto in = std::ranges::count_if(rows, [&](Stretch one) { return one.contains(row); });
        RC_ASSERT(in == (since <= wall && wall <= until ? 1 : 0));
    }
    RC_ASSERT(std::ranges::is_sorted(rows, {}, &Stretch::since_us));
    for (std::size_t i = 1; i < rows.size(); ++i)
        RC_ASSERT(rows[i - 1].until_us + 1 < rows[i].since_us);
}

RC_GTEST_PROP(WallTimes, PiecesOfAStretchAreAsLongAsTheStretch, ()) {
    const WallTimes walls = walls_with(*clock_histories());
    const auto since = *rc::gen::inRange<std::int64_t>(-50, 250);
    const Stretch rows{since, since + *rc::gen::inRange<std::int64_t>(0, 100)};
    std::vector<std::int64_t> told;
    for (const Stretch &piece : walls.walls_of(rows))
        for (std::int64_t wall = piece.since_us; wall <= piece.until_us; ++wall)
            told.push_back(wall);
    std::vector<std::int64_t> shown;
    for (std::int64_t row = rows.since_us; row <= rows.until_us; ++row)
        shown.push_back(walls.wall_us(row));
    RC_ASSERT(told == shown);
}

TEST(AskedRows, LeaveOutTheFutureUnlessItIsAllThatIsAsked) {
    const WallTimes walls = walls_with({{0, 0}});
    const auto asked = [&](auto since, auto until) { return asked_rows(walls, since, until, 100); };
    using Us = std::optional<std::int64_t>;
    EXPECT_THAT(asked(Us{}, Us{}), ElementsAre(Stretch{Limits::min(), 100}));
    EXPECT_THAT(asked(Us{3}, Us{7}), ElementsAre(Stretch{3, 7}));
    EXPECT_THAT(asked(Us{3}, Us{200}), ElementsAre(Stretch{3, 100}));
    EXPECT_THAT(asked(Us{200}, Us{}), ElementsAre(Stretch{200, 200}));
    EXPECT_THAT(asked(Us{150}, Us{200}), ElementsAre(Stretch{150, 150}));
}

// After the clock was set back, times that it showed before are not the future.
TEST(AskedRows, ATimeAfterNowCanBeOneOfThePast) {
    const WallTimes walls = walls_with({{0, 0}, {100, -50}});
    EXPECT_THAT(asked_rows(walls, 90, 90, 110), ElementsAre(Stretch{90, 90}));
}

TEST(InWallTime, WhatTheClockWasSetInIsToldInPieces) {
    const WallTimes walls = walls_with({{0, 0}, {100, -50}});
    proto::Coverage rows;
    rows.complete = true;
    rows.intervals = {{80, 120, CaptureTier::ebpf}};
    rows.gaps = {{95, 105, "overflow", 7}, {10, 20, "overflow", 3}};
    const proto::Coverage told = in_wall_time({rows, rows}, walls);
    EXPECT_TRUE(told.complete);
    EXPECT_EQ(told.intervals.size(), 4u);
    EXPECT_EQ(told.intervals[0], (proto::CoverageInterval{80, 99, CaptureTier::ebpf}));
    EXPECT_EQ(told.intervals[1], (proto::CoverageInterval{50, 70, CaptureTier::ebpf}));
    EXPECT_THAT(told.gaps, ElementsAre(proto::Gap{95, 99, "overflow", std::nullopt},
                                       proto::Gap{50, 55, "overflow", std::nullopt},
                                       proto::Gap{10, 20, "overflow", 3}));
}

TEST(InWallTime, BoundsThatAreNotKnownRemainSo) {
    const WallTimes walls = walls_with({{0, 5}});
    proto::Coverage rows;
    rows.gaps = {{std::nullopt, 20, "notRunning", std::nullopt}};
    EXPECT_THAT(in_wall_time({rows}, walls).gaps,
                ElementsAre(proto::Gap{std::nullopt, 25, "notRunning", std::nullopt}));
}

} // namespace
} // namespace portd::store
