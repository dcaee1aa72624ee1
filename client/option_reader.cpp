#include "client/option_reader.hpp"

#include "client/format.hpp"
#include "client/suggest.hpp"
#include "client/systemd_time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <variant>

namespace portd::client {
namespace {

// Digits only: neither a sign nor blanks.
std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t value = 0;
    const char *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    const bool only_digits = text.find_first_not_of("0123456789") == std::string_view::npos;
    if (error != std::errc() || stop != end || !only_digits)
        return std::nullopt;
    return value;
}

// "tcp or udp", "short, wide or csv".
std::string alternatives(std::span<const std::string> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i)
        text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
    return text;
}

} // namespace

void OptionReader::refuse(std::string message) {
    if (!error_)
        error_ = std::move(message);
}

OptionReader::Integer OptionReader::port(std::string_view option, const Text &text) {
    if (!text)
        return std::nullopt;
    const auto number = parse_number(*text);
    if (!number || *number < 1 || *number > 65535)
        refuse(std::string(option) + " " + in_quotes(*text) +
               " is not a port; give a number from 1 to 65535");
    return number;
}

OptionReader::Integer OptionReader::positive(std::string_view option, const Text &text) {
    if (!text)
        return std::nullopt;
    const auto number = parse_number(*text);
    if (!number || *number < 1)
        refuse(std::string(option) + " " + in_quotes(*text) + ": give a whole number from 1 up");
    return number;
}

std::optional<std::size_t> OptionReader::word(std::string_view option, const Text &text,
                                              std::span<const std::string> words) {
    if (!text)
        return std::nullopt;
    const auto found = std::ranges::find(words, *text);
    if (found != words.end())
        return static_cast<std::size_t>(found - words.begin());
    const auto meant = nearest_word(*text, words);
    refuse(std::string(option) + " " + in_quotes(*text) + ": give " + alternatives(words) +
           (meant ? "; did you mean '" + *meant + "'?" : ""));
    return std::nullopt;
}

std::optional<Protocol> OptionReader::protocol(const Text &text) {
    static const std::array<std::string, 2> words{"tcp", "udp"};
    const auto index = word("--proto", text, words);
    return index ? parse_word<Protocol>(words.at(*index)) : std::nullopt;
}

Detail OptionReader::detail(const Text &text) {
    static const std::array<std::string, 5> words{"short", "wide", "verbose", "json", "csv"};
    switch (word("--output", text, words).value_or(0)) {
    case 1:
        return Detail::wide;
    case 2:
        return Detail::verbose;
    default:
        return Detail::brief;
    }
}

OptionReader::Integer OptionReader::time(std::string_view option, const Text &text) {
    if (!text)
        return std::nullopt;
    const auto parsed = parse_timestamp(*text, now_usec_);
    if (const auto *error = std::get_if<TimeSyntaxError>(&parsed)) {
        refuse(std::string(option) + ": " + error->message);
        return std::nullopt;
    }
    return std::get<std::int64_t>(parsed);
}

OptionReader::Integer OptionReader::past_time(std::string_view option, const Text &text) {
    const auto usec = time(option, text);
    if (usec && *usec > now_usec_)
        refuse(std::string(option) + " " + in_quotes(*text) + " is in the future (" +
               format_instant_in_zone(*usec) + "); give a time up to now");
    return usec;
}

OptionReader::Integer OptionReader::span(std::string_view option, const Text &text) {
    if (!text)
        return std::nullopt;
    const auto parsed = parse_time_span(*text);
    if (const auto *error = std::get_if<TimeSyntaxError>(&parsed)) {
        refuse(std::string(option) + ": " + error->message);
        return std::nullopt;
    }
    return std::get<std::int64_t>(parsed);
}

} // namespace portd::client
