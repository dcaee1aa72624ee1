#include "server/durations.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace portd::server {
namespace {

TEST(Durations, NoneHaveNoLength) {
    const Durations none;
    EXPECT_EQ(none.count(), 0);
    EXPECT_EQ(none.quantile(500), 0);
    EXPECT_EQ(none.longest(), 0);
}

TEST(Durations, ShortOnesAreExact) {
    Durations durations;
    for (std::int64_t usec = 1; usec <= 30; ++usec)
        durations.add(usec);
    EXPECT_EQ(durations.quantile(500), 15);
    EXPECT_EQ(durations.quantile(990), 30);
    EXPECT_EQ(durations.quantile(0), 1);
    EXPECT_EQ(durations.quantile(1000), 30);
}

RC_GTEST_PROP(Durations, QuantilesAreNearTheTrueOnes, ()) {
    const auto lengths =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<std::int64_t>>(rc::gen::map(
            rc::gen::pair(rc::gen::inRange<std::int64_t>(0, 1'000'000), rc::gen::inRange(0, 40)),
            [](const auto &pair) { return pair.first << pair.second; })));
    // In two parts, which are then joined.
    const std::size_t cut = *rc::gen::inRange<std::size_t>(0, lengths.size() + 1);
    Durations durations;
    Durations rest;
    for (std::size_t i = 0; i < lengths.size(); ++i)
        (i < cut ? durations : rest).add(lengths[i]);
    durations.add(rest);

    auto sorted = lengths;
    std::ranges::sort(sorted);
    RC_ASSERT(durations.count() == static_cast<std::int64_t>(lengths.size()));
    RC_ASSERT(durations.longest() == sorted.back());
    for (const std::int64_t permille : {0, 500, 900, 990, 1000}) {
        const std::size_t rank = std::max<std::size_t>(
            (lengths.size() * static_cast<std::size_t>(permille) + 999) / 1000, 1);
        const auto exact = static_cast<double>(sorted[rank - 1]);
        const auto told = static_cast<double>(durations.quantile(permille));
        RC_ASSERT(told >= exact * 0.96 - 1 && told <= exact * 1.04 + 1);
    }
}

} // namespace
} // namespace portd::server
