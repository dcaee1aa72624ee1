#include "client/empty_answer.hpp"

#include "client/exchange.hpp"
#include "client/text.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

namespace portd::client {
namespace {

using Range = std::pair<std::int64_t, std::int64_t>;

constexpr Range all_ports{1, 65535};
constexpr Range iana_dynamic{49152, 65535}; // RFC 6335, section 6

// "53,8000-8099"; what is no number is passed over.
std::vector<Range> parse_list(std::string_view list) {
    std::vector<Range> ranges;
    while (!list.empty()) {
        const std::string_view one = list.substr(0, list.find(','));
        list.remove_prefix(std::min(one.size() + 1, list.size()));
        Range range{};
        const char *const end = one.data() + one.size();
        const auto low = std::from_chars(one.data(), end, range.first);
        if (low.ec != std::errc())
            continue;
        range.second = range.first;
        if (low.ptr != end)
            std::from_chars(low.ptr + 1, end, range.second);
        ranges.push_back(range);
    }
    return ranges;
}

// What is dynamic for portd is recorded everywhere, and what is so in a namespace there, too.
std::vector<Range> recorded_by(const proto::Status &status, std::int64_t network_namespace) {
    if (status.ports == "all")
        return {all_ports};
    if (status.ports != "dynamic")
        return parse_list(status.ports);
    std::vector<Range> ranges{{status.range_low, status.range_high}, iana_dynamic};
    if (const auto range = local_range(status, network_namespace))
        ranges.push_back(*range);
    return ranges;
}

} // namespace

std::string left_out_remark(std::int64_t port) {
    return "portd cannot tell who held port " + std::to_string(port) +
           ": its setting 'ports' does not record that port.";
}

bool check_recording(const std::optional<std::int64_t> &port, Connection &connection,
                     Session &session) {
    const auto recording = port ? ask_recording(connection, *port) : Recording::recorded;
    if (recording == Recording::left_out)
        session.remark(left_out_remark(*port));
    if (recording == Recording::unsaid)
        session.remark("portd did not say whether it records port " + std::to_string(*port) + ".");
    return recording != Recording::left_out;
}

bool explain_empty(const proto::LeaseFilter &filter, bool withheld, Connection &connection,
                   Session &session) {
    if (!check_recording(filter.port, connection, session))
        return false;
    const auto &name = filter.network_namespace_name;
    if (name && !withheld && !knows_namespace(connection, *name, session))
        session.remark("portd has no lease of any network namespace with the name '" +
                       escape_text(*name, session.charset()) + "'.");
    return true;
}

std::optional<Range> local_range(const proto::Status &status, std::int64_t network_namespace) {
    if (network_namespace == status.network_namespace)
        return Range{status.range_low, status.range_high};
    for (const proto::PoolUse &pool : status.pools)
        if (pool.network_namespace == network_namespace && pool.range_low && pool.range_high)
            return Range{*pool.range_low, *pool.range_high};
    return std::nullopt;
}

LeftOut left_out_ports(const proto::Status &status, std::int64_t network_namespace,
                       std::int64_t low, std::int64_t high) {
    const std::vector<Range> recorded = recorded_by(status, network_namespace);
    LeftOut left_out;
    std::vector<Range> ranges;
    for (std::int64_t port = low; port <= high; ++port) {
        if (std::ranges::any_of(recorded, [port](const Range &range) {
                return range.first <= port && port <= range.second;
            }))
            continue;
        ++left_out.count;
        if (!ranges.empty() && ranges.back().second == port - 1)
            ranges.back().second = port;
        else
            ranges.emplace_back(port, port);
    }
    for (const auto &[first, last] : ranges)
        left_out.ports += (left_out.ports.empty() ? "" : ",") + std::to_string(first) +
                          (last > first ? "-" + std::to_string(last) : "");
    return left_out;
}

} // namespace portd::client
