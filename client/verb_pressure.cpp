// portd-ctl pressure: how near the ports that the kernel chooses from are to exhaustion.
#include "client/coverage_text.hpp"
#include "client/exchange.hpp"
#include "client/fields.hpp"
#include "client/format.hpp"
#include "client/lease_filter.hpp"
#include "client/network_setting.hpp"
#include "client/option_reader.hpp"
#include "client/pressure_text.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace portd::client {
namespace {

proto::PressureRequest read(const Typed &typed, OptionReader &reader) {
    proto::PressureRequest request;
    request.protocol = reader.protocol(typed.protocol);
    request.network_namespace = read_inode(typed.network_namespace, reader);
    request.window_usec = reader.span_above_0("--over", typed.over, request.longest_window_usec);
    request.limit = reader.positive("--limit", typed.limit, request.most_destinations);
    return request;
}

void print_table(const std::vector<proto::PoolPressure> &pools, Session &session) {
    std::vector<Row> rows;
    for (const proto::PoolPressure &pool : pools)
        rows.push_back(pressure_row(pool, session.now_usec(), session.charset()));
    session.table(pressure_columns(), rows);
}

// Of what the answer tells how near it is to exhaustion.
enum class Known { all, some, nothing };

Known known_of(const std::vector<proto::PoolPressure> &pools,
               const proto::PressureSummary &summary) {
    if (!summary.range_low)
        return Known::nothing;
    const bool are_all_known = std::ranges::all_of(
        pools, [](const proto::PoolPressure &pool) { return pool.automatic_ports.has_value(); });
    return are_all_known ? Known::all : Known::some;
}

void say_range(const proto::PressureSummary &summary, std::optional<std::int64_t> asked_namespace,
               Session &session) {
    if (!summary.range_low || !summary.range_high)
        return;
    const bool is_own =
        asked_namespace.value_or(summary.network_namespace) == summary.network_namespace;
    const std::string reserved = summary.reserved_ports.value_or("");
    session.remark("ip_local_port_range is " + std::to_string(*summary.range_low) + "-" +
                   std::to_string(*summary.range_high) +
                   (is_own ? " where portd is" : " in that network namespace") + "; reserved: " +
                   (reserved.empty() ? "none" : escape_text(reserved, session.charset())) + ".");
}

void print(const std::vector<proto::PoolPressure> &pools, const proto::PressureSummary &summary,
           std::optional<std::int64_t> asked_namespace, Session &session) {
    const Look &look = session.look();
    if (!pools.empty())
        print_table(pools, session);
    for (const proto::PoolPressure &pool : pools)
        if (const auto remark = lingering_remark(pool, session.now_usec(), look.charset))
            session.remark(*remark);
    const auto troubles = troubles_of(pools, summary, session.now_usec(), look.charset);
    for (const Trouble &trouble : troubles) {
        for (const std::string &sentence : trouble.sentences)
            session.sentence(sentence);
        Fields fields;
        std::string name = "What helps";
        for (const std::string &remedy : trouble.remedies)
            fields.add(std::exchange(name, ""), remedy);
        for (const std::string &line : fields.lines(look.width))
            session.output().line(line);
    }
    const bool any_near = !troubles.empty();
    const Known known = known_of(pools, summary);
    if (known == Known::nothing)
        session.sentence("It is not known how near that network namespace is to exhaustion: portd "
                         "does not know its ip_local_port_range. " +
                         std::string(when_range_is_known));
    else if (!any_near && !std::ranges::all_of(pools, is_growth_known))
        session.sentence(
            std::string("No pool of ports has four fifths in use; how fast they grow ") +
            (summary.withheld ? "is withheld from you."
                              : "is not known: portd has not been watching for long "
                                "enough."));
    else if (!any_near)
        session.sentence("No pool of ports is near to exhaustion, as far as portd knows.");
    if (known == Known::some)
        session.remark("Of some network namespaces it is not known: portd does not know their "
                       "ip_local_port_range. " +
                       std::string(when_range_is_known));
    say_range(summary, asked_namespace, session);
    if (summary.other_destinations > 0)
        session.remark(counted(summary.other_destinations, "other destination") +
                       (summary.other_destinations == 1 ? " has" : " have") +
                       " fewer connections; see --limit.");
    for (const std::string &remark : gap_remarks(summary.coverage, look.charset))
        session.remark(remark);
    if (summary.withheld)
        session.remark(withheld_remark);
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    const proto::PressureRequest request = read(typed, reader);
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Connection connection = session.connect();
    const auto [pools, summary] =
        ask_summed_up(connection, proto::methods::pressure, proto::encode(request), session,
                      &proto::PressureReply::pool, "pool");
    if (!session.wants_json())
        print(pools, summary, request.network_namespace, session);
    if (known_of(pools, summary) == Known::nothing)
        return ExitStatus::incomplete;
    const bool any_near = std::ranges::any_of(
        pools, [&](const proto::PoolPressure &pool) { return is_near(pool, session.now_usec()); });
    if (!any_near && !std::ranges::all_of(pools, is_growth_known))
        return ExitStatus::incomplete;
    return status_of(any_near, summary.coverage.complete, typed);
}

constexpr std::array options{
    VerbOption{"--proto", "tcp|udp", "only this protocol", &Typed::protocol},
    VerbOption{"--netns", "NETNS", "only this network namespace, by inode number or name",
               &Typed::network_namespace},
    VerbOption{"--over", "SPAN", "how far to look back for the growth (default 1min, at most 1d)",
               &Typed::over},
    VerbOption{"--limit", "N", "the N destinations with most connections (default 8, at most 32)",
               &Typed::limit},
    strict_option,
};

constexpr const char *notes = R"(
Each destination (from one address to one address and port) can use each port of
ip_local_port_range once; so can UDP. TCP sockets that were bound without a
destination, or before they connected, take their ports from all destinations. The row
(bind) has the ports of all TCP sockets: bind(2) to every address with port 0, and
listen(2) without a bind(2), get none of them, whatever SO_REUSEADDR says, and fail
(EADDRINUSE) though each destination may have ports left. A port is LIVE while a
connection has it, BOUND while a socket without a peer has it, and LINGERING in
TIME_WAIT and its kin. EXHAUSTED says when none is left if GROWTH goes on as lately;
where it is so slow that this says nothing, it is empty. Ports that linger exhaust
no destination where they are taken again after a second: over loopback if
net.ipv4.tcp_tw_reuse is 2, which the kernel begins with, and always if it is 1. MOST
BY has the programs with most of the ports, and how many. The range of another network
namespace than that of portd is known with eBPF, while processes hold sockets there.
The exit status is 0 if a pool is near to exhaustion: four fifths are in use, or all
will be within an hour; 1 if none is; and 4 if that is not known of the network
namespace that was asked for, or the growth is not known: it is withheld from who may
not see the leases of others, and takes a second of watching.

Examples:
  portd-ctl pressure
  portd-ctl pressure --proto tcp --over 10min
)";

} // namespace

const Verb pressure_verb{"pressure",
                         "Show how near the kernel's ports are to exhaustion",
                         PortArgument::none,
                         options,
                         notes,
                         run};

} // namespace portd::client
