#include "client/systemd_time.hpp"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace portd::client {
namespace {

using namespace std::string_literals;

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t minute_us = 60 * second_us;
constexpr std::int64_t hour_us = 60 * minute_us;
constexpr std::int64_t day_us = 24 * hour_us;

// Sun 2026-11-22 03:12:05.250 UTC
constexpr std::int64_t now_us = 1'795'317'125'250'000;
constexpr std::int64_t today_us = 1'795'305'600'000'000;

class LocalZone {
  public:
    explicit LocalZone(const std::string &tz) {
        if (const char *before = std::getenv("TZ"))
            before_ = before;
        ::setenv("TZ", tz.c_str(), 1);
        ::tzset();
    }
    ~LocalZone() {
        if (before_)
            ::setenv("TZ", before_->c_str(), 1);
        else
            ::unsetenv("TZ");
        ::tzset();
    }

  private:
    std::optional<std::string> before_;
};

std::optional<std::int64_t> value(const std::variant<std::int64_t, TimeSyntaxError> &parsed) {
    const auto *found = std::get_if<std::int64_t>(&parsed);
    return found ? std::optional(*found) : std::nullopt;
}

std::string message(const std::variant<std::int64_t, TimeSyntaxError> &parsed) {
    const auto *error = std::get_if<TimeSyntaxError>(&parsed);
    return error ? error->message : "(accepted)";
}

std::string shown(const std::optional<std::int64_t> &us) {
    return us ? std::to_string(*us) : "rejected";
}

// The texts between the bars.
std::vector<std::string> separated(const std::string &texts) {
    std::vector<std::string> out(1);
    for (const char c : texts)
        if (c == '|')
            out.emplace_back();
        else
            out.back() += c;
    return out;
}

struct Fact {
    std::string text;
    std::int64_t us;
};

const std::vector<std::string> zones{"UTC",
                                     "Europe/Berlin",
                                     "America/New_York",
                                     "Australia/Lord_Howe",
                                     "Europe/Dublin",
                                     "Africa/Casablanca",
                                     "America/St_Johns",
                                     "Pacific/Apia",
                                     "Asia/Kolkata",
                                     "CET-1CEST,M3.5.0,M10.5.0/3"};

// ---- Facts

TEST(SystemdTimestamp, IsEveryDocumentedShape) {
    const LocalZone zone("UTC");
    const std::vector<Fact> facts{
        {"2026-11-22 03:12:05", 1'795'317'125 * second_us},
        {"2026-11-22 03:12:05.25", now_us},
        {"2026-11-22 03:12", 1'795'317'120 * second_us},
        {"2026-11-22", today_us},
        {"26-11-22", today_us},
        {"sun 2026-11-22", today_us},
        {"Sunday 26-11-22 00:00", today_us},
        {"03:12:05.25", now_us},
        {"3:12", 1'795'317'120 * second_us},
        {"Sun 03:12", 1'795'317'120 * second_us},
        {"now", now_us},
        {"today", today_us},
        {"yesterday", today_us - day_us},
        {"tomorrow", today_us + day_us},
        {"+3h30min", now_us + 3 * hour_us + 30 * minute_us},
        {"-5s", now_us - 5 * second_us},
        {"-5min", now_us - 5 * minute_us},
        {"11min ago", now_us - 11 * minute_us},
        {"3h left", now_us + 3 * hour_us},
        {"@1795317125.25", now_us},
        {"@0", 0},
        {"1970-01-01", 0},
        {"9999-12-30 23:59:59", latest_timestamp_us},
        {"2026-11-21 23:59:60", today_us},
        {"2026-11-21 23:59:59.9999999", today_us},
        {"2026-11-22 00:00 UTC", today_us},
        {"2026-11-22 01:00 Europe/Berlin", today_us},
        {"tomorrow Pacific/Auckland", today_us + 11 * hour_us},
        {"2026-07-01 12:00 CET", 1'782'903'600 * second_us},
    };
    for (const auto &[text, us] : facts)
        EXPECT_EQ(shown(value(parse_timestamp(text, now_us))), std::to_string(us))
            << text << ": " << message(parse_timestamp(text, now_us));
}

TEST(SystemdTimestamp, TakesTheOffsetsOfLogs) {
    const LocalZone zone("America/New_York");
    for (const auto *text :
         {"2026-11-22T03:12:05.25Z", "2026-11-22t03:12:05.25z", "2026-11-22 03:12:05.25 Z",
          "2026-11-22T05:12:05.25+02:00", "2026-11-22T05:12:05.25+0200",
          "2026-11-22 05:12:05.25+02", "2026-11-22 05:12:05.25 +02:00",
          "2026-11-21T22:12:05.25-05:00", "2026-11-21T22:12:05.25", "2026-11-22T08:57:05.25+05:45",
          "Sun 2026-11-22T03:12:05.25-00:00", "03:12:05.25Z", "  2026-11-22T03:12:05.25Z\n",
          "2026-11-21T15:12:05.25-12:00"})
        EXPECT_EQ(shown(value(parse_timestamp(text, now_us))), std::to_string(now_us)) << text;
    EXPECT_EQ(value(parse_timestamp("2026-11-22 +02:00", now_us)), today_us - 2 * hour_us);
    EXPECT_EQ(value(parse_timestamp("today +02:00", now_us)), today_us - 2 * hour_us);
}

TEST(SystemdTimestamp, PutsSkippedAndRepeatedLocalTimesWhereSystemdDoes) {
    const LocalZone berlin("Europe/Berlin");
    const std::vector<Fact> facts{
        {"2026-03-29 02:30", 1'774'747'800 * second_us},
        {"2026-10-25 02:30", 1'792'891'800 * second_us},
        {"2026-10-25 02:30 CET", 1'792'891'800 * second_us},
        {"2026-10-25 02:30 CEST", 1'792'888'200 * second_us},
        {"2026-03-08 02:30 America/New_York", 1'772'955'000 * second_us},
        {"2026-11-01 01:30 America/New_York", 1'793'511'000 * second_us},
        {"2011-12-30 12:00 Pacific/Apia", 1'325'196'000 * second_us},
    };
    for (int round = 0; round < 2; ++round)
        for (const auto &[text, us] : facts)
            EXPECT_EQ(shown(value(parse_timestamp(text, now_us))), std::to_string(us)) << text;
}

TEST(SystemdTimestamp, SaysWhatIsWrong) {
    const LocalZone zone("UTC");
    const std::vector<std::array<std::string, 2>> cases{
        {"", "it is empty"},
        {" \t", "it is empty"},
        {"soon", "none of the known shapes"},
        {"next week", "none of the known shapes"},
        {"TODAY", "none of the known shapes"},
        {"ago", "none of the known shapes"},
        {"5min", "a span is not a time; put '-' before it or ' ago' after it"},
        {"Mon 2026-11-22", "that day is a Sunday, not a Monday"},
        {"2026-13-01", "the month is '13', not 1 to 12"},
        {"2026-00-01", "the month is '00'"},
        {"2026-01-32", "the day is '32', not 1 to 31"},
        {"2026-01", "a year, a month and a day"},
        {"2026-", "the month (1 to 12) is missing"},
        {"10000-01-01", "two or four digits"},
        {"24:00", "the hour is '24', not 0 to 23"},
        {"23:60", "the minute is '60'"},
        {"23:59:62", "the second is '62', not 0 to 61"},
        {"03:12:05.", "digits are missing"},
        {"2026-11-22 03", "an hour and a minute"},
        {"2026-11-22T", "the hour (0 to 23) is missing"},
        {"2026-11-22 03:12x", "'x' is neither Z nor an offset"},
        {"2026-01-0203:04", "the day is '0203'"},
        {"2026-11-22 03:12 Mars/Olympus", "'Mars/Olympus' is neither UTC"},
        {"2026-11-22 03:12 ../../etc/passwd", "does not look like +02:00"},
        {"2026-11-22 03:12 zone.tab", "'zone.tab' is neither UTC"},
        {"2026-11-22 03:12 Europe", "'Europe' is neither UTC"},
        {"2026-11-22 03:12 Europe/Berlin\0x"s, "'Europe/Berlin?x' is neither UTC"},
        {"2026-11-22T03:12Z Europe/Berlin", "two zones"},
        {"2026-11-22T03:12+14:01", "not within -14:00 to +14:00"},
        {"2026-11-22T03:12+02:60", "not within"},
        {"2026-11-22T03:12+2", "does not look like +02:00"},
        {"2026-11-22T03:12+02:", "does not look like +02:00"},
        {"2026-11-22T03:12Zulu", "'Zulu' is neither Z nor an offset"},
        {"1969-12-31 23:59:59", "it is before 1970"},
        {"69-01-01", "it is before 1970"},
        {"1970-01-01T00:00+00:01", "it is before 1970"},
        {"-100y", "it is before 1970"},
        {"-292000y", "it is before 1970"},
        {"9999-12-31", "it is after 9999-12-30"},
        {"@253402214399.1", "it is after 9999-12-30"},
        {"+292000y", "it is after 9999-12-30"},
        {"@-1", "cannot be negative"},
        {"+", "a number and a unit of time are missing"},
        {"-infinity", "the span must have an end"},
        {"now ago", "'now' is neither a number nor a unit"},
        {"\x1b[31m2026", "cannot read '?[31m2026' as a time"},
    };
    for (const auto &[text, expected] : cases) {
        const auto said = message(parse_timestamp(text, now_us));
        EXPECT_NE(said.find(expected), std::string::npos) << text << ": " << said;
        EXPECT_NE(said.find("; expected for example '2026-11-22 03:12:05'"), std::string::npos);
    }
}

TEST(SystemdTimestamp, RejectsAClockOutOfRange) {
    for (const auto clock : {INT64_MIN, INT64_MAX, std::int64_t{-1}, latest_timestamp_us + 1})
        for (const auto *text : {"now", "today", "+1s", "-1s", "1y ago", "03:12 Europe/Berlin"})
            EXPECT_NE(message(parse_timestamp(text, clock)).find("the clock is not within 1970"),
                      std::string::npos);
    for (const auto clock : {std::int64_t{0}, latest_timestamp_us})
        EXPECT_EQ(value(parse_timestamp("now", clock)), clock);
}

TEST(SystemdTimestamp, LeavesTheLocalZoneAlone) {
    const LocalZone zone("Asia/Kolkata");
    EXPECT_TRUE(value(parse_timestamp("2026-11-22 Europe/Berlin", now_us)));
    EXPECT_STREQ(std::getenv("TZ"), "Asia/Kolkata");
    EXPECT_EQ(value(parse_timestamp("2026-11-22", now_us)), today_us - 330 * minute_us);
}

TEST(SystemdTimeSpan, SaysWhatIsWrong) {
    const std::vector<std::array<std::string, 2>> cases{
        {"", "a number and a unit of time are missing"},
        {"infinity", "the span must have an end"},
        {"-5min", "cannot be negative"},
        {"5 parsecs", "'parsecs' is neither a number nor a unit"},
        {"1H", "'H' is neither"},
        {"1.s", "digits are missing after the '.'"},
        {"1.5.2h", "digits are missing"},
        {"300000y", "longer than 292000 years"},
        {"99999999999999999999", "longer than 292000 years"},
        {"9223372036854775807us 1us", "longer than 292000 years"},
        {"1\0s"s, "'?s' is neither"},
    };
    for (const auto &[text, expected] : cases) {
        const auto said = message(parse_time_span(text));
        EXPECT_NE(said.find(expected), std::string::npos) << text << ": " << said;
    }
    EXPECT_EQ(value(parse_time_span("9223372036854775807us")), INT64_MAX);
}

// ---- Side by side with the installed systemd

std::optional<std::string> output_of(const std::vector<std::string> &command) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0)
        return std::nullopt;
    const pid_t child = ::fork();
    if (child == 0) {
        std::vector<char *> argv;
        for (const auto &word : command)
            argv.push_back(const_cast<char *>(word.c_str()));
        argv.push_back(nullptr);
        ::dup2(ends[1], STDOUT_FILENO);
        if (!std::freopen("/dev/null", "w", stderr))
            ::_exit(127);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    std::string out;
    std::array<char, 4096> chunk{};
    for (ssize_t got = 0; (got = ::read(ends[0], chunk.data(), chunk.size())) > 0;)
        out.append(chunk.data(), static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) < 0)
        return std::nullopt;
    return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? std::nullopt : std::optional(out);
}

std::optional<std::int64_t> systemd_timestamp(const std::string &text) {
    const auto out = output_of({"systemd-analyze", "timestamp", "--", text}).value_or("");
    const auto at = out.find("UNIX seconds: @");
    if (at == std::string::npos)
        return std::nullopt;
    long long seconds = 0;
    char fraction[7] = "";
    std::sscanf(out.c_str() + at, "UNIX seconds: @%lld.%6[0-9]", &seconds, fraction);
    return seconds * second_us + std::atoll(fraction);
}

std::optional<std::int64_t> systemd_time_span(const std::string &text) {
    const auto out = output_of({"systemd-analyze", "timespan", "--", text}).value_or("");
    const auto at = out.find("s: ");
    const auto us = at == std::string::npos ? 0 : std::strtoull(out.c_str() + at + 3, nullptr, 10);
    if (at == std::string::npos || us > INT64_MAX)
        return std::nullopt;
    return static_cast<std::int64_t>(us);
}

bool systemd_analyze_is_installed() {
    return output_of({"systemd-analyze", "--version"}).has_value();
}

std::int64_t clock_us() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// Zone names and RFC 3339 are absent: see TakesIanaNamesAsSystemdTakesThatLocalZone.
const std::string dates_and_times =
    "2026-11-22 03:12:05|2026-11-22 03:12:05.123456|2026-11-22 03:12:05.1234567|"
    "2026-11-22 03:12:05.9999995|2026-11-22 03:12:05.|2026-11-22 03:12|2026-11-22 03|2026-11-22|"
    "26-11-22|26-1-2 3:4:5|68-01-01|69-01-01|70-06-01|99-12-31|2026-02-28|"
    "2024-02-29|2026-12-31 23:59:60|2026-12-31 23:59:61|"
    "2026-12-31 23:59:62|2026-12-31 24:00|Sun 2026-11-22|"
    "sunday 2026-11-22 3:1:5|SATURDAY 2026-11-22|Sund 2026-11-22|Sun, 2026-11-22|Sun|"
    "2026-11-22  03:12|2026-11-22 03:12 UTC|2026-07-22 03:12:05.5 utc|2026-11-22 UTC|"
    "2026-11-22UTC|2026-00-01|2026-13-01|2026-01-00|2026-01-32|2026-01|2026|1970-01-01|"
    "1970-01-02|1969-12-31|1970-01-01 UTC|1900-01-01|0001-01-01|0000-01-01|1972-01-07 00:00|"
    "2038-01-19 03:14:08|2500-07-01 12:00|9999-12-30|9999-12-31 12:00:00|10000-01-01|"
    "2026-03-29 02:30|2026-10-25 02:30|2026-03-29 01:30|2026-10-25 01:30|2026-03-08 02:30|"
    "2026-11-01 01:30|2026-04-05 01:45|2026-10-04 02:15|2026-02-15 02:30|2026-03-22 02:30|"
    "2011-04-02 03:30|2011-09-24 03:30|2011-12-30 12:00|2011-12-31|1988-04-03 02:30|"
    "2026-10-25 02:30 CEST|2026-01-25 02:30 CEST|2026-03-29 02:30 CEST|2026-11-01 01:30 EDT|"
    "2026-01-01 12:00 edt|@0|@1.5|@1795317125|@5min|@-1|@|@1 2|@253402214399|@99999999999999999|"
    "| |garbage|TODAY|12:60|1:2:3:4|2026-11-22-1|2026/11/22|+|-|ago| ago|left|now ago|nowUTC|"
    "2026-11-22 03:12:05 Mars/Olympus|now UTC|5min|+5 UTC|+-5s";

void expect_as_systemd(const std::string &zone, const std::string &text) {
    const auto before = value(parse_timestamp(text, clock_us()));
    const auto systemd = systemd_timestamp(text);
    const auto after = value(parse_timestamp(text, clock_us())); // midnight may lie between
    EXPECT_TRUE(systemd == before || systemd == after)
        << "TZ=" << zone << " '" << text << "': systemd " << shown(systemd) << ", portd "
        << shown(after) << " " << message(parse_timestamp(text, clock_us()));
}

TEST(SystemdTimestamp, RefusesDaysThatAMonthDoesNotHave) {
    for (const auto *text : {"2026-02-29", "2026-02-30", "2026-02-31 12:00", "Mon 2026-02-30",
                             "2026-11-31T00:00:00Z", "2026-04-31 UTC", "2100-02-29"})
        EXPECT_NE(message(parse_timestamp(text, now_us)).find("that month has no day"),
                  std::string::npos)
            << text;
    EXPECT_TRUE(value(parse_timestamp("2024-02-29", now_us)));
}

TEST(SystemdTimestamp, AgreesWithSystemdAnalyze) {
    if (!systemd_analyze_is_installed())
        GTEST_SKIP() << "systemd-analyze is not installed";
    for (const auto &name : zones) {
        const LocalZone zone(name);
        for (const auto &text : separated(dates_and_times))
            expect_as_systemd(name, text);
        for (const auto *text : {"today", "yesterday", "tomorrow", "today UTC", "tomorrow UTC",
                                 "03:12", "03:12:05.5", "3:1:60", "23:59 UTC"})
            expect_as_systemd(name, text);
    }
}

TEST(SystemdTimestamp, AgreesWithSystemdAnalyzeOnRelativeTimes) {
    if (!systemd_analyze_is_installed())
        GTEST_SKIP() << "systemd-analyze is not installed";
    for (const auto *text : {"now", "+5", "+3h30min", "-5s", "-5min", "- 5min", "11min ago",
                             "2h  ago", "1M 1w 2d ago", "1.5h left", "++5s", "-1y"}) {
        const auto systemd = systemd_timestamp(text);
        const auto ours = value(parse_timestamp(text, clock_us()));
        ASSERT_TRUE(systemd && ours) << text;
        EXPECT_NEAR(static_cast<double>(*systemd), static_cast<double>(*ours), 2e6) << text;
    }
}

TEST(SystemdTimestamp, TakesIanaNamesAsSystemdTakesThatLocalZone) {
    if (!systemd_analyze_is_installed())
        GTEST_SKIP() << "systemd-analyze is not installed";
    for (const auto *name : {"Europe/Berlin", "America/New_York", "Pacific/Apia", "Etc/GMT+5"}) {
        for (const auto *text : {"2026-11-22 03:12:05.5", "2026-03-29 02:30", "2026-11-01 01:30",
                                 "2011-12-30 12:00", "Sun 2026-11-22 03:12"}) {
            const LocalZone zone(name);
            const auto systemd = systemd_timestamp(text);
            ASSERT_TRUE(systemd) << name << " " << text;
            const LocalZone elsewhere("Asia/Kolkata");
            EXPECT_EQ(value(parse_timestamp(text + " "s + name, now_us)), systemd)
                << text << " " << name;
        }
    }
}

TEST(SystemdTimeSpan, AgreesWithSystemdAnalyze) {
    if (!systemd_analyze_is_installed())
        GTEST_SKIP() << "systemd-analyze is not installed";
    auto spans = separated(
        "2s|500ms|1h 30min|1h30min|1.5h|1|0|0.5|.5s|1 2|2s3|2 s|12.34 .56|12.34.56|12.34s.56|"
        "1. 5s|1.s|.s|.|1.-5s|-5min|-0|+5s|+ 5s|+.5s|+-5s|1s+2s|1 .5s|1,5h|1e3|0x10|010s|1nsec|"
        "1H|1D|1mo|1monthss|1 hour 2|5 seconds 3 minutes|55s500ms| 2h |300ms20s 5day|1y 12month|"
        "1.123456789s|0.0000001s|1.9999999us|1.23456789h|1.987654321M|1.987654321y|"
        "9223372036854775807us|9223372036855s|292271y|99999999999999999999|999999999999999y|| |"
        "s|h1|infinity 3|\t1\ns");
    for (const auto &unit : separated(
             "usec|us|µs|μs|msec|ms|seconds|second|sec|s|minutes|minute|min|m|hours|hour|hr|h|"
             "days|day|d|weeks|week|w|months|month|M|years|year|y"))
        spans.push_back("1.7" + unit + "3");
    for (const auto &text : spans)
        EXPECT_EQ(shown(value(parse_time_span(text))), shown(systemd_time_span(text)))
            << "'" << text << "': " << message(parse_time_span(text));
}

// ---- Properties

std::string formatted(std::int64_t us, std::int64_t offset_s, const char *format) {
    const time_t wall = us / second_us + offset_s;
    tm fields{};
    ::gmtime_r(&wall, &fields);
    std::array<char, 40> text{};
    std::array<char, 16> fraction{};
    std::strftime(text.data(), text.size(), format, &fields);
    std::snprintf(fraction.data(), fraction.size(), ".%06d", static_cast<int>(us % second_us));
    return std::string(text.data()) + fraction.data();
}

RC_GTEST_PROP(SystemdTimestamp, ReadsBackWhatWasFormatted, ()) {
    const auto us = *rc::gen::inRange<std::int64_t>(day_us, latest_timestamp_us - day_us);
    const auto offset_min = *rc::gen::inRange(-14 * 60, 14 * 60 + 1);
    std::array<char, 32> offset{};
    std::snprintf(offset.data(), offset.size(), "%c%02d:%02d", offset_min < 0 ? '-' : '+',
                  std::abs(offset_min) / 60, std::abs(offset_min) % 60);
    const auto utc = formatted(us, 0, "%a %F %T") + " UTC";
    const auto rfc3339 = formatted(us, offset_min * 60, "%FT%T") + offset.data();
    RC_ASSERT(value(parse_timestamp(utc, now_us)) == us);
    RC_ASSERT(value(parse_timestamp(rfc3339, now_us)) == us);
    const auto since_epoch = "@" + std::to_string(us / second_us) + formatted(us, 0, "");
    RC_ASSERT(value(parse_timestamp(since_epoch, now_us)) == us);
}

RC_GTEST_PROP(SystemdTimestamp, ReadsBackLocalTimeWithItsAbbreviation, ()) {
    const LocalZone zone(*rc::gen::element("Europe/Berlin"s, "America/New_York"s, "UTC"s));
    const auto us = *rc::gen::inRange<std::int64_t>(315'532'800 * second_us, // 1980
                                                    4'102'444'800 * second_us);
    const time_t at = us / second_us;
    tm local{};
    ::localtime_r(&at, &local);
    const auto text = formatted(us, local.tm_gmtoff, "%F %T") + " " + local.tm_zone;
    RC_ASSERT(value(parse_timestamp(text, now_us)) == us);
}

RC_GTEST_PROP(SystemdTimeSpan, AddsUpItsParts, ()) {
    const auto us = *rc::gen::inRange<std::int64_t>(0, INT64_MAX);
    const auto text =
        std::to_string(us / hour_us) + "h " + std::to_string(us % hour_us / minute_us) + "min" +
        std::to_string(us % minute_us / second_us) + "s " + std::to_string(us % second_us) + "us";
    RC_ASSERT(value(parse_time_span(text)) == us);
}

RC_GTEST_PROP(SystemdTimestamp, AnswersAnything, (const std::string &text, std::int64_t clock)) {
    const auto us = value(parse_timestamp(text, clock));
    RC_ASSERT(us.value_or(0) >= 0 && us.value_or(0) <= latest_timestamp_us);
    RC_ASSERT(value(parse_time_span(text)).value_or(0) >= 0);
}

} // namespace
} // namespace portd::client
