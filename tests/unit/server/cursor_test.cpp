#include "server/cursor.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace portd::server {
namespace {

Cursor some_cursor() {
    Cursor cursor;
    cursor.newest_first = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>())
        cursor.lease = *rc::gen::positive<std::int64_t>();
    if (*rc::gen::arbitrary<bool>())
        cursor.bind_failure = {*rc::gen::arbitrary<std::int64_t>(),
                               *rc::gen::arbitrary<std::int64_t>()};
    return cursor;
}

RC_GTEST_PROP(Cursor, IsReadBack, ()) {
    const Cursor cursor = some_cursor();
    RC_ASSERT(parse_cursor(to_text(cursor)) == cursor);
}

TEST(Cursor, OtherTextsAreNone) {
    for (const char *text : {"",          "1",          ":",
                             "1:n",       "1:n::::",    "1:n:5:::",
                             "2:n:5::",   "1:x:5::",    "1:n:0::",
                             "1:n:-5::",  "1:n:+5::",   "1:n:05::",
                             "1:n: 5::",  "1:n:5:6:",   "1:n:5::6",
                             "1:n:5:6:x", "1:n:5:6:7:", "1:n:9223372036854775808::",
                             "1:N:5::",   "01:n:5::",   "1:n:5::\n",
                             "x1:n:5::"})
        EXPECT_EQ(parse_cursor(text), std::nullopt) << text;
    EXPECT_EQ(parse_cursor(std::string("1:n:5::\0", 8)), std::nullopt);
    EXPECT_TRUE(parse_cursor("1:n:5::"));
}

// A text is a cursor in one way only: what cannot have been given out is refused.
RC_GTEST_PROP(Cursor, AChangedOneIsAnotherOrNone, ()) {
    std::string text = to_text(some_cursor());
    const auto place = *rc::gen::inRange<std::size_t>(0, text.size());
    text[place] = *rc::gen::arbitrary<char>();
    if (const auto cursor = parse_cursor(text))
        RC_ASSERT(to_text(*cursor) == text);
}

} // namespace
} // namespace portd::server
