#include "client/option_reader.hpp"

#include "client/format.hpp"
#include "client/suggest.hpp"
#include "client/systemd_time.hpp"

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

// The word, or an error that says which words there are.
std::string no_such_word(std::string_view option, const std::string &text,
                         std::span<const std::string> words) {
    const auto meant = nearest_word(text, words);
    return std::string(option) + " " + in_quotes(text) + ": give " + words[0] + " or " + words[1] +
           (meant ? "; did you mean '" + *meant + "'?" : "");
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

std::optional<Protocol> OptionReader::protocol(const Text &text) {
    static const std::array<std::string, 2> words{"tcp", "udp"};
    if (!text)
        return std::nullopt;
    const auto protocol = parse_word<Protocol>(*text);
    if (!protocol)
        refuse(no_such_word("--proto", *text, words));
    return protocol;
}

Detail OptionReader::detail(const Text &text) {
    static const std::array<std::string, 2> words{"short", "wide"};
    if (!text || *text == words[0])
        return Detail::brief;
    if (*text != words[1])
        refuse(no_such_word("--output", *text, words));
    return Detail::wide;
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
