#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

// Times and time spans as people type them, in the syntax of systemd.time(7) ("PARSING TIMESTAMPS"
// and "PARSING TIME SPANS"). Where that page is silent, the rule is what `systemd-analyze
// timestamp` and `systemd-analyze timespan` of systemd 252 do; the unit test compares the two.
//
// Shapes of a timestamp:
//
//   2026-11-22 03:12:05.123456   date and time; a seventh decimal rounds
//   2026-11-22 03:12             seconds are 0
//   2026-11-22                   midnight
//   03:12:05, 03:12              today
//   26-11-22                     00-68 are 2000-2068, 69-99 are 1969-1999
//   Sun 2026-11-22               English weekday, short or long, any case; a wrong one is an error
//   now, today, yesterday, tomorrow
//   +3h30min, -5s, 11min ago, 3h left
//   @1795317125.5                a span since 1970-01-01 00:00:00 UTC
//
// Every shape with a date or a time of day, and today, yesterday and tomorrow, may end in a space
// and a zone: `UTC`, an abbreviation that the local zone uses within a year of that date (`CEST`),
// or an IANA name (`Europe/Berlin`) that is installed in /usr/share/zoneinfo.
//
// Accepted beyond systemd 252, because people paste times out of logs (RFC 3339 section 5.6,
// ISO 8601): `T` or `t` between date and time; `Z`, `z`, `+02:00`, `+0200` or `+02`, up to 14 hours
// either way, directly after a time of day or after a space; white space at either end.
//
// Rejected although systemd 252 takes them, being more likely a slip: blanks inside a date or a
// time ("2026- 1-02"), a date and a time run together ("2026-01-0203:04"), and days 29 to 31 of a
// shorter month, which to systemd are the first days of the next one.
//
// Calendar oddities:
//
// * Seconds 60 and 61 run over into the next minute, as in systemd.
// * A local time that a clock change skips, or shows twice, means what it means to a fresh glibc
//   mktime(3) with tm_isdst -1, and so to systemd. Skipped: 02:30 in Berlin is 03:30 summer time.
//   Shown twice: the later one east of Greenwich, the earlier one west of it. A zone abbreviation
//   or an offset removes the doubt.
// * `today` and a lone time of day refer to the day in the zone that is given, else the local one.
//
// The local zone is the process's TZ (tzset(3)). An IANA name sets TZ while the call runs and then
// restores it: no other thread may use the environment or local time meanwhile.

namespace portd::client {

// One line for people: what was wrong with the input, and what is expected. Holds printable ASCII
// only.
struct TimeSyntaxError {
    std::string message;
};

// 9999-12-30 23:59:59 UTC: the last instant systemd 252 takes as a date, for every shape here. The
// first is 0.
inline constexpr std::int64_t latest_timestamp_us = 253'402'214'399'000'000;

// Microseconds since the epoch, 0 to latest_timestamp_us. `now_us` is the current time in the same
// unit; outside that range it is an error.
std::variant<std::int64_t, TimeSyntaxError> parse_timestamp(std::string_view text,
                                                            std::int64_t now_us);

// Microseconds, never negative. A sequence of numbers, each with an optional fraction and an
// optional unit, that are added up; without a unit a number counts seconds. Digits beyond a
// microsecond are cut off. Longer than 2^63 - 1 microseconds is an error.
//
//   usec us µs, msec ms, seconds second sec s, minutes minute min m, hours hour hr h, days day d,
//   weeks week w, months month M (30.4375 days; the man page rounds to 30.44),
//   years year y (365.25 days)
//
// "infinity", which systemd takes, is an error: no question about history has use for it.
std::variant<std::int64_t, TimeSyntaxError> parse_time_span(std::string_view text);

} // namespace portd::client
