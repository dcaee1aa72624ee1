#include "client/pressure_text.hpp"

#include "client/audit_text.hpp"
#include "client/format.hpp"
#include "client/network_setting.hpp"
#include "client/text.hpp"
#include "proto/loopback.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

namespace portd::client {
namespace {

constexpr std::int64_t hour_usec = 3'600'000'000;
constexpr std::int64_t kernel_low = 32768; // of ip_local_port_range, where nobody has set it
constexpr std::int64_t kernel_high = 60999;

std::string describe_use(const proto::PoolPressure &pool) {
    std::string text = std::to_string(pool.used_ports);
    if (!pool.automatic_ports)
        return text;
    text += " of " + std::to_string(*pool.automatic_ports);
    if (*pool.automatic_ports > 0)
        text += " (" + std::to_string(100 * pool.used_ports / *pool.automatic_ports) + " %)";
    return text;
}

std::string describe_growth(const proto::PoolPressure &pool) {
    if (!pool.ports_per_hour)
        return "unknown";
    if (*pool.ports_per_hour == 0)
        return "";
    const bool grows = *pool.ports_per_hour > 0;
    return (grows ? "+" : "-") +
           format_rate(grows ? *pool.ports_per_hour : -*pool.ports_per_hour, hour_usec);
}

bool is_over_loopback(const proto::PoolPressure &pool) {
    return proto::is_over_loopback(pool.local_address.value_or(""), pool.peer_address.value_or(""));
}

bool does_connect_reuse(const proto::PoolPressure &pool) {
    return pool.peer_address &&
           proto::does_connect_reuse(pool.time_wait_reuse, pool.local_address.value_or(""),
                                     *pool.peer_address);
}

// Those that no connection to the same destination can get.
std::int64_t lost_ports(const proto::PoolPressure &pool) {
    return pool.used_ports - (does_connect_reuse(pool) ? pool.lingering_ports : 0);
}

// Most of its ports are lost to every connection.
bool is_mostly_taken(const proto::PoolPressure &pool) {
    return 2 * pool.taken_ports > pool.used_ports;
}

// Of all TCP sockets: in the way of bind(2).
bool is_for_bind(const proto::PoolPressure &pool) {
    return pool.protocol == Protocol::tcp && !pool.peer_address;
}

bool are_scarce(std::int64_t ports, const proto::PoolPressure &pool) {
    return pool.automatic_ports && 5 * ports >= 4 * *pool.automatic_ports;
}

bool is_exhausted(const proto::PoolPressure &pool) {
    return pool.automatic_ports && lost_ports(pool) >= *pool.automatic_ports;
}

std::string describe_end(const proto::PoolPressure &pool, std::int64_t now_usec) {
    if (is_exhausted(pool))
        return "now";
    if (!pool.exhausted_usec)
        return "";
    return "in " + format_rough_span(*pool.exhausted_usec - now_usec);
}

// Nothing where it is not known or withheld.
std::optional<std::string> main_program(const std::vector<proto::AuditGroup> &programs,
                                        Charset charset) {
    return programs.empty() ? std::nullopt : name_of(programs.front(), AuditBy::program, charset);
}

// ", most of all /usr/bin/curl (17)": a sentence goes on so.
std::string describe_users(const std::vector<proto::AuditGroup> &programs, Charset charset) {
    if (programs.empty())
        return "";
    if (main_program(programs, charset))
        return ", most of all " + describe_programs(programs, charset);
    const proto::AuditGroup &first = programs.front();
    const std::vector<proto::AuditGroup> others(programs.begin() + 1, programs.end());
    return ", most of all programs that " +
           std::string(first.withheld ? "are withheld from you (" : "are not known (") +
           std::to_string(first.leases) + ")" +
           (others.empty() ? "" : ", " + describe_programs(others, charset));
}

std::string describe_destination(const proto::PoolPressure &pool, Charset charset) {
    return pool.peer_address
               ? format_endpoint(*pool.peer_address, pool.peer_port.value_or(0), charset)
               : "";
}

// The kernel's own range if that is the wider one, else what is left above the privileged ports.
std::string wider_range(const proto::PoolPressure &pool) {
    const std::int64_t now_low = pool.range_low.value_or(kernel_low);
    const std::int64_t now_high = pool.range_high.value_or(kernel_high);
    const bool is_inside = now_low >= kernel_low && now_high <= kernel_high &&
                           now_high - now_low < kernel_high - kernel_low;
    const std::int64_t low = is_inside ? kernel_low : std::min<std::int64_t>(now_low, 10240);
    const std::int64_t high = is_inside ? kernel_high : 65535;
    return "net.ipv4.ip_local_port_range='" + std::to_string(low) + " " + std::to_string(high) +
           "'";
}

// Each has settings of its own.
std::optional<OtherNamespace> namespace_of(const proto::PoolPressure &pool,
                                           const proto::PressureSummary &summary) {
    if (pool.network_namespace == summary.network_namespace)
        return std::nullopt;
    return OtherNamespace{pool.network_namespace, pool.network_namespace_name};
}

// Why connect(2) takes ports again.
std::string describe_reuse(const proto::PoolPressure &pool) {
    if (!pool.time_wait_reuse)
        return " over loopback, unless net.ipv4.tcp_tw_reuse is 0, which portd does not know";
    return *pool.time_wait_reuse == TimeWaitReuse::always
               ? ", as net.ipv4.tcp_tw_reuse is 1"
               : " over loopback, as net.ipv4.tcp_tw_reuse is 2";
}

// It costs that nothing but TCP timestamps tells apart what arrives late of a connection, and what
// is of the next one with its ports (RFC 6191).
std::string reuse_remedy(const proto::PoolPressure &pool, const std::optional<OtherNamespace> &in,
                         Charset charset) {
    const std::string setting =
        is_over_loopback(pool) ? "net.ipv4.tcp_tw_reuse=2" : "net.ipv4.tcp_tw_reuse=1";
    return "let connect(2) use a port again a second after its connection (then only TCP "
           "timestamps at both ends "
           "tell its late segments apart from the next one's; without them, nothing changes)" +
           in_namespace(in, charset) + ":\n" + setting_command(setting, in, charset);
}

std::string purpose_of(const proto::PoolPressure &pool, Charset charset) {
    if (pool.peer_address)
        return "Connections from " + escape_text(pool.local_address.value_or(""), charset) +
               " to " + describe_destination(pool, charset);
    return pool.protocol == Protocol::udp ? "UDP sockets" : "TCP sockets";
}

// What a number of ports in a sentence is made of.
std::string describe_parts(const proto::PoolPressure &pool) {
    std::string text;
    const auto add = [&text](std::int64_t count, const char *what) {
        if (count > 0)
            text += (text.empty() ? "" : ", ") + std::to_string(count) + what;
    };
    add(pool.live_ports, " with a connection");
    add(pool.bound_ports, " bound");
    add(pool.lingering_ports, " lingering");
    return text;
}

std::string describe_failing_calls(const proto::PoolPressure &pool) {
    if (pool.protocol == Protocol::udp)
        return "connect and bind fail";
    if (!is_for_bind(pool))
        return "connect fails";
    return pool.automatic_ports && pool.taken_ports >= *pool.automatic_ports
               ? "bind, listen and connect fail"
               : "bind and listen fail";
}

// "in /usr/bin/curl: …".
std::string in_program(const std::vector<proto::AuditGroup> &programs, const std::string &remedy,
                       Charset charset) {
    return "in " + main_program(programs, charset).value_or("the program") + ": " + remedy;
}

// Of connections that are in the way of bind(2).
std::string bind_remedy(const proto::PoolPressure &pool) {
    std::string outside;
    if (pool.range_low && pool.range_high)
        outside = " of " + std::to_string(*pool.range_low) + "-" + std::to_string(*pool.range_high);
    return "in what binds or listens: choose a port outside" + outside +
           ", or bind to an address that these connections are not from (SO_REUSEADDR and "
           "net.ipv4.tcp_tw_reuse do not help bind(2) to port 0)";
}

using Near = std::vector<const proto::PoolPressure *>;

// The one whose users have most of its ports; itself, if that is no other one.
const proto::PoolPressure *cause_of(const proto::PoolPressure &pool, const Near &near) {
    const auto is_beside = [&](const proto::PoolPressure *other) {
        return other->network_namespace == pool.network_namespace &&
               other->protocol == pool.protocol;
    };
    const auto has_its_ports = [&](const proto::PoolPressure *other) {
        if (!is_beside(other))
            return false;
        if (is_mostly_taken(pool))
            return is_mostly_taken(*other);
        return is_for_bind(pool) && other->peer_address && !is_mostly_taken(*other) &&
               2 * (other->used_ports - other->bound_ports) > pool.used_ports;
    };
    const auto found = std::ranges::find_if(near, has_its_ports);
    return found == near.end() ? &pool : *found;
}

} // namespace

bool is_near(const proto::PoolPressure &pool, std::int64_t now_usec) {
    if (!pool.automatic_ports)
        return false;
    const bool is_soon = pool.exhausted_usec && *pool.exhausted_usec - now_usec < hour_usec;
    return is_soon || are_scarce(lost_ports(pool), pool);
}

bool is_growth_known(const proto::PoolPressure &pool) {
    return !pool.automatic_ports || pool.ports_per_hour;
}

std::optional<std::string> lingering_remark(const proto::PoolPressure &pool, std::int64_t now_usec,
                                            Charset charset) {
    if (is_near(pool, now_usec) || !are_scarce(pool.used_ports, pool))
        return std::nullopt;
    return std::to_string(pool.lingering_ports) + " ports linger after connections to " +
           describe_destination(pool, charset) +
           ": connect(2) takes such ports again after a second" + describe_reuse(pool) + ".";
}

std::vector<Column> pressure_columns() {
    return {
        {"PROTO", Column::always},
        {"NETNS", 20},
        {"FROM", 40, Cut::middle, 12},
        {"TO", 90, Cut::middle, 16},
        {"USED", Column::always},
        {"LIVE", 60},
        {"BOUND", 60},
        {"LINGERING", 60},
        {"GROWTH", 85},
        {"EXHAUSTED", Column::always},
        {"MOST BY", 80, Cut::end, 20},
    };
}

Row pressure_row(const proto::PoolPressure &pool, std::int64_t now_usec, Charset charset) {
    const auto number = [](std::int64_t count) { return count > 0 ? std::to_string(count) : ""; };
    return {
        {std::string(portd::to_string(pool.protocol))},
        {format_namespace(pool.network_namespace, pool.network_namespace_name, charset)},
        {escape_text(pool.local_address.value_or("any"), charset)},
        {pool.peer_address   ? describe_destination(pool, charset)
         : is_for_bind(pool) ? "(bind)"
                             : "(bound)"},
        {describe_use(pool), is_near(pool, now_usec) ? Style::caution : Style::plain},
        {number(pool.live_ports)},
        {number(pool.bound_ports)},
        {number(pool.lingering_ports)},
        {describe_growth(pool)},
        {describe_end(pool, now_usec), Style::caution},
        {describe_programs(pool.programs, charset)},
    };
}

std::string describe_trouble(const proto::PoolPressure &pool, const proto::PressureSummary &summary,
                             Charset charset) {
    std::string text = purpose_of(pool, charset) +
                       in_namespace(namespace_of(pool, summary), charset) + " use " +
                       describe_use(pool) + " ports";
    if (is_for_bind(pool))
        text += ", in the way of bind(2) to port 0 at every address and of listen(2) without a "
                "port: " +
                describe_parts(pool) + describe_users(pool.programs, charset);
    else if (is_mostly_taken(pool))
        text += ": " + std::to_string(pool.taken_ports) +
                " are bound, and lost to every destination" +
                describe_users(pool.taken_by, charset);
    else if (pool.kind == "timeWait")
        text += ", most of them lingering in TIME_WAIT for 60 s after their connection" +
                describe_users(pool.programs, charset);
    else
        text += describe_users(pool.programs, charset);
    if (const std::string growth = describe_growth(pool); !growth.empty() && growth != "unknown")
        text += "; they grow by " + growth;
    if (is_exhausted(pool))
        text += "; there is none left (" + describe_failing_calls(pool) + ")";
    else if (pool.exhausted_usec)
        text += "; none is left at " + format_instant(*pool.exhausted_usec, Digits::seconds);
    return text + ".";
}

std::vector<std::string> remedies_of(const proto::PoolPressure &pool,
                                     const proto::PressureSummary &summary, Charset charset) {
    const auto in = namespace_of(pool, summary);
    std::vector<std::string> remedies;
    const bool is_taken = is_mostly_taken(pool);
    if (pool.kind == "timeWait" && !is_taken && !does_connect_reuse(pool))
        remedies.push_back(reuse_remedy(pool, in, charset));
    remedies.push_back("more ports" + in_namespace(in, charset) + ":\n" +
                       setting_command(wider_range(pool), in, charset));
    constexpr const char *use_again = "keep connections open and use them again";
    if (is_taken)
        remedies.push_back(in_program(pool.taken_by,
                                      "close what is done with; set IP_BIND_ADDRESS_NO_PORT "
                                      "before a bind(2) that is followed by connect(2)",
                                      charset));
    else if (is_for_bind(pool))
        remedies.push_back(in_program(pool.programs,
                                      pool.lingering_ports > pool.live_ports
                                          ? use_again
                                          : "close connections that are done with",
                                      charset));
    else if (pool.kind == "timeWait")
        remedies.push_back(in_program(pool.programs, use_again, charset));
    else if (pool.kind == "oneDestination")
        remedies.push_back(in_program(pool.programs,
                                      "close connections that are done with, or connect to, or "
                                      "from, more than one address",
                                      charset));
    else
        remedies.push_back(
            in_program(pool.programs,
                       "close what is done with, or send to all peers from one socket", charset));
    if (is_for_bind(pool) && !is_taken)
        remedies.push_back(bind_remedy(pool));
    return remedies;
}

std::vector<Trouble> troubles_of(const std::vector<proto::PoolPressure> &pools,
                                 const proto::PressureSummary &summary, std::int64_t now_usec,
                                 Charset charset) {
    Near near;
    for (const proto::PoolPressure &pool : pools)
        if (is_near(pool, now_usec))
            near.push_back(&pool);
    // Of several causes that the same helps against, it is told once.
    std::vector<std::vector<std::string>> told;
    std::vector<Trouble> troubles;
    for (const proto::PoolPressure *pool : near) {
        const proto::PoolPressure *const cause = cause_of(*pool, near);
        std::vector<std::string> remedies = remedies_of(*cause, summary, charset);
        const auto place = std::ranges::find(told, remedies) - told.begin();
        if (place == std::ssize(told)) {
            told.push_back(remedies);
            troubles.push_back({{}, std::move(remedies)});
        }
        Trouble &trouble = troubles[static_cast<std::size_t>(place)];
        trouble.sentences.push_back(describe_trouble(*pool, summary, charset));
        if (is_for_bind(*pool) && cause->peer_address && !is_mostly_taken(*pool))
            trouble.remedies.push_back(bind_remedy(*pool));
    }
    return troubles;
}

} // namespace portd::client
