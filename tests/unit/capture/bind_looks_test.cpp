#include "capture/bind_looks.hpp"

#include <gtest/gtest.h>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;

constexpr model::Instant start{10s};

// That have looked at `start`.
BindLooks looks_after(const BindCounts &counts, std::uint64_t under_way = 0) {
    BindLooks looks;
    looks.have_looked(counts, counts, under_way, start);
    return looks;
}

// Of samples at whole seconds, the first that looks; 0 if none of ten does.
int second_of_look(BindLooks looks, const BindCounts &counts) {
    for (int second = 1; second <= 10; ++second)
        if (looks.wants_one(counts, start + std::chrono::seconds(second)))
            return second;
    return 0;
}

TEST(BindLooks, TheFirstIsDueWhateverTheCounts) {
    EXPECT_NE(second_of_look({}, {0, 0}), 0) << "an earlier instance may have left something";
}

TEST(BindLooks, BindsThatSucceedAreWorthNone) {
    EXPECT_EQ(second_of_look(looks_after({5, 5}), {5, 5}), 0);
    EXPECT_EQ(second_of_look(looks_after({5, 5}), {1000, 1000}), 0);
}

TEST(BindLooks, WhatIsUnderWayWhenTheCountsAreReadIsWorthNone) {
    auto looks = looks_after({5, 5});
    for (std::uint64_t second = 1; second <= 10; ++second) {
        const model::Instant now = start + std::chrono::seconds(second);
        EXPECT_FALSE(looks.wants_one({5 + second, 4 + second}, now));
        EXPECT_FALSE(looks.wants_one({5 + second, 5 + second}, now + 1ms));
    }
}

TEST(BindLooks, OneThatDoesNotSucceedIsLookedForASecondLater) {
    auto looks = looks_after({5, 5});
    EXPECT_FALSE(looks.wants_one({6, 5}, start + 20s));
    EXPECT_FALSE(looks.wants_one({6, 5}, start + 20200ms));
    EXPECT_TRUE(looks.wants_one({6, 5}, start + 21s));
    looks.have_looked({6, 5}, {6, 6}, 0, start + 21s); // told of
    EXPECT_TRUE(looks.wants_one({6, 6}, start + 22s)) << "something changed under the look";
    looks.have_looked({6, 6}, {6, 6}, 0, start + 22s);
    EXPECT_FALSE(looks.wants_one({6, 6}, start + 23s));
}

TEST(BindLooks, OneThatIsTooYoungIsLookedForAgain) {
    EXPECT_EQ(second_of_look(looks_after({6, 5}, 1), {6, 5}), 1);
}

TEST(BindLooks, WhatNoLookFindsIsNotLookedForForEver) {
    const auto looks = looks_after({6, 4});
    EXPECT_EQ(second_of_look(looks, {6, 4}), 0);
    EXPECT_EQ(second_of_look(looks, {9, 7}), 0);
    EXPECT_NE(second_of_look(looks, {10, 7}), 0) << "another one is";
    EXPECT_NE(second_of_look(looks, {9, 8}), 0) << "one was settled: another may hide in its place";
}

TEST(BindLooks, OneThatBeginsUnderALookIsLookedForByTheNext) {
    BindLooks looks;
    looks.have_looked({5, 5}, {6, 5}, 0, start);
    EXPECT_NE(second_of_look(looks, {6, 5}), 0);
    looks.have_looked({6, 5}, {7, 6}, 0, start);
    EXPECT_NE(second_of_look(looks, {7, 6}), 0) << "which ended is not known";
}

} // namespace
} // namespace portd::capture
