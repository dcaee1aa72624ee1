#include "client/format.hpp"

#include "unit/client/fake_daemon.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <locale.h>
#include <time.h>

#include <cstdlib>
#include <limits>

namespace portd::client {
namespace {

using test::observed;
using test::sampled;
using test::second;
using test::t0;

class FormatTest : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_NE(::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
        set_zone("UTC0");
    }
    static void set_zone(const char *zone) {
        ::setenv("TZ", zone, 1);
        ::tzset();
    }
};

TEST_F(FormatTest, Instants) {
    EXPECT_EQ(format_instant(t0, Digits::seconds), "2026-11-22 03:12:05");
    EXPECT_EQ(format_instant(t0 + 123'456, Digits::milliseconds), "2026-11-22 03:12:05.123");
    EXPECT_EQ(format_instant(t0 + 1, Digits::microseconds), "2026-11-22 03:12:05.000001");
    EXPECT_EQ(format_instant(t0 + 120'000, Digits::tenths, Dated::time_only), "03:12:05.1");
    EXPECT_EQ(format_instant(-1, Digits::microseconds), "1969-12-31 23:59:59.999999");
    EXPECT_EQ(format_instant_in_zone(t0), "2026-11-22 03:12:05 UTC");
    EXPECT_EQ(format_instant_in_zone(t0 + 120'000), "2026-11-22 03:12:05.12 UTC");
    EXPECT_EQ(format_instant_in_zone(t0 - 5 * second - 12 * 60 * second),
              "2026-11-22 03:00:00 UTC");
}

TEST_F(FormatTest, InstantsFollowTheZone) {
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    EXPECT_EQ(format_instant_in_zone(t0), "2026-11-22 04:12:05 CET");
    EXPECT_FALSE(on_same_day(t0, t0 + 20LL * 3600 * second));
}

TEST_F(FormatTest, ExtremeInstantsAreNoFault) {
    using limits = std::numeric_limits<std::int64_t>;
    EXPECT_FALSE(format_instant(limits::max(), Digits::microseconds).empty());
    EXPECT_FALSE(format_instant(limits::min(), Digits::microseconds).empty());
    EXPECT_FALSE(format_moment(sampled(limits::min(), limits::max()), Charset::utf8).empty());
    EXPECT_FALSE(format_moment(sampled(std::nullopt, limits::max()), Charset::utf8).empty());
    EXPECT_FALSE(format_moment(sampled(limits::min(), limits::min() + 9), Charset::utf8).empty());
    EXPECT_FALSE(format_duration({limits::min(), limits::min()}, {limits::max(), limits::max()},
                                 Charset::utf8)
                     .empty());
}

TEST_F(FormatTest, Spans) {
    const struct {
        std::int64_t usec;
        const char *text;
    } cases[] = {
        {0, "0us"},
        {-5, "0us"},
        {850, "850us"},
        {12'500, "12.5ms"},
        {999'999, "999.999ms"},
        {second, "1s"},
        {1'204'000, "1.204s"},
        {1'050'000, "1.05s"},
        {59'999'999, "59.999s"},
        {60 * second, "1min"},
        {123 * second, "2min3s"},
        {3 * 3600 * second + 5 * 60 * second, "3h5min"},
        {2LL * 86'400 * second + 4LL * 3600 * second, "2d4h"},
        {400LL * 86'400 * second, "400d"},
    };
    for (const auto &c : cases)
        EXPECT_EQ(format_span(c.usec), c.text);
}

TEST_F(FormatTest, MomentsShowTheirBounds) {
    const struct {
        proto::Moment moment;
        const char *utf8;
        const char *ascii;
    } cases[] = {
        {observed(t0 + 120'000), "2026-11-22 03:12:05.120", "2026-11-22 03:12:05.120"},
        {sampled(t0, t0), "2026-11-22 03:12:05.000", "2026-11-22 03:12:05.000"},
        {sampled(t0, t0 + second), "2026-11-22 03:12:05.5 ±0.5s", "2026-11-22 03:12:05.5 +-0.5s"},
        {sampled(t0, t0 + 10 * second), "2026-11-22 03:12:10 ±5s", "2026-11-22 03:12:10 +-5s"},
        {sampled(t0, t0 + 20'000), "2026-11-22 03:12:05.01 ±10ms", "2026-11-22 03:12:05.01 +-10ms"},
        {sampled(t0, t0 + 7200 * second), "2026-11-22 04:12:05 ±60min",
         "2026-11-22 04:12:05 +-60min"},
        {sampled(std::nullopt, t0), "≤2026-11-22 03:12:05.000", "<=2026-11-22 03:12:05.000"},
        {sampled(std::nullopt, t0 + 1), "≤2026-11-22 03:12:05.001", "<=2026-11-22 03:12:05.001"},
        {sampled(t0, std::nullopt), "≥2026-11-22 03:12:05.000", ">=2026-11-22 03:12:05.000"},
        {sampled(std::nullopt, std::nullopt), "unknown", "unknown"},
        {{t0, std::nullopt, std::nullopt, Provenance::inferred},
         "~2026-11-22 03:12:05.000",
         "~2026-11-22 03:12:05.000"},
    };
    for (const auto &c : cases) {
        EXPECT_EQ(format_moment(c.moment, Charset::utf8), c.utf8);
        EXPECT_EQ(format_moment(c.moment, Charset::ascii), c.ascii);
    }
    EXPECT_EQ(format_moment(observed(t0), Charset::utf8, t0 + second), "03:12:05.000");
    EXPECT_EQ(format_moment(observed(t0), Charset::utf8, t0 + 86'400 * second),
              "2026-11-22 03:12:05.000");
}

TEST_F(FormatTest, ExactBounds) {
    EXPECT_EQ(format_bounds(observed(t0)), "2026-11-22 03:12:05.000000");
    EXPECT_EQ(format_bounds(sampled(t0, t0 + 1)),
              "[2026-11-22 03:12:05.000000 .. 2026-11-22 03:12:05.000001]");
    EXPECT_EQ(format_bounds(sampled(std::nullopt, t0)), "[.. 2026-11-22 03:12:05.000000]");
    EXPECT_EQ(format_bounds(sampled(t0, std::nullopt)), "[2026-11-22 03:12:05.000000 ..]");
    EXPECT_EQ(format_bounds({}), "unknown");
}

// Reads "2026-11-22 03:12:05.5 ±0.5s" back, in microseconds.
std::pair<std::int64_t, std::int64_t> read_back(const std::string &text) {
    tm fields{};
    const char *rest = ::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &fields);
    std::int64_t shown = static_cast<std::int64_t>(::timegm(&fields)) * second;
    if (*rest == '.') {
        char *end = nullptr;
        shown += std::llround(std::strtod(rest, &end) * 1e6);
        rest = end;
    }
    char *unit = nullptr;
    const double amount = std::strtod(std::string_view(rest).data() + 3, &unit); // " +-"
    const std::string_view name = unit;
    const double scale = name == "ms"    ? 1e3
                         : name == "s"   ? 1e6
                         : name == "min" ? 60e6
                         : name == "h"   ? 3600e6
                                         : 86400e6;
    return {shown, std::llround(amount * scale)};
}

RC_GTEST_FIXTURE_PROP(FormatTest, WhatIsShownContainsTheBounds, ()) {
    const auto earliest = t0 + *rc::gen::inRange<std::int64_t>(0, 100'000 * second);
    const auto magnitude = *rc::gen::element<std::int64_t>(1'000, 1'000'000, 300'000'000,
                                                           90'000'000'000, 900'000'000'000);
    const auto latest = earliest + *rc::gen::inRange<std::int64_t>(1, magnitude);
    const auto [shown, reach] = read_back(format_moment(sampled(earliest, latest), Charset::ascii));
    RC_ASSERT(shown - reach <= earliest);
    RC_ASSERT(latest <= shown + reach);
}

TEST_F(FormatTest, Durations) {
    const auto exact = [](std::int64_t usec) { return Bounds{usec, usec}; };
    EXPECT_EQ(format_duration(exact(t0), exact(t0 + 500'000), Charset::utf8), "500ms");
    EXPECT_EQ(format_duration({t0, t0 + second}, {t0 + 3 * second, t0 + 4 * second}, Charset::utf8),
              "~3s");
    EXPECT_EQ(format_duration({t0, t0 + second}, {t0, t0 + second}, Charset::utf8), "≤1s");
    EXPECT_EQ(format_duration({std::nullopt, t0}, exact(t0 + second), Charset::ascii), ">=1s");
    EXPECT_EQ(format_duration({std::nullopt, std::nullopt}, exact(t0), Charset::utf8), "unknown");
    EXPECT_EQ(format_duration(exact(t0), {}, Charset::utf8), "unknown");
    EXPECT_EQ(format_duration(exact(t0 + second), exact(t0), Charset::utf8), "0us");
}

TEST_F(FormatTest, RoughSpans) {
    EXPECT_EQ(format_rough_span(850), "850us");
    EXPECT_EQ(format_rough_span(12'720), "12ms");
    EXPECT_EQ(format_rough_span(2'727'123), "2.7s");
    EXPECT_EQ(format_rough_span(123 * second), "2min3s");
}

TEST_F(FormatTest, Processes) {
    proto::Process process = test::process(8123, "curl");
    EXPECT_EQ(format_process(process, Charset::utf8), "curl[8123]");
    process.provenance = Provenance::inferred;
    EXPECT_EQ(format_process(process, Charset::utf8), "~curl[8123]");
    process.command = "\x1b[31m";
    EXPECT_EQ(format_process(process, Charset::utf8), R"(~\x1b[31m[8123])");
    EXPECT_EQ(format_process({}, Charset::utf8), "unknown");
    proto::Process kernel;
    kernel.provenance = Provenance::observed;
    kernel.command = "kernel";
    EXPECT_EQ(format_process(kernel, Charset::utf8), "kernel");
    kernel.command.reset();
    EXPECT_EQ(format_process(kernel, Charset::utf8), "unknown");
}

TEST_F(FormatTest, EndpointsAndBytes) {
    EXPECT_EQ(format_endpoint("192.0.2.1", 443, Charset::utf8), "192.0.2.1:443");
    EXPECT_EQ(format_endpoint("2001:db8::1", 443, Charset::utf8), "[2001:db8::1]:443");
    EXPECT_EQ(format_endpoint("\x1b", 1, Charset::utf8), R"(\x1b:1)");
    EXPECT_EQ(format_bytes(512), "512 B");
    EXPECT_EQ(format_bytes(12'900'000), "12.3 MiB");
}

} // namespace
} // namespace portd::client
