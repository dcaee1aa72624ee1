// portd-ctl conflicts: services on ports that the kernel may give to anybody.
#include "client/audit_text.hpp"
#include "client/conflicts_text.hpp"
#include "client/coverage_text.hpp"
#include "client/exchange.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <vector>

namespace portd::client {
namespace {

void print(const std::vector<proto::PortConflict> &conflicts,
           const proto::ConflictsSummary &summary, Session &session) {
    const Look &look = session.look();
    if (!conflicts.empty()) {
        std::vector<Row> rows;
        for (const proto::PortConflict &conflict : conflicts)
            rows.push_back(conflict_row(conflict, look.charset));
        session.table(conflict_columns(), rows);
        session.sentence("To keep the kernel from choosing such a port:");
        session.output().line(reserving_command(conflicts, summary, look.charset));
    }
    for (const std::string &sentence : describe_rest(conflicts, summary))
        session.remark(sentence);
    session.remark("Other network namespaces than the one that portd is in were not looked at.");
    for (const std::string &remark : gap_remarks(summary.coverage, look.charset))
        session.remark(remark);
    if (summary.withheld)
        session.remark(withheld_remark);
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    proto::ConflictsRequest request;
    request.since_usec = reader.past_time("--since", typed.since);
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Connection connection = session.connect();
    const auto [conflicts, summary] =
        ask_summed_up(connection, proto::methods::conflicts, proto::encode(request), session,
                      &proto::ConflictsReply::conflict, "conflict");
    if (!session.wants_json())
        print(conflicts, summary, session);
    return status_of(!conflicts.empty(), summary.coverage.complete, typed);
}

constexpr std::array options{
    VerbOption{"--since", "TIME", "count what the kernel chose since then (default: a week)",
               &Typed::since},
    strict_option,
};

constexpr const char *notes = R"(
A service on a fixed port inside of ip_local_port_range works until some connection
gets its port first; then it cannot start. Shown are the ports of its own choice that
a TCP listener or a UDP socket without a peer has, or that a bind was refused, though
the kernel may choose them, and how often it did: CHOSEN. REFUSED counts binds that
failed because of that. Only the network namespace that portd is in is looked at.
Reserving the ports keeps the kernel from choosing them; programs still can.
The exit status is 0 if there are such ports, and 1 if there are none.

Examples:
  portd-ctl conflicts
  portd-ctl conflicts --since -30d --json
)";

} // namespace

const Verb conflicts_verb{"conflicts",
                          "Find services on ports that the kernel may give away",
                          PortArgument::none,
                          options,
                          notes,
                          run};

} // namespace portd::client
