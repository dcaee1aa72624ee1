#include "cursor.hpp"

#include <array>
#include <charconv>
#include <cstddef>

namespace portd::server {
namespace {

// Version, order, serial of the lease, instant and number of the bind failure; empty where there is
// none.
using Fields = std::array<std::string_view, 5>;
constexpr std::string_view version = "1";
constexpr std::string_view newest_first = "n";
constexpr std::string_view oldest_first = "o";

std::optional<Fields> split(std::string_view text) {
    Fields fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const std::size_t end = text.find(':');
        const bool is_last = i + 1 == fields.size();
        if ((end == std::string_view::npos) != is_last)
            return std::nullopt;
        fields[i] = text.substr(0, end);
        text.remove_prefix(is_last ? text.size() : end + 1);
    }
    return fields;
}

std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t value = 0;
    const char *const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end)
        return std::nullopt;
    return value;
}

} // namespace

std::string to_text(const Cursor &cursor) {
    std::string text(version);
    text.append(":").append(cursor.newest_first ? newest_first : oldest_first).append(":");
    text += (cursor.lease ? std::to_string(*cursor.lease) : "") + ":";
    if (const auto &failure = cursor.bind_failure)
        text += std::to_string(failure->at_us) + ":" + std::to_string(failure->number);
    else
        text += ":";
    return text;
}

std::optional<Cursor> parse_cursor(std::string_view text) {
    const auto fields = split(text);
    if (!fields)
        return std::nullopt;
    Cursor cursor;
    cursor.newest_first = (*fields)[1] == newest_first;
    cursor.lease = parse_number((*fields)[2]);
    const auto at_us = parse_number((*fields)[3]);
    const auto number = parse_number((*fields)[4]);
    if (at_us && number)
        cursor.bind_failure = {*at_us, *number};
    // Serials are positive; and what was passed over above is noticed here.
    if ((cursor.lease && *cursor.lease <= 0) || to_text(cursor) != text)
        return std::nullopt;
    return cursor;
}

} // namespace portd::server
