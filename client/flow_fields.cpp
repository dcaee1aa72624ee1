#include "client/flow_fields.hpp"

#include "client/community_id.hpp"
#include "client/log_time.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace portd::client {
namespace {

struct Name {
    std::string_view name; // lower case, letters and digits only
    FlowField field;
};

constexpr std::array names{
    Name{"ts", FlowField::time},
    Name{"time", FlowField::time},
    Name{"timestamp", FlowField::time},
    Name{"datetime", FlowField::time},
    Name{"start", FlowField::time},
    Name{"starttime", FlowField::time},
    Name{"flowstart", FlowField::time},
    Name{"eventstart", FlowField::time},
    Name{"firstseen", FlowField::time},
    Name{"flowend", FlowField::end},
    Name{"eventend", FlowField::end},
    Name{"endtime", FlowField::end},
    Name{"lastseen", FlowField::end},
    Name{"duration", FlowField::duration},
    Name{"dur", FlowField::duration},
    Name{"proto", FlowField::protocol},
    Name{"protocol", FlowField::protocol},
    Name{"ipproto", FlowField::protocol},
    Name{"transport", FlowField::protocol},
    Name{"networktransport", FlowField::protocol},
    Name{"idorigh", FlowField::source_address},
    Name{"srcip", FlowField::source_address},
    Name{"sourceip", FlowField::source_address},
    Name{"src", FlowField::source_address},
    Name{"saddr", FlowField::source_address},
    Name{"srcaddr", FlowField::source_address},
    Name{"srcaddress", FlowField::source_address},
    Name{"sourceaddress", FlowField::source_address},
    Name{"localaddress", FlowField::source_address},
    Name{"idorigp", FlowField::source_port},
    Name{"srcport", FlowField::source_port},
    Name{"sport", FlowField::source_port},
    Name{"spt", FlowField::source_port},
    Name{"sourceport", FlowField::source_port},
    Name{"localport", FlowField::source_port},
    Name{"port", FlowField::source_port},
    Name{"idresph", FlowField::destination_address},
    Name{"destip", FlowField::destination_address},
    Name{"dstip", FlowField::destination_address},
    Name{"destinationip", FlowField::destination_address},
    Name{"dst", FlowField::destination_address},
    Name{"daddr", FlowField::destination_address},
    Name{"dstaddr", FlowField::destination_address},
    Name{"dstaddress", FlowField::destination_address},
    Name{"destinationaddress", FlowField::destination_address},
    Name{"peeraddress", FlowField::destination_address},
    Name{"idrespp", FlowField::destination_port},
    Name{"destport", FlowField::destination_port},
    Name{"dstport", FlowField::destination_port},
    Name{"dport", FlowField::destination_port},
    Name{"dpt", FlowField::destination_port},
    Name{"destinationport", FlowField::destination_port},
    Name{"peerport", FlowField::destination_port},
    Name{"communityid", FlowField::community_id},
    Name{"networkcommunityid", FlowField::community_id},
};

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

// As logs write that a column has no value.
bool is_unset(std::string_view text) {
    constexpr std::array<std::string_view, 5> words{"-", "None", "null", "NaN", "nan"};
    return std::ranges::find(words, text) != words.end();
}

} // namespace

std::optional<FlowField> field_named(std::string_view name) {
    std::string plain;
    for (const char c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) != 0)
            plain += lower(c);
    const auto found = std::ranges::find(names, plain, &Name::name);
    return found == names.end() ? std::nullopt : std::optional(found->field);
}

void FlowFields::set(FlowField field, std::string_view value) {
    auto &kept = values_[static_cast<std::size_t>(field)];
    if (!kept && !value.empty())
        kept = value;
}

LogRow::Kind FlowFields::make(LogRow &row, std::int64_t now_usec) const {
    using Kind = LogRow::Kind;
    proto::Flow &flow = row.flow;
    const auto value = [&](FlowField field) -> const std::optional<std::string> & {
        return values_[static_cast<std::size_t>(field)];
    };
    if (const auto &protocol = value(FlowField::protocol))
        if (const Kind kind = read_protocol(*protocol, flow.protocol); kind != Kind::flow)
            return kind;
    const auto time =
        value(FlowField::time) ? parse_log_time(*value(FlowField::time), now_usec) : std::nullopt;
    const auto unreadable = [&row](const char *fault) {
        row.fault = fault;
        return Kind::unreadable;
    };
    if (!time)
        return unreadable(faults::no_time_value);
    flow.at_usec = time->usec;
    std::int64_t duration = 0;
    if (const auto &text = value(FlowField::duration))
        duration = parse_log_seconds(*text).value_or(0);
    if (const auto &text = value(FlowField::end))
        if (const auto end = parse_log_time(*text, now_usec); end && end->usec > time->usec)
            duration = end->usec - time->usec;
    if (duration + time->unit_usec > 1)
        flow.duration_usec = duration + time->unit_usec - 1;
    // False if it is told and cannot be read.
    const auto port = [&](FlowField field, std::optional<std::int64_t> &target) {
        const auto &text = value(field);
        if (!text || is_unset(*text))
            return true;
        target = read_port(*text);
        return target.has_value();
    };
    if (!port(FlowField::source_port, flow.source_port) ||
        !port(FlowField::destination_port, flow.destination_port))
        return unreadable(faults::no_port);
    if (!flow.source_port && !flow.destination_port) {
        row.community_id = value(FlowField::community_id).value_or("");
        return is_community_id(row.community_id) ? Kind::named : unreadable(faults::no_port);
    }
    const auto address = [&](FlowField field, std::optional<std::string> &target) {
        target = value(field);
        return !target || is_address(*target);
    };
    return address(FlowField::source_address, flow.source_address) &&
                   address(FlowField::destination_address, flow.destination_address)
               ? Kind::flow
               : unreadable(faults::no_address);
}

LogRow::Kind read_protocol(std::string_view text, std::optional<Protocol> &protocol) {
    std::string word;
    for (const char c : text)
        word += lower(c);
    if (word == "tcp" || word == "6")
        protocol = Protocol::tcp;
    else if (word == "udp" || word == "17")
        protocol = Protocol::udp;
    else
        return LogRow::Kind::no_ports;
    return LogRow::Kind::flow;
}

std::optional<std::int64_t> read_port(std::string_view text) {
    // A column of numbers in which one is missing is often written with fractions.
    constexpr std::string_view fraction = ".0";
    if (text.ends_with(fraction))
        text.remove_suffix(fraction.size());
    std::int64_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535)
        return std::nullopt;
    return port;
}

bool is_address(const std::string &text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return text.find('\0') == std::string::npos &&
           (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
            ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1);
}

} // namespace portd::client
