#include "store/coverage.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <string>

namespace portd::store::test {
namespace {

using proto::CoverageInterval;
using proto::Gap;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto sock_diag = CaptureTier::sock_diag;
constexpr auto ebpf = CaptureTier::ebpf;
constexpr auto procfs = CaptureTier::procfs;
const std::string overflow = "overflow";
const std::string not_watching{not_running};

CoverageRecords records(std::vector<CoverageInterval> intervals, std::vector<Gap> gaps = {}) {
    CoverageRecords made{std::move(intervals), std::move(gaps), {}, {}, {}, {}};
    for (const CoverageInterval &one : made.intervals) {
        made.first_us = std::min(made.first_us.value_or(one.since_usec), one.since_usec);
        made.last_us = std::max(made.last_us.value_or(one.until_usec), one.until_usec);
    }
    return made;
}

TEST(Coverage, WatchedThroughoutIsComplete) {
    const auto answer = assemble_coverage(records({{0, 100, sock_diag}}), 10, 20);
    EXPECT_TRUE(answer.complete);
    EXPECT_THAT(answer.intervals, ElementsAre(CoverageInterval{10, 20, sock_diag}));
    EXPECT_THAT(answer.gaps, IsEmpty());
}

TEST(Coverage, IntervalsThatMeetLeaveNoGap) {
    const auto answer = assemble_coverage(
        records({{10, 20, sock_diag}, {0, 10, ebpf}, {20, 30, sock_diag}}), 0, 30);
    EXPECT_TRUE(answer.complete);
    EXPECT_THAT(answer.intervals,
                ElementsAre(CoverageInterval{0, 10, ebpf}, CoverageInterval{10, 30, sock_diag}));
}

TEST(Coverage, WhatNobodyWroteDownIsNotRunning) {
    const auto answer =
        assemble_coverage(records({{10, 20, sock_diag}, {30, 40, sock_diag}}), 5, 50);
    EXPECT_FALSE(answer.complete);
    EXPECT_THAT(answer.gaps, ElementsAre(Gap{std::nullopt, 10, not_watching, std::nullopt},
                                         Gap{20, 30, not_watching, std::nullopt},
                                         Gap{40, 50, not_watching, std::nullopt}));
}

TEST(Coverage, FromTheFirstRecordWhereNoStartIsAsked) {
    const auto answer = assemble_coverage(records({{10, 20, sock_diag}}), std::nullopt, 20);
    EXPECT_TRUE(answer.complete);
    EXPECT_THAT(answer.intervals, ElementsAre(CoverageInterval{10, 20, sock_diag}));
}

TEST(Coverage, EntirelyBeforeTheFirstRecord) {
    CoverageRecords none_touch;
    none_touch.first_us = 100;
    none_touch.last_us = 200;
    const auto answer = assemble_coverage(none_touch, 10, 20);
    EXPECT_THAT(answer.gaps, ElementsAre(Gap{std::nullopt, 20, not_watching, std::nullopt}));
}

TEST(Coverage, GapsOnRecordAreGivenWholeAndExplainWhatTheyCover) {
    const auto answer =
        assemble_coverage(records({{0, 20, sock_diag}, {40, 60, sock_diag}},
                                  {{20, 35, "scanFailed", std::nullopt}, {50, 70, overflow, 12}}),
                          10, 60);
    EXPECT_THAT(answer.gaps,
                ElementsAre(Gap{20, 35, "scanFailed", std::nullopt},
                            Gap{35, 40, not_watching, std::nullopt}, Gap{50, 70, overflow, 12}));
    EXPECT_FALSE(answer.complete);
}

TEST(Coverage, GapsOfOneCauseThatMeetAreOne) {
    const auto joined = [](std::optional<std::int64_t> first, std::optional<std::int64_t> second) {
        return assemble_coverage(records({{0, 100, sock_diag}},
                                         {{10, 20, overflow, first}, {20, 30, overflow, second}}),
                                 0, 100)
            .gaps;
    };
    EXPECT_THAT(joined(3, 4), ElementsAre(Gap{10, 30, overflow, 7}));
    EXPECT_THAT(joined(3, std::nullopt), ElementsAre(Gap{10, 30, overflow, std::nullopt}));
}

TEST(Coverage, WhatNobodyWroteDownJoinsWhatSomebodyDid) {
    const auto answer = assemble_coverage(
        records({{0, 20, sock_diag}, {40, 60, sock_diag}}, {{20, 30, not_watching, std::nullopt}}),
        0, 60);
    EXPECT_THAT(answer.gaps, ElementsAre(Gap{20, 40, not_watching, std::nullopt}));
}

TEST(Coverage, AnEndInCommonIsNoOverlap) {
    const auto watched =
        records({{10, 20, sock_diag}}, {{0, 10, overflow, 1}, {20, 30, overflow, 1}});
    EXPECT_TRUE(assemble_coverage(watched, 10, 20).complete);
}

TEST(Coverage, SamplingAloneIsNeverComplete) {
    EXPECT_FALSE(assemble_coverage(records({{0, 100, procfs}}, {}), 10, 20).complete);
    const auto both = records({{0, 50, procfs}, {50, 100, sock_diag}}, {});
    EXPECT_FALSE(assemble_coverage(both, 40, 60).complete);
    EXPECT_TRUE(assemble_coverage(both, 60, 70).complete);
}

TEST(Coverage, OfAnInstant) {
    const auto watched = records({{10, 20, sock_diag}, {30, 40, ebpf}}, {{12, 14, overflow, 1}});
    struct Case {
        std::int64_t at;
        bool complete;
    };
    for (const Case one : {Case{9, false}, Case{10, true}, Case{12, false}, Case{13, false},
                           Case{15, true}, Case{20, true}, Case{21, false}, Case{40, true}})
        EXPECT_EQ(assemble_coverage(watched, one.at, one.at).complete, one.complete) << one.at;
    EXPECT_THAT(assemble_coverage(watched, 35, 35).intervals,
                ElementsAre(CoverageInterval{35, 35, ebpf}));
}

TEST(Coverage, AnUnboundedGapReachesAnyInterval) {
    const auto watched =
        records({{10, 20, sock_diag}}, {{std::nullopt, 5, overflow, std::nullopt},
                                        {15, std::nullopt, "scanFailed", std::nullopt}});
    EXPECT_EQ(assemble_coverage(watched, 1000, 2000).gaps.size(), 1u);
    EXPECT_EQ(assemble_coverage(watched, -1000, 12).gaps.size(), 2u);
}

TEST(Coverage, TheLagOfThePresentIsNoGap) {
    CoverageRecords watched = records({{0, 100, sock_diag}});
    watched.present = Present{0, 10, {}, {}, {}};
    const auto now = assemble_coverage(watched, 108, 108);
    EXPECT_TRUE(now.complete);
    EXPECT_THAT(now.intervals, ElementsAre(CoverageInterval{100, 100, sock_diag}));
    EXPECT_TRUE(assemble_coverage(watched, 50, 110).complete);
    EXPECT_FALSE(assemble_coverage(watched, 50, 111).complete) << "longer than the lag";

    watched.present = Present{101, 10, {}, {}, {}};
    EXPECT_FALSE(assemble_coverage(watched, 50, 105).complete) << "watched by an earlier run";
}

// The model: every unit of time by itself.
constexpr int horizon = 40;

struct Line {
    std::array<bool, horizon> covered{};
    std::array<bool, horizon> explained{}; // by a gap on record
};

template <typename Span>
std::pair<int, int> ends(const Span &span) {
    const auto clamp = [](std::int64_t at) {
        return static_cast<int>(std::clamp<std::int64_t>(at, 0, horizon));
    };
    if constexpr (std::is_same_v<Span, Gap>)
        return {clamp(span.since_usec.value_or(0)), clamp(span.until_usec.value_or(horizon))};
    else
        return {clamp(span.since_usec), clamp(span.until_usec)};
}

template <typename Span>
void mark(std::array<bool, horizon> &line, const Span &span) {
    const auto [since, until] = ends(span);
    std::fill(line.begin() + since, line.begin() + until, true);
}

std::pair<int, int> some_ends() {
    const int a = *rc::gen::inRange(0, horizon + 1);
    const int b = *rc::gen::inRange(0, horizon + 1);
    return std::minmax(a, b);
}

RC_GTEST_PROP(Coverage, AgreesWithALookAtEveryMoment, ()) {
    std::vector<CoverageInterval> intervals;
    for (int i = *rc::gen::inRange(0, 6); i > 0; --i) {
        const auto [since, until] = some_ends();
        intervals.push_back({since, until, *rc::gen::element(ebpf, sock_diag)});
    }
    std::vector<Gap> gaps;
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
        const auto [since, until] = some_ends();
        Gap gap{since, until, *rc::gen::element(overflow, not_watching), std::nullopt};
        if (*rc::gen::inRange(0, 6) == 0)
            gap.since_usec.reset();
        if (*rc::gen::inRange(0, 6) == 0)
            gap.until_usec.reset();
        gaps.push_back(gap);
    }
    const auto [since, until] = some_ends();
    RC_PRE(since < until); // instants have a table of their own

    Line line;
    for (const CoverageInterval &one : intervals)
        mark(line.covered, one);
    for (const Gap &gap : gaps)
        mark(line.explained, gap);

    const proto::Coverage answer = assemble_coverage(records(intervals, gaps), since, until);

    Line said;
    for (const CoverageInterval &one : answer.intervals) {
        RC_ASSERT(since <= one.since_usec && one.until_usec <= until);
        mark(said.covered, one);
    }
    for (const Gap &gap : answer.gaps)
        mark(said.explained, gap);
    bool complete = true;
    for (std::size_t t = static_cast<std::size_t>(since); t < static_cast<std::size_t>(until);
         ++t) {
        RC_ASSERT(said.covered[t] == line.covered[t]);
        // In a gap: what was written down, and what was not watched.
        const bool in_gap = line.explained[t] || !line.covered[t];
        RC_ASSERT(said.explained[t] == in_gap);
        complete = complete && !in_gap;
    }
    // A gap of no length, within what was asked, hides a loss all the same.
    const bool lost_in_no_time = std::ranges::any_of(gaps, [&](const Gap &gap) {
        return gap.since_usec && gap.since_usec == gap.until_usec && since <= *gap.since_usec &&
               *gap.since_usec <= until;
    });
    RC_ASSERT(answer.complete == (complete && !lost_in_no_time));
    RC_ASSERT(std::ranges::is_sorted(answer.intervals, {}, &CoverageInterval::since_usec));
}

TEST(StoredCoverage, GrowsAndIsReadBack) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const std::int64_t base = first_boot.wall_offset_us;
    watch(writer, 0, 10);
    watch(writer, 0, 50);
    watch(writer, 0, 40); // never shrinks
    watch(writer, 60, 90, ebpf);
    Reader reader(directory.path());
    const auto answer = reader.coverage(std::nullopt, base + 80);
    EXPECT_THAT(answer.intervals, ElementsAre(CoverageInterval{base, base + 50, sock_diag},
                                              CoverageInterval{base + 60, base + 80, ebpf}));
    EXPECT_THAT(answer.gaps, ElementsAre(Gap{base + 50, base + 60, not_watching, std::nullopt}));
    EXPECT_FALSE(answer.complete);
    EXPECT_TRUE(reader.coverage(base + 10, base + 50).complete);
}

TEST(StoredCoverage, NowIsTheEndOfTheRecordOfARunningDaemon) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const std::int64_t base = first_boot.wall_offset_us;
    watch(writer, 0, 100);
    Reader reader(directory.path(), [base] { return Present{base, 10, {}, {}, {}}; });
    EXPECT_TRUE(reader.coverage(base + 105, base + 105).complete);
    EXPECT_FALSE(reader.coverage(base + 115, base + 115).complete);
}

TEST(StoredCoverage, GapsGrowAndTheNewestComesFirst) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    watch(writer, 0, 100);
    const std::int64_t base = first_boot.wall_offset_us;
    const auto put = [&](const Gap &gap) { writer.commit({{}, {}, {&gap, 1}}); };
    put({base + 10, base + 20, overflow, 5});
    put({base + 40, base + 50, "scanFailed", std::nullopt});
    put({base + 10, base + 25, overflow, 9});
    Reader reader(directory.path());
    EXPECT_THAT(reader.newest_gaps(16),
                ElementsAre(Gap{base + 40, base + 50, "scanFailed", std::nullopt},
                            Gap{base + 10, base + 25, overflow, 9}));
    EXPECT_EQ(reader.newest_gaps(1).size(), 1u);
    EXPECT_THAT(reader.coverage(base, base + 30).gaps,
                ElementsAre(Gap{base + 10, base + 25, overflow, 9}));
}

} // namespace
} // namespace portd::store::test
