#include "server/change_position.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace portd::server {
namespace {

model::EndMark any_mark(std::int64_t at_us) {
    const auto digits = *rc::gen::container<std::string>(8, rc::gen::element('0', '9', 'a', 'f'));
    return {digits, at_us, *rc::gen::arbitrary<std::int64_t>()};
}

RC_GTEST_PROP(ChangePosition, IsReadBackFromItsCursor, ()) {
    ChangePosition position;
    const auto at_us = *rc::gen::arbitrary<std::int64_t>();
    position.window.after = any_mark(at_us);
    position.window.by = any_mark(at_us);
    if (*rc::gen::arbitrary<bool>())
        position.reached = *rc::gen::arbitrary<std::int64_t>();
    position.gap = *rc::gen::arbitrary<std::int64_t>();
    position.opened = *rc::gen::arbitrary<std::int64_t>();
    for (const CursorOf method : {CursorOf::watch, CursorOf::export_})
        RC_ASSERT(parse_cursor(to_cursor(position, method), method) == position);
}

TEST(ChangePosition, TheBeginningHasACursor) {
    const std::string cursor = to_cursor({}, CursorOf::export_);
    EXPECT_EQ(cursor, "e1--8000000000000000-0--8000000000000000-0--0-0");
    EXPECT_EQ(parse_cursor(cursor, CursorOf::export_), ChangePosition{});
    EXPECT_EQ(parse_cursor(cursor, CursorOf::watch), std::nullopt);
}

TEST(ChangePosition, WhatIsNoCursorIsRefused) {
    for (const char *text : {
             "", "e1", "e2--0-0--0-0--0-0", "e1--0-0--0-0--0", "e1--0-0--0-0--0-0-0",
             "e1--0-0--0-0--0-", "e1--0-0--0-0--0-x", "e1--0-0--0-0--0-0 ", "e1--0-0--0-0--0--1",
             "e1-xy-0-0--0-0--0-0", "e1-123456789-0-0--0-0--0-0",
             "e1--10000000000000000-0--0-0--0-0",
             "e1--1-0--0-0--0-0", // ends before it begins
         })
        EXPECT_EQ(parse_cursor(text, CursorOf::export_), std::nullopt) << text;
    EXPECT_NE(parse_cursor("e1--0-0--0-0--0-0", CursorOf::export_), std::nullopt);
}

} // namespace
} // namespace portd::server
