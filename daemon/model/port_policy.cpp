#include "model/port_policy.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace portd::model {
namespace {

bool any_contains(const std::vector<PortRange> &ranges, std::uint16_t port) {
    return std::ranges::any_of(ranges, [&](const PortRange &r) { return r.contains(port); });
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view blank = " \t\n";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return port;
}

std::optional<PortRange> parse_item(std::string_view text) {
    const auto dash = text.find('-');
    const auto low = parse_port(trim(text.substr(0, dash)));
    const auto high =
        dash == std::string_view::npos ? low : parse_port(trim(text.substr(dash + 1)));
    if (!low || !high || *low > *high)
        return std::nullopt;
    return PortRange{*low, *high};
}

} // namespace

bool NamespacePorts::is_reserved(std::uint16_t port) const {
    const auto after = std::ranges::upper_bound(reserved, port, {}, &PortRange::low);
    return after != reserved.begin() && std::prev(after)->contains(port);
}

bool NamespacePorts::can_be_automatic(std::uint16_t port) const {
    return local_range.contains(port) && !is_reserved(port);
}

std::int64_t NamespacePorts::automatic_ports() const {
    std::int64_t ports = local_range.high - local_range.low + 1;
    for (const PortRange &range : reserved) {
        const int low = std::max(range.low, local_range.low);
        const int high = std::min(range.high, local_range.high);
        ports -= std::max(high - low + 1, 0);
    }
    return ports;
}

std::optional<PortRange> parse_local_port_range(std::string_view text) {
    text = trim(text);
    const auto gap = text.find_first_of(" \t");
    if (gap == std::string_view::npos)
        return std::nullopt;
    const auto low = parse_port(text.substr(0, gap));
    const auto high = parse_port(trim(text.substr(gap)));
    if (!low || !high || *low == 0 || *low > *high)
        return std::nullopt;
    return PortRange{*low, *high};
}

std::optional<std::vector<PortRange>> parse_port_list(std::string_view text) {
    std::vector<PortRange> ranges;
    text = trim(text);
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto item = parse_item(trim(text.substr(0, comma)));
        if (!item)
            return std::nullopt;
        ranges.push_back(*item);
        if (comma == std::string_view::npos)
            return ranges;
        text = text.substr(comma + 1);
        if (text.empty())
            return std::nullopt;
    }
    return ranges;
}

std::optional<TimeWaitReuse> time_wait_reuse_of(int value) {
    if (value < 0 || value > static_cast<int>(TimeWaitReuse::loopback))
        return std::nullopt;
    return static_cast<TimeWaitReuse>(value);
}

std::string port_list_text(const std::vector<PortRange> &ranges) {
    std::string text;
    for (const PortRange &range : ranges) {
        if (!text.empty())
            text += ',';
        text += std::to_string(range.low);
        if (range.high != range.low)
            text += '-' + std::to_string(range.high);
    }
    return text;
}

std::variant<PortPolicy, PortSettingError> PortPolicy::parse(std::string_view setting) {
    PortPolicy policy;
    if (setting == "dynamic")
        return policy;
    if (setting == "all") {
        policy.kind_ = Kind::all;
        return policy;
    }
    const auto list = parse_port_list(setting);
    if (!list || list->empty() || any_contains(*list, 0))
        return PortSettingError{std::string("'").append(setting).append(
            "' is not 'dynamic', 'all' or a list of ports and ranges between 1 and 65535 such as "
            "'53,8000-8099'")};
    policy.kind_ = Kind::list;
    policy.list_ = *list;
    return policy;
}

bool PortPolicy::records(std::uint16_t port, const NamespacePorts &ports) const {
    switch (kind_) {
    case Kind::dynamic:
        return ports.local_range.contains(port) || iana_dynamic.contains(port);
    case Kind::all:
        return port != 0;
    case Kind::list:
        return any_contains(list_, port);
    }
    return false;
}

std::string PortPolicy::to_string() const {
    switch (kind_) {
    case Kind::dynamic:
        return "dynamic";
    case Kind::all:
        return "all";
    case Kind::list:
        return port_list_text(list_);
    }
    return "";
}

} // namespace portd::model
