#include "client/option_reader.hpp"

#include "client/format.hpp"
#include "client/suggest.hpp"
#include "client/systemd_time.hpp"

#include <arpa/inet.h>
#include <pwd.h>

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

std::string cannot_use(std::string_view option, const std::string &text) {
    return std::string(option) + " " + in_quotes(text);
}

// "192.0.2.1", "2001:db8::/32".
bool is_address_range(const std::string &text) {
    const std::size_t slash = text.find('/');
    const std::string address = text.substr(0, slash);
    std::array<unsigned char, 16> ignored{};
    const bool is_ipv4 = inet_pton(AF_INET, address.c_str(), ignored.data()) == 1;
    if (!is_ipv4 && inet_pton(AF_INET6, address.c_str(), ignored.data()) != 1)
        return false;
    if (slash == std::string::npos)
        return true;
    const auto bits = parse_number(std::string_view(text).substr(slash + 1));
    return bits && *bits <= (is_ipv4 ? 32 : 128);
}

struct PeerParts {
    std::string address;
    std::optional<std::string> port;
};

std::optional<PeerParts> split_peer(const std::string &text) {
    if (!text.starts_with('[')) {
        const auto colons = std::ranges::count(text, ':');
        if (colons != 1)
            return PeerParts{text, {}};
        const std::size_t colon = text.find(':');
        return PeerParts{text.substr(0, colon), text.substr(colon + 1)};
    }
    const std::size_t bracket = text.find(']');
    if (bracket == std::string::npos)
        return std::nullopt;
    const std::string address = text.substr(1, bracket - 1);
    const std::string rest = text.substr(bracket + 1);
    if (address.empty() || (!rest.empty() && rest[0] != ':'))
        return std::nullopt;
    if (rest.empty())
        return PeerParts{address, {}};
    return PeerParts{address, rest.substr(1)};
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

std::optional<OptionReader::PortRange> OptionReader::port_range(std::string_view option,
                                                                const Text &text) {
    if (!text)
        return std::nullopt;
    const std::size_t dash = std::min(text->find('-'), text->size());
    const auto low = parse_number(text->substr(0, dash));
    const auto high = parse_number(text->substr(std::min(dash + 1, text->size())));
    if (!low || !high || *low < 1 || *low > *high || *high > 65535) {
        refuse(std::string(option) + " " + in_quotes(*text) +
               " is no range of ports; give one such as 49152-65535");
        return std::nullopt;
    }
    return PortRange{*low, *high};
}

OptionReader::Integer OptionReader::positive(std::string_view option, const Text &text,
                                             Integer most) {
    if (!text)
        return std::nullopt;
    const auto number = parse_number(*text);
    if (!number || *number < 1 || (most && *number > *most))
        refuse(cannot_use(option, *text) + ": give a whole number from 1 " +
               (most ? "to " + std::to_string(*most) : "up"));
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

std::optional<Role> OptionReader::role(const Text &text) {
    static const std::array<std::string, 4> words{"client", "listener", "accepted", "datagram"};
    const auto index = word("--role", text, words);
    return index ? parse_word<Role>(words.at(*index)) : std::nullopt;
}

std::optional<Outcome> OptionReader::outcome(const Text &text) {
    static const std::array<std::string, 6> words{"closed",   "refused",     "reset",
                                                  "timedOut", "unreachable", "abandoned"};
    const auto index = word("--outcome", text, words);
    return index ? parse_word<Outcome>(words.at(*index)) : std::nullopt;
}

OptionReader::Text OptionReader::name(std::string_view option, const Text &text,
                                      std::string_view what) {
    if (text && text->empty())
        refuse(cannot_use(option, *text) + ": give " + std::string(what));
    return text;
}

OptionReader::Integer OptionReader::user(std::string_view option, const Text &text) {
    constexpr std::int64_t largest_uid = 4'294'967'294;
    if (!text)
        return std::nullopt;
    if (const auto number = parse_number(*text)) {
        if (*number > largest_uid)
            refuse(cannot_use(option, *text) + ": uids end at " + std::to_string(largest_uid));
        return number;
    }
    if (const passwd *const entry = text->empty() ? nullptr : getpwnam(text->c_str()))
        return std::int64_t{entry->pw_uid};
    refuse(cannot_use(option, *text) +
           " is not a user of this machine; give the name of one, or a uid");
    return std::nullopt;
}

OptionReader::Text OptionReader::addresses(std::string_view option, const Text &text) {
    if (text && !is_address_range(*text))
        refuse(cannot_use(option, *text) +
               " is not an address; give one such as 192.0.2.1, 2001:db8::1 or 192.0.2.0/24");
    return text;
}

OptionReader::Peer OptionReader::peer(std::string_view option, const Text &text) {
    if (!text)
        return {};
    const auto parts = split_peer(*text);
    if (!parts || (parts->address.empty() && !parts->port) ||
        (!parts->address.empty() && !is_address_range(parts->address))) {
        refuse(cannot_use(option, *text) +
               " is not ADDR[:PORT]; give one such as 192.0.2.1, 192.0.2.1:443, "
               "[2001:db8::1]:443 or :443");
        return {};
    }
    Peer peer;
    if (!parts->address.empty())
        peer.address = parts->address;
    if (parts->port) {
        peer.port = parse_number(*parts->port);
        if (!peer.port || *peer.port < 1 || *peer.port > 65535)
            refuse(cannot_use(option, *text) + ": " + in_quotes(*parts->port) +
                   " is not a port; give a number from 1 to 65535");
    }
    return peer;
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

OptionReader::Integer OptionReader::past_time(std::string_view option, const Text &text,
                                              const std::function<std::int64_t()> &latest_shown) {
    const auto usec = time(option, text);
    if (usec && *usec > now_usec_ && !(latest_shown && *usec <= latest_shown()))
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

OptionReader::Integer OptionReader::span_above_0(std::string_view option, const Text &text,
                                                 Integer most_usec) {
    const auto usec = span(option, text);
    if (usec == 0 || (most_usec && usec > *most_usec))
        refuse(cannot_use(option, *text) + ": give a span above 0" +
               (most_usec ? ", up to " + format_rough_span(*most_usec) : ""));
    return usec;
}

} // namespace portd::client
