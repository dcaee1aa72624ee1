#include "capture/bind_looks.hpp"

#include <gtest/gtest.h>

namespace portd::capture {
namespace {

TEST(BindLooks, TheFirstIsDueWhateverTheCounts) {
    EXPECT_TRUE(BindLooks().wants_one({0, 0})) << "an earlier instance may have left something";
}

TEST(BindLooks, BindsThatSucceedAreWorthNone) {
    BindLooks looks;
    looks.have_looked({5, 5}, {5, 5}, 0);
    EXPECT_FALSE(looks.wants_one({5, 5}));
    EXPECT_FALSE(looks.wants_one({1000, 1000}));
}

TEST(BindLooks, OneThatDoesNotSucceedIsLookedForUntilItIsTold) {
    BindLooks looks;
    looks.have_looked({5, 5}, {5, 5}, 0);
    EXPECT_TRUE(looks.wants_one({6, 5}));
    looks.have_looked({6, 5}, {6, 5}, 1); // too young to say
    EXPECT_TRUE(looks.wants_one({6, 5}));
    looks.have_looked({6, 5}, {6, 6}, 0);
    EXPECT_TRUE(looks.wants_one({6, 6})) << "something changed under the look";
    looks.have_looked({6, 6}, {6, 6}, 0);
    EXPECT_FALSE(looks.wants_one({6, 6}));
}

TEST(BindLooks, WhatNoLookFindsIsNotLookedForForEver) {
    BindLooks looks;
    looks.have_looked({6, 4}, {6, 4}, 0);
    EXPECT_FALSE(looks.wants_one({6, 4}));
    EXPECT_FALSE(looks.wants_one({9, 7}));
    EXPECT_TRUE(looks.wants_one({10, 7})) << "another one is";
    EXPECT_TRUE(looks.wants_one({9, 8}))
        << "one of these was settled: another may hide in its place";
}

TEST(BindLooks, OneThatBeginsUnderALookIsLookedForByTheNext) {
    BindLooks looks;
    looks.have_looked({5, 5}, {6, 5}, 0);
    EXPECT_TRUE(looks.wants_one({6, 5}));
    looks.have_looked({6, 5}, {7, 6}, 0);
    EXPECT_TRUE(looks.wants_one({7, 6})) << "which ended is not known";
}

} // namespace
} // namespace portd::capture
