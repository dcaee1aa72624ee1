#include "server/interval.hpp"

#include "fake_backend.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace portd::server {
namespace {

using Time = std::optional<std::int64_t>;

constexpr std::int64_t earliest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t latest = std::numeric_limits<std::int64_t>::max();

std::variant<Interval, NoInterval> interval(Time at, Time within, Time since, Time until) {
    proto::HistoryRequest request;
    request.at_usec = at;
    request.within_usec = within;
    request.since_usec = since;
    request.until_usec = until;
    return interval_of(request);
}

TEST(IntervalOf, IsAroundAnInstantOrBetweenTwo) {
    const struct {
        Time at, within, since, until;
        Interval expected;
    } cases[] = {
        {{}, {}, {}, {}, {}},
        {{}, {}, 3, {}, {3, {}}},
        {{}, {}, {}, 7, {{}, 7}},
        {{}, {}, 3, 7, {3, 7}},
        {{}, {}, 3, 3, {3, 3}},
        {5, {}, {}, {}, {5, 5}},
        {5, 2, {}, {}, {3, 7}},
        {5, 0, {}, {}, {5, 5}},
        {latest - 1, 2, {}, {}, {latest - 3, latest}},
        {earliest + 1, 2, {}, {}, {earliest, earliest + 3}},
        {0, latest, {}, {}, {-latest, latest}},
        {latest, latest, {}, {}, {0, latest}},
        {earliest, latest, {}, {}, {earliest, -1}},
    };
    for (const auto &test : cases) {
        const auto result = interval(test.at, test.within, test.since, test.until);
        ASSERT_TRUE(std::holds_alternative<Interval>(result));
        EXPECT_EQ(std::get<Interval>(result), test.expected);
    }
}

TEST(IntervalOf, RefusesWhatCannotBe) {
    const auto reason = [](Time at, Time within, Time since, Time until) {
        return std::get<NoInterval>(interval(at, within, since, until)).reason;
    };
    EXPECT_EQ(reason({}, {}, 7, 3), "sinceUsec is after untilUsec");
    EXPECT_EQ(reason(5, {}, 3, {}), "atUsec excludes sinceUsec and untilUsec");
    EXPECT_EQ(reason(5, 1, {}, 7), "atUsec excludes sinceUsec and untilUsec");
    EXPECT_EQ(reason({}, 1, 3, 7), "withinUsec needs atUsec");
}

} // namespace
} // namespace portd::server
