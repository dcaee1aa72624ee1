// What is shown to people, as pure text: moments, durations, processes, endpoints. Everything that
// came from outside comes out escaped (text.hpp).
//
// Uncertain times. A moment that was observed is an instant. Any other is known within bounds, and
// is shown so that what is shown contains the bounds:
//
//   03:12:05.120        that instant
//   03:12:05.1 ±0.5s    half a second before, to half a second after
//   ≤03:12:05.120       then or earlier
//   ≥03:12:05.120       then or later
//   unknown             nobody saw it
//
// Digits below the uncertainty are left out.
// Where the locale's character set is not UTF-8, ± ≤ ≥ are written +- <= >=.
// Times are in the process's time zone (TZ, tzset(3)).
#pragma once

#include "client/text.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portd::client {

enum class Digits { seconds, tenths, hundredths, milliseconds, microseconds };
enum class Dated { with_date, time_only };

// "2026-11-22 03:12:05.120"; digits that are not asked for are cut off.
std::string format_instant(std::int64_t usec, Digits digits, Dated dated = Dated::with_date);
// "2026-11-22 03:12:05 UTC", with as many decimals as there are.
std::string format_instant_in_zone(std::int64_t usec);
// "2026-11-22T03:12:05.120000Z".
std::string format_rfc3339(std::int64_t usec);
// "UTC", "CET" or "+03".
std::string format_zone(std::int64_t usec);
bool on_same_day(std::int64_t a_usec, std::int64_t b_usec);

// "850us", "12.5ms", "1.204s", "2min3s", "3h5min", "2d4h": the two largest units, the rest cut off.
std::string format_span(std::int64_t usec);
// The same without digits that an approximate span does not have: "1.2s", "12ms".
std::string format_rough_span(std::int64_t usec);

// Bounds of a moment: both equal if it was an instant, absent where unknown.
struct Bounds {
    std::optional<std::int64_t> earliest;
    std::optional<std::int64_t> latest;
};
Bounds bounds_of(const proto::Moment &moment);

// How far the wall clock was ahead of CLOCK_BOOTTIME at that moment, where that is told.
std::optional<std::int64_t> clock_offset_of(const proto::Moment &moment);
// The bounds as a clock shows them that is ahead of CLOCK_BOOTTIME by `offset_usec`. So the times
// of one boot can be compared though the clock was set between them. As they are, where nothing is
// told.
Bounds bounds_by(std::optional<std::int64_t> offset_usec, const proto::Moment &moment);

// The moment in the notation above; without its date where that is the day of `same_day_as_usec`.
std::string format_moment(const proto::Moment &moment, Charset charset,
                          std::optional<std::int64_t> same_day_as_usec = std::nullopt);
// Both bounds to the microsecond: "2026-11-22 03:12:05.120000", "[2026-… .. 2026-…]", or with one
// bound "[.. 2026-…]".
std::string format_bounds(const proto::Moment &moment);

// Time between two moments: "1.204s"; "~1.2s" where both ends give bounds; "≤1.2s" and "≥1.2s"
// where only one is known; "unknown".
std::string format_duration(Bounds opened, Bounds ended, Charset charset);

// The holder of a socket of the kernel's own.
bool is_kernel(const proto::Process &process);
// "curl[8123]", "kernel", "unknown"; "~curl[8123]" where it was inferred.
std::string format_process(const proto::Process &process, Charset charset);

// "192.0.2.1:443", "[2001:db8::1]:443".
std::string format_endpoint(std::string_view address, std::int64_t port, Charset charset);

// Its name where it has one, else its inode number.
std::string format_namespace(std::int64_t inode, const std::optional<std::string> &name,
                             Charset charset);

// "512 B", "12.3 MiB".
std::string format_bytes(std::int64_t bytes);

} // namespace portd::client
