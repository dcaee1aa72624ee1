#include "client/log_time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <string>

namespace portd::client {
namespace {

constexpr std::int64_t second_usec = 1'000'000;
// 9999-12-31: no log has a later one.
constexpr std::int64_t most_seconds = 253'402'300'799;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Takes what it reads off the front of the text.
class Cursor {
  public:
    explicit Cursor(std::string_view text) : text_(text) {}

    bool at_end() const { return text_.empty(); }
    std::string_view rest() const { return text_; }
    bool take(char c) {
        if (text_.empty() || text_.front() != c)
            return false;
        text_.remove_prefix(1);
        return true;
    }
    // From `least` to `most` digits.
    std::optional<std::int64_t> number(std::size_t least, std::size_t most) {
        std::size_t digits = 0;
        while (digits < text_.size() && digits < most && is_digit(text_[digits]))
            ++digits;
        if (digits < least)
            return std::nullopt;
        std::int64_t value = 0;
        std::from_chars(text_.data(), text_.data() + digits, value);
        text_.remove_prefix(digits);
        return value;
    }
    // Digits after a point, as microseconds; what is finer is cut off.
    std::optional<LogTime> fraction() {
        LogTime fraction{0, second_usec};
        if (!take('.') && !take(','))
            return fraction;
        if (text_.empty() || !is_digit(text_.front()))
            return std::nullopt;
        for (; !text_.empty() && is_digit(text_.front()); text_.remove_prefix(1))
            if (fraction.unit_usec > 1) {
                fraction.unit_usec /= 10;
                fraction.usec += (text_.front() - '0') * fraction.unit_usec;
            }
        return fraction;
    }

  private:
    std::string_view text_;
};

std::optional<LogTime> parse_epoch(std::string_view text) {
    Cursor cursor(text);
    const auto whole = cursor.number(1, 16);
    if (!whole)
        return std::nullopt;
    const std::size_t digits = text.size() - cursor.rest().size();
    if (digits >= 13) {
        const std::int64_t unit = digits == 13 ? 1'000 : 1;
        return cursor.at_end() && (digits == 13 || digits == 16)
                   ? std::optional(LogTime{*whole * unit, unit})
                   : std::nullopt;
    }
    const auto fraction = cursor.fraction();
    if (!fraction || !cursor.at_end() || *whole > most_seconds)
        return std::nullopt;
    return LogTime{*whole * second_usec + fraction->usec, fraction->unit_usec};
}

struct TimeOfDay {
    std::int64_t hour, minute, second;
};

std::optional<TimeOfDay> take_time_of_day(Cursor &cursor) {
    const auto hour = cursor.number(2, 2);
    if (!hour || !cursor.take(':'))
        return std::nullopt;
    const auto minute = cursor.number(2, 2);
    if (!minute || !cursor.take(':'))
        return std::nullopt;
    const auto second = cursor.number(2, 2);
    if (!second || *hour > 23 || *minute > 59 || *second > 60)
        return std::nullopt;
    return TimeOfDay{*hour, *minute, *second};
}

std::tm calendar(std::int64_t year, std::int64_t month, std::int64_t day, const TimeOfDay &time) {
    std::tm tm{};
    tm.tm_year = static_cast<int>(year - 1900);
    tm.tm_mon = static_cast<int>(month - 1);
    tm.tm_mday = static_cast<int>(day);
    tm.tm_hour = static_cast<int>(time.hour);
    tm.tm_min = static_cast<int>(time.minute);
    tm.tm_sec = static_cast<int>(time.second);
    tm.tm_isdst = -1;
    return tm;
}

// Seconds east of Greenwich; absent: no zone is told. False: it is no zone.
bool take_zone(Cursor &cursor, std::optional<std::int64_t> &offset) {
    cursor.take(' ');
    if (cursor.at_end())
        return true;
    if (cursor.take('Z') || cursor.take('z')) {
        offset = 0;
        return true;
    }
    const bool is_west = cursor.take('-');
    if (!is_west && !cursor.take('+'))
        return false;
    const auto hours = cursor.number(2, 2);
    cursor.take(':');
    const auto minutes = cursor.at_end() ? std::optional<std::int64_t>(0) : cursor.number(2, 2);
    if (!hours || !minutes || *hours > 14 || *minutes > 59)
        return false;
    offset = (is_west ? -1 : 1) * (*hours * 3600 + *minutes * 60);
    return true;
}

std::optional<LogTime> parse_date(std::string_view text) {
    Cursor cursor(text);
    const auto year = cursor.number(4, 4);
    if (!year || (!cursor.take('-') && !cursor.take('/')))
        return std::nullopt;
    const auto month = cursor.number(2, 2);
    if (!month || (!cursor.take('-') && !cursor.take('/')))
        return std::nullopt;
    const auto day = cursor.number(2, 2);
    if (!day || (!cursor.take('T') && !cursor.take('t') && !cursor.take(' ')))
        return std::nullopt;
    const auto time = take_time_of_day(cursor);
    const auto date = std::chrono::year(static_cast<int>(*year)) / static_cast<int>(*month) /
                      static_cast<int>(*day);
    if (!time || *year < 1970 || !date.ok())
        return std::nullopt;
    const auto fraction = cursor.fraction();
    std::optional<std::int64_t> offset;
    if (!fraction || !take_zone(cursor, offset) || !cursor.at_end())
        return std::nullopt;
    std::tm tm = calendar(*year, *month, *day, *time);
    const std::int64_t seconds = offset ? ::timegm(&tm) - *offset : ::mktime(&tm);
    if (seconds < 0)
        return std::nullopt;
    return LogTime{seconds * second_usec + fraction->usec, fraction->unit_usec};
}

// The year is not told.
std::optional<LogTime> parse_syslog(std::string_view text, std::int64_t now_usec) {
    constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto month = std::ranges::find(months, text.substr(0, 3));
    if (month == months.end())
        return std::nullopt;
    Cursor cursor(text.substr(3));
    while (cursor.take(' '))
        continue;
    const auto day = cursor.number(1, 2);
    if (!day || *day < 1 || *day > 31 || !cursor.take(' '))
        return std::nullopt;
    const auto time = take_time_of_day(cursor);
    const auto fraction = cursor.fraction();
    if (!time || !fraction || !cursor.at_end())
        return std::nullopt;
    // Clocks differ: a little later than now is still this year.
    constexpr std::int64_t a_day = 86'400;
    const std::time_t now = now_usec / second_usec;
    std::tm today{};
    ::localtime_r(&now, &today);
    std::int64_t seconds = 0;
    for (const int years_ago : {0, 1}) {
        std::tm tm =
            calendar(today.tm_year + 1900 - years_ago, month - months.begin() + 1, *day, *time);
        seconds = ::mktime(&tm);
        if (seconds <= now + a_day)
            break;
    }
    if (seconds < 0)
        return std::nullopt;
    return LogTime{seconds * second_usec + fraction->usec, fraction->unit_usec};
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

} // namespace

std::optional<LogTime> parse_log_time(std::string_view text, std::int64_t now_usec) {
    text = trimmed(text);
    if (auto time = parse_epoch(text))
        return time;
    if (auto time = parse_date(text))
        return time;
    return parse_syslog(text, now_usec);
}

std::optional<LogTime> take_log_time(std::string_view line, std::int64_t now_usec,
                                     std::string_view &rest) {
    line = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.starts_with('[')) {
        const std::size_t end = line.find(']');
        if (end == std::string_view::npos)
            return std::nullopt;
        rest = line.substr(end + 1);
        return parse_log_time(line.substr(1, end - 1), now_usec);
    }
    // One word, or a date and a time, or a month, a day and a time.
    std::size_t end = 0;
    std::optional<LogTime> found;
    for (int words = 1; words <= 3 && end < line.size(); ++words) {
        end = std::min(line.find_first_not_of(' ', end), line.size());
        end = std::min(line.find_first_of(" \t", end), line.size());
        if (auto time = parse_log_time(line.substr(0, end), now_usec)) {
            found = time;
            rest = line.substr(end);
            break;
        }
    }
    return found;
}

std::optional<std::int64_t> parse_log_seconds(std::string_view text) {
    Cursor cursor(trimmed(text));
    const auto whole = cursor.number(1, 11);
    const auto fraction = whole ? cursor.fraction() : std::nullopt;
    if (!fraction || !cursor.at_end())
        return std::nullopt;
    return *whole * second_usec + fraction->usec;
}

} // namespace portd::client
