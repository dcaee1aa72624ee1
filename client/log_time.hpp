// Times as logs write them. Pure, but for the zone of the process (TZ, tzset(3)), which times are
// in that name none.
//
//   1795317125.512              since 1970-01-01 00:00 UTC; of 13 digits milliseconds, of 16
//                               microseconds
//   2026-11-22T03:12:05.120Z    RFC 3339; also with a space, +0100, or no zone
//   Nov 22 03:12:05             syslog (RFC 3164, section 4.1.2): the last such time before now
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace portd::client {

struct LogTime {
    std::int64_t usec = 0;
    std::int64_t unit_usec = 1; // of the last digit: it was then or so much later
};

// The whole text.
std::optional<LogTime> parse_log_time(std::string_view text, std::int64_t now_usec);
// What stands at the beginning of a line, perhaps in brackets; `rest` becomes what follows it.
std::optional<LogTime> take_log_time(std::string_view line, std::int64_t now_usec,
                                     std::string_view &rest);
// Seconds, with a fraction or without: "0.250".
std::optional<std::int64_t> parse_log_seconds(std::string_view text);

} // namespace portd::client
