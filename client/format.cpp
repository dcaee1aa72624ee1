#include "client/format.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

namespace portd::client {
namespace {

constexpr std::int64_t us_per_ms = 1'000;
constexpr std::int64_t us_per_second = 1'000'000;
constexpr std::int64_t us_per_minute = 60 * us_per_second;
constexpr std::int64_t us_per_hour = 60 * us_per_minute;
constexpr std::int64_t us_per_day = 24 * us_per_hour;

// Moments come from outside: their difference may not fit.
std::int64_t difference(std::int64_t later, std::int64_t earlier) {
    std::int64_t result = 0;
    if (__builtin_sub_overflow(later, earlier, &result))
        return later > earlier ? std::numeric_limits<std::int64_t>::max()
                               : std::numeric_limits<std::int64_t>::min();
    return result;
}

std::int64_t floor_to(std::int64_t value, std::int64_t unit) {
    value = std::max(value, std::numeric_limits<std::int64_t>::min() + unit);
    const std::int64_t rest = value % unit;
    return rest < 0 ? value - rest - unit : value - rest;
}

struct LocalTime {
    tm fields{};
    std::int64_t microsecond = 0;
};

LocalTime local_time(std::int64_t usec) {
    const std::int64_t whole = floor_to(usec, us_per_second);
    const time_t seconds = whole / us_per_second;
    LocalTime local;
    ::localtime_r(&seconds, &local.fields);
    local.microsecond = std::max<std::int64_t>(usec - whole, 0);
    return local;
}

struct Precision {
    int decimals;
    std::int64_t unit_us;
};

Precision precision_of(Digits digits) {
    switch (digits) {
    case Digits::seconds:
        return {0, us_per_second};
    case Digits::tenths:
        return {1, 100 * us_per_ms};
    case Digits::hundredths:
        return {2, 10 * us_per_ms};
    case Digits::milliseconds:
        return {3, us_per_ms};
    case Digits::microseconds:
        return {6, 1};
    }
    return {6, 1};
}

std::string plus_minus(Charset charset) {
    return charset == Charset::utf8 ? "±" : "+-";
}
std::string at_most(Charset charset) {
    return charset == Charset::utf8 ? "≤" : "<=";
}
std::string at_least(Charset charset) {
    return charset == Charset::utf8 ? "≥" : ">=";
}

// Digits that mean something within an uncertainty.
Digits digits_within(std::int64_t half_us) {
    if (half_us >= us_per_second)
        return Digits::seconds;
    if (half_us >= 100 * us_per_ms)
        return Digits::tenths;
    return half_us >= 10 * us_per_ms ? Digits::hundredths : Digits::milliseconds;
}

// An uncertainty in one unit, rounded up.
std::string format_uncertainty(std::int64_t usec) {
    struct Scale {
        std::int64_t below_us;
        std::int64_t unit_us;
        const char *name;
    };
    static constexpr std::array<Scale, 4> scales{
        {{120 * us_per_second, us_per_second, "s"},
         {120 * us_per_minute, us_per_minute, "min"},
         {48 * us_per_hour, us_per_hour, "h"},
         {std::numeric_limits<std::int64_t>::max(), us_per_day, "d"}}};
    const auto rounded_up = [usec](std::int64_t unit) {
        return usec / unit + (usec % unit != 0 ? 1 : 0);
    };
    if (usec < 100 * us_per_ms)
        return std::to_string(rounded_up(us_per_ms)) + "ms";
    if (usec <= 10 * us_per_second) {
        const std::int64_t tenths = rounded_up(100 * us_per_ms);
        const std::string fraction = tenths % 10 != 0 ? "." + std::to_string(tenths % 10) : "";
        return std::to_string(tenths / 10) + fraction + "s";
    }
    for (const auto &scale : scales)
        if (usec < scale.below_us)
            return std::to_string(rounded_up(scale.unit_us)) + scale.name;
    return std::to_string(usec / us_per_day + 1) + "d";
}

Dated dated_for(std::int64_t usec, std::optional<std::int64_t> same_day_as_usec) {
    return same_day_as_usec && on_same_day(usec, *same_day_as_usec) ? Dated::time_only
                                                                    : Dated::with_date;
}

std::string format_between(std::int64_t earliest, std::int64_t latest, Charset charset,
                           std::optional<std::int64_t> same_day_as_usec) {
    const std::int64_t half = difference(latest, earliest) / 2;
    const Digits digits = digits_within(half);
    const std::int64_t middle = earliest + half;
    const std::int64_t shown = floor_to(middle, precision_of(digits).unit_us);
    const std::int64_t reach = std::max(difference(latest, shown), difference(shown, earliest));
    return format_instant(shown, digits, dated_for(shown, same_day_as_usec)) + " " +
           plus_minus(charset) + format_uncertainty(reach);
}

std::int64_t rounded_up_to_ms(std::int64_t usec) {
    std::int64_t result = 0;
    return __builtin_add_overflow(usec, us_per_ms - 1, &result) ? usec : result;
}

std::string exact(std::int64_t usec) {
    return format_instant(usec, Digits::microseconds);
}

} // namespace

std::string format_instant(std::int64_t usec, Digits digits, Dated dated) {
    const LocalTime local = local_time(usec);
    std::array<char, 64> text{};
    const char *pattern = dated == Dated::with_date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S";
    std::string result(text.data(), ::strftime(text.data(), text.size(), pattern, &local.fields));

    const Precision precision = precision_of(digits);
    if (precision.decimals == 0)
        return result;
    std::snprintf(text.data(), text.size(), ".%0*lld", precision.decimals,
                  static_cast<long long>(local.microsecond / precision.unit_us));
    return result + text.data();
}

std::string format_zone(std::int64_t usec) {
    const LocalTime local = local_time(usec);
    std::array<char, 64> text{};
    return {text.data(), ::strftime(text.data(), text.size(), "%Z", &local.fields)};
}

std::string format_rfc3339(std::int64_t usec) {
    const std::int64_t whole = floor_to(usec, us_per_second);
    const time_t seconds = whole / us_per_second;
    tm fields{};
    ::gmtime_r(&seconds, &fields);
    std::array<char, 64> text{};
    std::string result(text.data(),
                       ::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &fields));
    std::snprintf(text.data(), text.size(), ".%06lldZ",
                  static_cast<long long>(std::max<std::int64_t>(usec - whole, 0)));
    return result + text.data();
}

std::string format_instant_in_zone(std::int64_t usec) {
    std::string text = format_instant(usec, Digits::microseconds);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.'))
        text.pop_back();
    return text + " " + format_zone(usec);
}

bool on_same_day(std::int64_t a_usec, std::int64_t b_usec) {
    const tm a = local_time(a_usec).fields;
    const tm b = local_time(b_usec).fields;
    return a.tm_yday == b.tm_yday && a.tm_year == b.tm_year;
}

std::string format_span(std::int64_t usec) {
    struct Scale {
        std::int64_t unit_us;
        const char *name;
        std::int64_t next_us;
        const char *next_name;
    };
    static constexpr std::array<Scale, 3> scales{{{us_per_day, "d", us_per_hour, "h"},
                                                  {us_per_hour, "h", us_per_minute, "min"},
                                                  {us_per_minute, "min", us_per_second, "s"}}};
    usec = std::max<std::int64_t>(usec, 0);
    for (const auto &scale : scales) {
        if (usec < scale.unit_us)
            continue;
        const std::int64_t rest = usec % scale.unit_us / scale.next_us;
        return std::to_string(usec / scale.unit_us) + scale.name +
               (rest != 0 ? std::to_string(rest) + scale.next_name : "");
    }
    if (usec < us_per_ms)
        return std::to_string(usec) + "us";
    const bool seconds = usec >= us_per_second;
    const std::int64_t unit = seconds ? us_per_second : us_per_ms;
    std::string fraction = std::to_string(1'000 + usec % unit / (unit / 1'000)).substr(1);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    return std::to_string(usec / unit) + (fraction.empty() ? "" : "." + fraction) +
           (seconds ? "s" : "ms");
}

std::string format_rough_span(std::int64_t usec) {
    const std::int64_t unit = usec >= us_per_second ? 100 * us_per_ms : us_per_ms;
    return format_span(usec >= us_per_ms ? floor_to(usec, unit) : usec);
}

Bounds bounds_of(const proto::Moment &moment) {
    if (moment.usec)
        return {moment.usec, moment.usec};
    Bounds bounds{moment.earliest_usec, moment.latest_usec};
    if (bounds.earliest && bounds.latest && *bounds.earliest > *bounds.latest)
        std::swap(bounds.earliest, bounds.latest);
    return bounds;
}

std::optional<std::int64_t> clock_offset_of(const proto::Moment &moment) {
    const auto anchor = moment.usec          ? moment.usec
                        : moment.latest_usec ? moment.latest_usec
                                             : moment.earliest_usec;
    if (!anchor || !moment.boot_usec)
        return std::nullopt;
    return difference(*anchor, *moment.boot_usec);
}

Bounds bounds_by(std::optional<std::int64_t> offset_usec, const proto::Moment &moment) {
    Bounds bounds = bounds_of(moment);
    const auto own_usec = clock_offset_of(moment);
    if (!offset_usec || !own_usec)
        return bounds;
    const std::int64_t set_back_usec = difference(*own_usec, *offset_usec);
    for (auto *bound : {&bounds.earliest, &bounds.latest})
        if (*bound)
            *bound = difference(**bound, set_back_usec);
    return bounds;
}

std::string format_moment(const proto::Moment &moment, Charset charset,
                          std::optional<std::int64_t> same_day_as_usec) {
    const auto [earliest, latest] = bounds_of(moment);
    const auto instant = [same_day_as_usec](std::int64_t usec) {
        return format_instant(usec, Digits::milliseconds, dated_for(usec, same_day_as_usec));
    };
    if (!earliest && !latest)
        return "unknown";
    if (!earliest)
        return at_most(charset) + instant(rounded_up_to_ms(*latest));
    if (!latest)
        return at_least(charset) + instant(*earliest);
    if (*earliest == *latest)
        return (moment.provenance == Provenance::inferred ? "~" : "") + instant(*earliest);
    return format_between(*earliest, *latest, charset, same_day_as_usec);
}

std::string format_bounds(const proto::Moment &moment) {
    const auto [earliest, latest] = bounds_of(moment);
    if (!earliest && !latest)
        return "unknown";
    if (earliest && earliest == latest)
        return exact(*earliest);
    return "[" + (earliest ? exact(*earliest) + " " : "") + ".." +
           (latest ? " " + exact(*latest) : "") + "]";
}

std::string format_duration(Bounds opened, Bounds ended, Charset charset) {
    std::optional<std::int64_t> shortest;
    std::optional<std::int64_t> longest;
    if (opened.latest && ended.earliest)
        shortest = std::max<std::int64_t>(difference(*ended.earliest, *opened.latest), 0);
    if (opened.earliest && ended.latest)
        longest = std::max<std::int64_t>(difference(*ended.latest, *opened.earliest), 0);
    if (shortest && shortest == longest)
        return format_span(*shortest);
    if (longest && shortest.value_or(0) == 0)
        return at_most(charset) + format_span(*longest);
    if (shortest && !longest)
        return *shortest == 0 ? "unknown" : at_least(charset) + format_span(*shortest);
    if (!shortest)
        return "unknown";
    return "~" + format_rough_span(*shortest + (*longest - *shortest) / 2);
}

bool is_kernel(const proto::Process &process) {
    return process.provenance != Provenance::unknown && process.pid == 0 &&
           process.command == "kernel";
}

std::string format_process(const proto::Process &process, Charset charset) {
    if (process.provenance == Provenance::unknown)
        return "unknown";
    if (is_kernel(process))
        return "kernel";
    std::string text = process.provenance == Provenance::inferred ? "~" : "";
    if (process.command)
        text += escape_text(*process.command, charset);
    if (process.pid && *process.pid > 0)
        text += "[" + std::to_string(*process.pid) + "]";
    return text.empty() || text == "~" ? "unknown" : text;
}

std::string format_endpoint(std::string_view address, std::int64_t port, Charset charset) {
    const std::string text = escape_text(address, charset);
    const bool is_ipv6 = text.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + text + "]" : text) + ":" + std::to_string(port);
}

std::string format_namespace(std::int64_t inode, const std::optional<std::string> &name,
                             Charset charset) {
    return name ? escape_text(*name, charset) : std::to_string(inode);
}

std::string format_bytes(std::int64_t bytes) {
    static constexpr std::array<const char *, 7> units{"B",   "KiB", "MiB", "GiB",
                                                       "TiB", "PiB", "EiB"};
    auto amount = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; amount >= 1024 && unit + 1 < units.size(); ++unit)
        amount /= 1024;
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", amount,
                  units.at(unit));
    return text.data();
}

} // namespace portd::client
