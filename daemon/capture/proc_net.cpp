#include "capture/proc_net.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace portd::capture {
namespace {

using model::Address;
using model::Endpoint;
using model::SocketState;

// Columns, counted from "sl".
constexpr std::size_t local_column = 1;
constexpr std::size_t peer_column = 2;
constexpr std::size_t state_column = 3;
constexpr std::size_t uid_column = 7;
constexpr std::size_t inode_column = 9;

// The next run of characters that are not blank; empty at the end.
std::string_view take_column(std::string_view &line) {
    const auto begin = std::min(line.find_first_not_of(' '), line.size());
    line.remove_prefix(begin);
    const auto column = line.substr(0, std::min(line.find(' '), line.size()));
    line.remove_prefix(column.size());
    return column;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base) {
    Number number = 0;
    const auto *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number, base);
    if (error != std::errc{} || stop != end)
        return std::nullopt;
    return number;
}

std::optional<Endpoint> parse_endpoint(std::string_view text, Family family) {
    const std::size_t words = family == Family::ipv4 ? 1 : 4;
    constexpr std::size_t digits = 8;
    if (text.size() != words * digits + 5 || text[words * digits] != ':')
        return std::nullopt;
    Endpoint endpoint;
    endpoint.address.family = family;
    for (std::size_t i = 0; i < words; ++i) {
        const auto word = parse_number<std::uint32_t>(text.substr(i * digits, digits), 16);
        if (!word)
            return std::nullopt;
        std::memcpy(endpoint.address.bytes.data() + i * sizeof *word, &*word, sizeof *word);
    }
    const auto port = parse_number<std::uint16_t>(text.substr(words * digits + 1), 16);
    if (!port)
        return std::nullopt;
    endpoint.port = *port;
    return endpoint;
}

std::optional<SocketState> parse_state(std::string_view text) {
    const auto number = parse_number<std::uint8_t>(text, 16);
    if (!number || *number < std::uint8_t(SocketState::established) ||
        *number > std::uint8_t(SocketState::new_syn_received))
        return std::nullopt;
    return SocketState{*number};
}

} // namespace

std::optional<ProcNetRow> parse_proc_net_row(std::string_view line, Family family) {
    std::array<std::string_view, inode_column + 1> columns;
    for (auto &column : columns)
        column = take_column(line);
    if (!columns[0].ends_with(':'))
        return std::nullopt;
    const auto local = parse_endpoint(columns[local_column], family);
    const auto peer = parse_endpoint(columns[peer_column], family);
    const auto state = parse_state(columns[state_column]);
    const auto uid = parse_number<std::uint32_t>(columns[uid_column], 10);
    const auto inode = parse_number<std::uint32_t>(columns[inode_column], 10);
    if (!local || !peer || !state || !uid || !inode)
        return std::nullopt;
    return ProcNetRow{*local, *peer, *state, *uid, *inode};
}

ProcNetTable parse_proc_net(std::string_view text, Family family) {
    ProcNetTable table;
    bool header = true;
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos)
            break;
        const auto line = text.substr(0, end);
        text.remove_prefix(end + 1);
        // UDP's seq_file writes the header with blanks of its own before "sl".
        if (std::exchange(header, false) && line.find("local_address") != std::string_view::npos)
            continue;
        if (auto row = parse_proc_net_row(line, family))
            table.rows.push_back(*row);
        else
            ++table.malformed_rows;
    }
    table.truncated = !text.empty() || header;
    return table;
}

} // namespace portd::capture
