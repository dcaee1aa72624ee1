#include "client/suggest.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace portd::client {
namespace {

TEST(SuggestTest, NearestWord) {
    const std::vector<std::string> verbs{"history", "who", "list", "explain", "status"};
    const struct {
        const char *typed;
        std::optional<std::string> meant;
    } cases[] = {
        {"histroy", "history"}, {"hist", "history"}, {"explian", "explain"},
        {"lst", "list"},        {"stats", "status"}, {"wh", "who"},
        {"x", std::nullopt},    {"", std::nullopt},  {"banana", std::nullopt},
    };
    for (const auto &c : cases)
        EXPECT_EQ(nearest_word(c.typed, verbs), c.meant) << c.typed;
    EXPECT_EQ(nearest_word(std::string(100'000, 'h'), verbs), std::nullopt);
}

TEST(SuggestTest, EditDistance) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("ab", "ba"), 1U);
}

RC_GTEST_PROP(SuggestTest, EditDistanceIsSymmetricAndBounded,
              (const std::string &a, const std::string &b)) {
    RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
    RC_ASSERT(edit_distance(a, b) <= std::max(a.size(), b.size()));
    RC_ASSERT((edit_distance(a, b) == 0) == (a == b));
}

} // namespace
} // namespace portd::client
