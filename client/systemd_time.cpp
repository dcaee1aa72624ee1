#include "systemd_time.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

// A text is read in two steps. Syntax first: a span, or a CalendarTime with whatever fields were
// written. Then meaning: the zone is looked up and the fields become an instant. So "next week" is
// reported as not being a time, rather than as naming the unknown zone "week".
//
// Local time goes through localtime_r only. mktime would do, but it remembers the offset of its
// last answer and lets that decide between the two 02:30s of an autumn night; instant_of() is the
// same search without memory.

namespace portd::client {
namespace {

constexpr std::int64_t us_per_second = 1'000'000;
constexpr std::int64_t seconds_per_day = 86'400;
constexpr std::string_view whitespace = " \t\n\r";

struct Reason {
    std::string text;
};

template <typename T>
using Parsed = std::variant<T, Reason>;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
        return std::tolower(x) == std::tolower(y);
    });
}

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(whitespace);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(whitespace) - first + 1);
}

// Terminals act on control bytes and on some bytes above 0x7e, so neither is echoed.
std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 60;
    std::string out = "'";
    for (const char c : text.substr(0, longest))
        out += c >= 0x20 && c <= 0x7e ? c : '?';
    return out + (text.size() > longest ? "...'" : "'");
}

class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    std::string_view rest() const { return rest_; }
    bool at_end() const { return rest_.empty(); }
    char next() const { return rest_.empty() ? '\0' : rest_.front(); }
    void skip(std::size_t count) { rest_.remove_prefix(count); }

    bool take(char c) {
        if (at_end() || rest_.front() != c)
            return false;
        skip(1);
        return true;
    }

    std::string_view take_digits() {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_digit);
        const auto digits = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        skip(digits.size());
        return digits;
    }

    std::string_view take_word() {
        const auto word = rest_.substr(0, rest_.find_first_of(whitespace));
        skip(word.size());
        return word;
    }

    bool take_whitespace() {
        const auto count = std::min(rest_.find_first_not_of(whitespace), rest_.size());
        skip(count);
        return count > 0;
    }

  private:
    std::string_view rest_;
};

// ---- Time spans

struct Unit {
    std::int64_t us;
    std::string_view names; // longest first, so that the first match is the whole name
};

constexpr std::array units{
    // "month" and "msec" before "m"; the mu of µs is U+00B5 or U+03BC
    Unit{2'629'800 * us_per_second, "months month M"},
    Unit{1'000, "msec ms"},
    Unit{60 * us_per_second, "minutes minute min m"},
    Unit{us_per_second, "seconds second sec s"},
    Unit{3'600 * us_per_second, "hours hour hr h"},
    Unit{seconds_per_day * us_per_second, "days day d"},
    Unit{7 * seconds_per_day * us_per_second, "weeks week w"},
    Unit{31'557'600 * us_per_second, "years year y"},
    Unit{1, "usec us \u00b5s \u03bcs"},
};

std::optional<std::int64_t> take_unit(Reader &in) {
    for (const auto &unit : units) {
        for (Reader names(unit.names); !names.at_end(); names.take_whitespace()) {
            const auto name = names.take_word();
            if (!in.rest().starts_with(name))
                continue;
            in.skip(name.size());
            return unit.us;
        }
    }
    return std::nullopt;
}

// Each digit counts a tenth of the one before, cut to whole microseconds: less than a unit in all.
std::int64_t fraction_us(std::string_view digits, std::int64_t unit_us) {
    std::int64_t sum = 0;
    for (const char digit : digits) {
        unit_us /= 10;
        sum += (digit - '0') * unit_us;
    }
    return sum;
}

Reason not_a_number(std::string_view rest) {
    if (rest.empty() || rest.front() == '.')
        return {"digits are missing"};
    if (rest.front() == '-')
        return {"a time span cannot be negative"};
    return {quoted(Reader(rest).take_word()) + " is neither a number nor a unit of time"};
}

// One number with its unit; the reader stands on neither white space nor the end.
Parsed<std::int64_t> take_span_part(Reader &in) {
    const Reason no_number = not_a_number(in.rest());
    const bool sign = in.take('+');
    const auto whole = in.take_digits();
    std::string_view fraction;
    if (whole.empty() && (sign || in.next() != '.'))
        return no_number;
    if (in.take('.')) {
        fraction = in.take_digits();
        if (fraction.empty())
            return Reason{"digits are missing after the '.'"};
    }
    const bool separated = in.take_whitespace();
    const auto unit = take_unit(in);
    if (!unit && !separated && !in.at_end())
        return not_a_number(in.rest());

    std::int64_t count = 0;
    const auto end = whole.data() + whole.size();
    const bool fits = whole.empty() || std::from_chars(whole.data(), end, count).ec == std::errc{};
    const std::int64_t unit_us = unit.value_or(us_per_second);
    std::int64_t sum = 0;
    if (!fits || __builtin_mul_overflow(count, unit_us, &sum) ||
        __builtin_add_overflow(sum, fraction_us(fraction, unit_us), &sum))
        return Reason{"it is longer than 292000 years"};
    return sum;
}

Parsed<std::int64_t> read_span(std::string_view text) {
    Reader in(trim(text));
    if (in.at_end())
        return Reason{"a number and a unit of time are missing"};
    if (in.rest() == "infinity")
        return Reason{"the span must have an end"};
    std::int64_t total = 0;
    while (!in.at_end()) {
        const auto part = take_span_part(in);
        if (const auto *reason = std::get_if<Reason>(&part))
            return *reason;
        if (__builtin_add_overflow(total, std::get<std::int64_t>(part), &total))
            return Reason{"it is longer than 292000 years"};
        in.take_whitespace();
    }
    return total;
}

// ---- Calendar syntax

struct CalendarTime {
    std::optional<std::chrono::year_month_day> date; // none is today
    std::chrono::days shift{0};
    std::optional<std::chrono::weekday> weekday;
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::int64_t microsecond = 0;
    std::string_view offset; // as written directly after the time of day
};

constexpr std::array<std::string_view, 7> weekday_names{
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

int number(std::string_view digits) {
    int value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

class CalendarReader {
  public:
    explicit CalendarReader(std::string_view text) : in_(text) {}

    Parsed<CalendarTime> read() {
        if (keyword() || (weekday(), date_and_time()))
            return time_;
        return Reason{reason_};
    }

  private:
    bool fail(std::string reason) {
        reason_ = std::move(reason);
        return false;
    }

    bool keyword() {
        constexpr std::array<std::string_view, 3> days{"yesterday", "today", "tomorrow"};
        const auto day = std::find(days.begin(), days.end(), in_.rest());
        time_.shift = std::chrono::days{day == days.end() ? 0 : day - days.begin() - 1};
        return day != days.end();
    }

    void weekday() {
        Reader after = in_;
        const auto word = after.take_word();
        if (!after.take_whitespace())
            return;
        for (unsigned day = 0; day < weekday_names.size(); ++day) {
            const auto name = weekday_names[day];
            if (equal_ignoring_case(word, name) || equal_ignoring_case(word, name.substr(0, 3))) {
                time_.weekday = std::chrono::weekday{day};
                in_ = after;
            }
        }
    }

    bool date_and_time() {
        const Reader start = in_;
        if (in_.take_digits().empty())
            return fail("it has none of the known shapes");
        const char separator = in_.next();
        in_ = start;
        if (separator == ':')
            return time_of_day();
        if (separator != '-')
            return fail("a number here starts a date (2026-11-22) or a time of day (03:12)");
        if (!date())
            return false;
        if (in_.at_end())
            return true;
        if (in_.take_whitespace() || in_.take('T') || in_.take('t'))
            return time_of_day();
        return fail("after the date, " + quoted(in_.rest()) + " is not a time of day");
    }

    bool date() {
        const auto digits = in_.take_digits();
        if (digits.size() > 4)
            return fail("a year has two or four digits");
        int year = number(digits);
        if (digits.size() <= 2)
            year += year < 69 ? 2000 : 1900;
        int month = 0;
        int day = 0;
        if (!in_.take('-') || !field("month", 1, 12, month))
            return false;
        if (!in_.take('-'))
            return fail("a date has a year, a month and a day");
        if (!field("day", 1, 31, day))
            return false;
        time_.date = std::chrono::year{year} / month / day;
        if (!time_.date->ok())
            return fail("that month has no day " + std::to_string(day));
        return true;
    }

    bool time_of_day() {
        if (!field("hour", 0, 23, time_.hour))
            return false;
        if (!in_.take(':'))
            return fail("a time of day has an hour and a minute");
        if (!field("minute", 0, 59, time_.minute))
            return false;
        if (in_.take(':') && !seconds())
            return false;
        time_.offset = in_.rest();
        if (in_.at_end() || in_.next() == '+' || in_.next() == '-' ||
            equal_ignoring_case(in_.rest(), "Z"))
            return true;
        return fail("after the time of day, " + quoted(in_.rest()) +
                    " is neither Z nor an offset; the name of a zone needs a space before it");
    }

    bool seconds() {
        if (!field("second", 0, 61, time_.second))
            return false;
        if (!in_.take('.'))
            return true;
        const auto digits = in_.take_digits();
        if (digits.empty())
            return fail("digits are missing after the '.'");
        const bool round_up = digits.size() > 6 && digits[6] >= '5';
        time_.microsecond = fraction_us(digits, us_per_second) + (round_up ? 1 : 0);
        return true;
    }

    bool field(const std::string &name, int lowest, int highest, int &value) {
        const auto digits = in_.take_digits();
        value = number(digits);
        if (!digits.empty() && digits.size() <= 2 && value >= lowest && value <= highest)
            return true;
        const auto range = std::to_string(lowest) + " to " + std::to_string(highest);
        if (digits.empty())
            return fail("the " + name + " (" + range + ") is missing");
        return fail("the " + name + " is " + quoted(digits) + ", not " + range);
    }

    Reader in_;
    CalendarTime time_;
    std::string reason_;
};

// ---- Zones

// While it lives, the process's local zone is that of a zoneinfo file.
class BorrowedZone {
  public:
    explicit BorrowedZone(const std::string &file) {
        if (const char *tz = std::getenv("TZ"))
            saved_ = tz;
        ::setenv("TZ", (":" + file).c_str(), 1);
        ::tzset();
    }
    ~BorrowedZone() {
        if (saved_)
            ::setenv("TZ", saved_->c_str(), 1);
        else
            ::unsetenv("TZ");
        ::tzset();
    }
    BorrowedZone(const BorrowedZone &) = delete;
    BorrowedZone &operator=(const BorrowedZone &) = delete;

  private:
    std::optional<std::string> saved_;
};

tm local_time(std::int64_t at_s) {
    const time_t at = at_s;
    tm local{};
    ::localtime_r(&at, &local); // fails only for years beyond 2^31, which no caller reaches
    return local;
}

// Either a fixed offset from UTC, or the process's local zone, perhaps borrowed.
struct Zone {
    std::optional<std::int64_t> fixed_s;
    std::unique_ptr<BorrowedZone> borrowed;

    std::int64_t offset_s(std::int64_t at_s) const {
        return fixed_s ? *fixed_s : local_time(at_s).tm_gmtoff;
    }
    bool is_summer(std::int64_t at_s) const { return !fixed_s && local_time(at_s).tm_isdst > 0; }
};

Parsed<std::int64_t> read_offset(std::string_view text) {
    if (equal_ignoring_case(text, "Z"))
        return 0;
    Reader in(text.substr(1));
    auto hours = in.take_digits();
    auto minutes = hours.substr(std::min<std::size_t>(hours.size(), 2));
    hours.remove_suffix(minutes.size());
    const bool colon = minutes.empty() && in.take(':');
    if (colon)
        minutes = in.take_digits();
    const bool minutes_shaped = minutes.size() == 2 || (minutes.empty() && !colon);
    if (hours.size() != 2 || !minutes_shaped || !in.at_end())
        return Reason{"the offset " + quoted(text) + " does not look like +02:00"};
    const int total = number(hours) * 60 + number(minutes);
    if (number(minutes) > 59 || total > 14 * 60)
        return Reason{"the offset " + quoted(text) + " is not within -14:00 to +14:00"};
    return (text.front() == '-' ? -60 : 60) * std::int64_t{total};
}

// The offset that goes by this abbreviation in the local zone, nearest to the instant, within a
// year. A fortnight is shorter than any season of summer time.
std::optional<std::int64_t> offset_abbreviated(std::string_view name, std::int64_t near_s) {
    constexpr std::int64_t step = 14 * seconds_per_day;
    for (std::int64_t distance = 0; distance <= 27 * step; distance += step)
        for (const auto at_s : {near_s - distance, near_s + distance})
            if (const tm local = local_time(at_s); equal_ignoring_case(local.tm_zone, name))
                return local.tm_gmtoff;
    return std::nullopt;
}

std::optional<std::string> zoneinfo_file(std::string_view name) {
    const auto plain = [](char c) {
        return is_letter(c) || is_digit(c) ||
               std::string_view("/_-+").find(c) != std::string_view::npos;
    };
    if (!std::all_of(name.begin(), name.end(), plain))
        return std::nullopt;
    auto path = "/usr/share/zoneinfo/" + std::string(name);
    std::array<char, 4> magic{};
    std::ifstream file(path, std::ios::binary);
    if (!file.read(magic.data(), magic.size()) || std::memcmp(magic.data(), "TZif", 4) != 0)
        return std::nullopt;
    return path;
}

Parsed<Zone> find_zone(std::string_view name, std::int64_t near_s) {
    if (name.empty())
        return Zone{};
    if (equal_ignoring_case(name, "UTC"))
        return Zone{0, nullptr};
    if (!is_letter(name.front()) || equal_ignoring_case(name, "Z")) {
        const auto offset = read_offset(name);
        if (const auto *reason = std::get_if<Reason>(&offset))
            return *reason;
        return Zone{std::get<std::int64_t>(offset), nullptr};
    }
    if (const auto offset = offset_abbreviated(name, near_s))
        return Zone{offset, nullptr};
    const auto file = zoneinfo_file(name);
    if (!file)
        return Reason{quoted(name) + " is neither UTC, an offset, an IANA zone such as " +
                      "Europe/Berlin, nor an abbreviation of the local zone"};
    Zone zone{std::nullopt, std::make_unique<BorrowedZone>(*file)};
    // "CET" is also a file, with a CET and a CEST in it; as in systemd it means CET, even in July.
    if (const auto offset = offset_abbreviated(name, near_s))
        return Zone{offset, nullptr};
    return zone;
}

// ---- From fields to an instant

// Each guess is the wall clock less the offset at the guess before, from a first guess in UTC. Two
// guesses that only lead to each other lie on either side of a gap; the one on summer time is
// taken, else the first.
std::int64_t instant_of(const Zone &zone, std::int64_t wall_s) {
    std::int64_t two_ago = wall_s;
    std::int64_t one_ago = wall_s;
    std::int64_t guess = wall_s;
    for (int probe = 0; probe < 8; ++probe) {
        const std::int64_t next = wall_s - zone.offset_s(guess);
        if (next == guess)
            return guess;
        if (guess == two_ago && guess != one_ago)
            return zone.is_summer(one_ago) && !zone.is_summer(guess) ? one_ago : guess;
        two_ago = std::exchange(one_ago, std::exchange(guess, next));
    }
    return guess;
}

std::chrono::sys_days day_of(const CalendarTime &time, const Zone &zone, std::int64_t now_us) {
    if (time.date)
        return std::chrono::sys_days{*time.date};
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::microseconds{now_us});
    const std::chrono::seconds offset{zone.offset_s(now.count())};
    return std::chrono::sys_days{std::chrono::floor<std::chrono::days>(now + offset)} + time.shift;
}

Parsed<std::int64_t> check_range(std::int64_t at_us) {
    if (at_us < 0)
        return Reason{"it is before 1970"};
    if (at_us > latest_timestamp_us)
        return Reason{"it is after 9999-12-30"};
    return at_us;
}

Parsed<std::int64_t> instant_of(const CalendarTime &time, const Zone &zone, std::int64_t now_us) {
    const auto day = day_of(time, zone, now_us);
    const std::chrono::weekday weekday{day};
    if (time.weekday && *time.weekday != weekday)
        return Reason{"that day is a " + std::string(weekday_names[weekday.c_encoding()]) +
                      ", not a " + std::string(weekday_names[time.weekday->c_encoding()])};
    const int leap = std::max(time.second - 59, 0);
    const std::int64_t second_of_day = time.hour * 3'600 + time.minute * 60 + time.second - leap;
    const std::int64_t wall_s = day.time_since_epoch().count() * seconds_per_day + second_of_day;
    return check_range((instant_of(zone, wall_s) + leap) * us_per_second + time.microsecond);
}

Parsed<std::int64_t> read_calendar(std::string_view text, std::int64_t now_us) {
    std::string_view suffix;
    const auto space = text.find_last_of(whitespace);
    if (space != std::string_view::npos && !is_digit(text[space + 1])) {
        suffix = text.substr(space + 1);
        text = trim(text.substr(0, space));
    }
    const auto parsed = CalendarReader(text).read();
    if (const auto *reason = std::get_if<Reason>(&parsed))
        return *reason;
    const auto &time = std::get<CalendarTime>(parsed);
    if (!time.offset.empty() && !suffix.empty())
        return Reason{"it names two zones, " + quoted(time.offset) + " and " + quoted(suffix)};

    const std::int64_t near_s =
        time.date ? std::chrono::sys_days{*time.date}.time_since_epoch().count() * seconds_per_day
                  : now_us / us_per_second;
    ::tzset();
    const auto zone = find_zone(suffix.empty() ? time.offset : suffix, near_s);
    if (const auto *reason = std::get_if<Reason>(&zone))
        return *reason;
    return instant_of(time, std::get<Zone>(zone), now_us);
}

enum class Direction { later, earlier };

Parsed<std::int64_t> shifted(std::int64_t from_us, std::string_view span, Direction direction) {
    const auto parsed = read_span(span);
    if (std::holds_alternative<Reason>(parsed))
        return parsed;
    const auto by_us = std::get<std::int64_t>(parsed);
    std::int64_t at_us = 0;
    switch (direction) {
    case Direction::later:
        if (__builtin_add_overflow(from_us, by_us, &at_us))
            at_us = INT64_MAX;
        break;
    case Direction::earlier:
        if (__builtin_sub_overflow(from_us, by_us, &at_us))
            at_us = INT64_MIN;
        break;
    }
    return check_range(at_us);
}

Parsed<std::int64_t> read_timestamp(std::string_view text, std::int64_t now_us) {
    constexpr std::string_view ago = " ago";
    constexpr std::string_view left = " left";
    if (text.empty())
        return Reason{"it is empty"};
    if (now_us < 0 || now_us > latest_timestamp_us)
        return Reason{"the clock is not within 1970 to 9999"};
    if (text == "now")
        return now_us;
    if (text.front() == '+')
        return shifted(now_us, text.substr(1), Direction::later);
    if (text.front() == '-')
        return shifted(now_us, text.substr(1), Direction::earlier);
    if (text.front() == '@')
        return shifted(0, text.substr(1), Direction::later);
    if (text.ends_with(ago))
        return shifted(now_us, text.substr(0, text.size() - ago.size()), Direction::earlier);
    if (text.ends_with(left))
        return shifted(now_us, text.substr(0, text.size() - left.size()), Direction::later);
    if (std::holds_alternative<std::int64_t>(read_span(text)))
        return Reason{"a span is not a time; put '-' before it or ' ago' after it"};
    return read_calendar(text, now_us);
}

std::variant<std::int64_t, TimeSyntaxError> answer(const Parsed<std::int64_t> &parsed,
                                                   std::string_view text, const char *kind,
                                                   const char *examples) {
    if (const auto *value = std::get_if<std::int64_t>(&parsed))
        return *value;
    return TimeSyntaxError{"cannot read " + quoted(text) + " as a " + kind + ": " +
                           std::get<Reason>(parsed).text + "; expected for example " + examples};
}

} // namespace

std::variant<std::int64_t, TimeSyntaxError> parse_timestamp(std::string_view text,
                                                            std::int64_t now_us) {
    return answer(read_timestamp(trim(text), now_us), text, "time",
                  "'2026-11-22 03:12:05', '2026-11-22T03:12:05+02:00', '03:12', 'yesterday', "
                  "'-5min', '2h ago' or '@1795317125', see systemd.time(7)");
}

std::variant<std::int64_t, TimeSyntaxError> parse_time_span(std::string_view text) {
    return answer(read_span(text), text, "time span",
                  "'2s', '500ms' or '1h 30min', see systemd.time(7)");
}

} // namespace portd::client
