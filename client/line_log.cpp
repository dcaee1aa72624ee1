#include "client/line_log.hpp"

#include "client/community_id.hpp"
#include "client/flow_fields.hpp"
#include "client/log_time.hpp"
#include "client/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace portd::client {
namespace {

constexpr std::string_view blanks = " \t\r,";
constexpr std::size_t longest_told_word = 40;

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    for (;;) {
        const std::size_t begin = text.find_first_not_of(blanks);
        if (begin == std::string_view::npos)
            return words;
        const std::size_t end = std::min(text.find_first_of(blanks, begin), text.size());
        words.push_back(text.substr(begin, end - begin));
        text.remove_prefix(end);
    }
}

// The values of one direction of a connection, as conntrack(8) and the packet filter name them.
struct Tuple {
    std::optional<std::string> source, destination;
    std::optional<std::int64_t> source_port, destination_port;

    bool is_whole() const { return source && destination && source_port && destination_port; }
    bool mirrors(const Tuple &other) const {
        return source == other.destination && destination == other.source &&
               source_port == other.destination_port && destination_port == other.source_port;
    }
};

// Whether it was one of the tuple's, and not there yet.
bool take(Tuple &tuple, std::string_view key, std::string_view value) {
    const auto text = [&](std::optional<std::string> &target) {
        return !target && (target = value, true);
    };
    const auto port = [&](std::optional<std::int64_t> &target) {
        return !target && (target = read_port(value)).has_value();
    };
    if (key == "src" || key == "SRC")
        return text(tuple.source);
    if (key == "dst" || key == "DST")
        return text(tuple.destination);
    if (key == "sport" || key == "SPT")
        return port(tuple.source_port);
    if (key == "dport" || key == "DPT")
        return port(tuple.destination_port);
    return false;
}

// A connection that has ended tells how long it was there.
void set_duration(std::string_view text, proto::Flow &flow) {
    const auto duration = parse_log_seconds(text);
    if (!duration || *duration > flow.at_usec)
        return;
    flow.at_usec -= *duration;
    flow.duration_usec = flow.duration_usec.value_or(0) + *duration;
}

LogRow::Kind read_pairs(const std::vector<std::string_view> &words, LogRow &row) {
    proto::Flow &flow = row.flow;
    std::array<Tuple, 2> tuples; // of the original direction, and of the reply
    auto kind = LogRow::Kind::flow;
    for (const std::string_view word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) {
            if (!flow.protocol && (word == "tcp" || word == "udp"))
                read_protocol(word, flow.protocol);
            else if (word == "icmp" || word == "icmpv6")
                kind = LogRow::Kind::no_ports;
            continue;
        }
        const std::string_view key = word.substr(0, equals);
        const std::string_view value = word.substr(equals + 1);
        if (key == "PROTO")
            kind = read_protocol(value, flow.protocol);
        else if (key == "delta-time")
            set_duration(value, flow);
        else if (!take(tuples[0], key, value))
            take(tuples[1], key, value);
    }
    if (kind != LogRow::Kind::flow)
        return kind;
    const auto &[original, reply] = tuples;
    const bool has_addresses = original.source && is_address(*original.source) &&
                               original.destination && is_address(*original.destination);
    if (!has_addresses || (!original.source_port && !original.destination_port)) {
        row.fault = has_addresses ? faults::no_port : faults::no_address;
        return LogRow::Kind::unreadable;
    }
    flow.source_address = original.source;
    flow.source_port = original.source_port;
    flow.destination_address = original.destination;
    flow.destination_port = original.destination_port;
    if (reply.is_whole() && is_address(*reply.source) && is_address(*reply.destination) &&
        !reply.mirrors(original)) {
        flow.translated_source_address = reply.destination;
        flow.translated_source_port = reply.destination_port;
        flow.translated_destination_address = reply.source;
        flow.translated_destination_port = reply.source_port;
    }
    return kind;
}

struct WordEnd {
    std::optional<std::string> address;
    std::int64_t port = 0;
};

// "192.0.2.1:443", "[2001:db8::1]:443", ":443", "443".
std::optional<WordEnd> read_end(std::string_view word) {
    const std::size_t colon = word.rfind(':');
    WordEnd end;
    if (colon != std::string_view::npos && colon > 0) {
        std::string_view address = word.substr(0, colon);
        const bool is_ipv6 = address.starts_with('[') && address.ends_with(']');
        if (is_ipv6)
            address = address.substr(1, address.size() - 2);
        end.address = address;
        if (!is_address(*end.address) || is_ipv6 != (address.find(':') != std::string_view::npos))
            return std::nullopt;
    }
    const auto port = read_port(colon == std::string_view::npos ? word : word.substr(colon + 1));
    if (!port)
        return std::nullopt;
    end.port = *port;
    return end;
}

// Nothing but a protocol and one or two ends, or a Community ID: a guess at other words could name
// a wrong port. Behind a protocol and two ends with addresses nothing needs to be guessed at, but a
// third such end.
LogRow::Kind read_words(const std::vector<std::string_view> &words, LogRow &row) {
    proto::Flow &flow = row.flow;
    std::vector<WordEnd> ends;
    for (const std::string_view word : words) {
        if (word == "->" || word == ">")
            continue;
        const bool is_told =
            flow.protocol && ends.size() == 2 && ends[0].address && ends[1].address;
        if (row.community_id.empty() && is_community_id(word)) {
            row.community_id = word;
        } else if (auto end = read_end(word)) {
            if (!is_told || end->address)
                ends.push_back(*std::move(end));
        } else if (is_told) {
            continue;
        } else if (word == "icmp" || word == "ICMP") {
            return LogRow::Kind::no_ports;
        } else if (flow.protocol || read_protocol(word, flow.protocol) != LogRow::Kind::flow) {
            row.fault = in_quotes(word.substr(0, longest_told_word)) +
                        " is neither a protocol nor an address and a port";
            return LogRow::Kind::unreadable;
        }
    }
    if (ends.empty() && !row.community_id.empty())
        return LogRow::Kind::named;
    if (ends.empty() || ends.size() > 2) {
        row.fault = ends.empty() ? faults::no_port : "it has more than two ends";
        return LogRow::Kind::unreadable;
    }
    flow.source_address = ends[0].address;
    flow.source_port = ends[0].port;
    if (ends.size() == 2) {
        flow.destination_address = ends[1].address;
        flow.destination_port = ends[1].port;
    }
    return LogRow::Kind::flow;
}

} // namespace

LogRow LineLog::read(std::string line) {
    LogRow row;
    const std::size_t begin = line.find_first_not_of(blanks);
    if (begin == std::string::npos || line[begin] == '#')
        return {LogRow::Kind::header, std::move(line)};
    std::string_view rest;
    if (const auto time = take_log_time(line, now_usec_, rest)) {
        row.flow.at_usec = time->usec;
        if (time->unit_usec > 1)
            row.flow.duration_usec = time->unit_usec - 1;
        const auto words = words_of(rest);
        const bool has_pairs = std::ranges::any_of(words, [](std::string_view word) {
            return word.starts_with("src=") || word.starts_with("SRC=");
        });
        row.kind = has_pairs ? read_pairs(words, row) : read_words(words, row);
    } else {
        row.fault = faults::no_time;
    }
    row.line = std::move(line);
    return row;
}

std::string LineLog::write(const LogRow &row, const LogAddition &addition) const {
    std::string line = row.line;
    if (line.ends_with('\r'))
        line.pop_back();
    line += " # portd:";
    for (const auto &[name, value] : addition.columns) {
        if (value.empty())
            continue;
        const bool is_plain = value.find_first_of(" \t\"") == std::string::npos;
        line.append(" ").append(name).append("=");
        std::string quoted;
        for (const char c : escape_text(value, Charset::ascii))
            quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
        line += is_plain ? quoted : '"' + quoted + '"';
    }
    return line;
}

nlohmann::json LineLog::to_json(const LogRow &row) const {
    return {{"line", row.line}};
}

} // namespace portd::client
