#include "client/conflicts_text.hpp"

#include "client/audit_text.hpp"
#include "client/format.hpp"
#include "client/lease_text.hpp"

#include <set>

namespace portd::client {
namespace {

// The program that has the port, or tried to.
const proto::Process *service_of(const proto::PortConflict &conflict) {
    if (conflict.holder)
        return &telling(*conflict.holder);
    return conflict.last_refused ? &conflict.last_refused->process : nullptr;
}

std::string user_of(const proto::PortConflict &conflict, Charset charset) {
    if (conflict.holder)
        return format_user(*conflict.holder, charset);
    return conflict.last_refused ? format_user(*conflict.last_refused, charset) : "";
}

std::string range_of(const proto::ConflictsSummary &summary) {
    return std::to_string(summary.range_low) + "-" + std::to_string(summary.range_high);
}

} // namespace

std::vector<Column> conflict_columns() {
    return {
        {"PORT", Column::always},
        {"PROTO", Column::always},
        {"SERVICE", Column::always, Cut::end, 16},
        {"USER", 60},
        {"UNIT", 50, Cut::middle, 12},
        {"HELD SINCE", 40},
        {"CHOSEN", Column::always},
        {"LAST CHOSEN", 70},
        {"FOR", 65, Cut::end, 16},
        {"REFUSED", 80},
    };
}

Row conflict_row(const proto::PortConflict &conflict, Charset charset) {
    const proto::Process *service = service_of(conflict);
    return {
        {std::to_string(conflict.port), Style::bold},
        {std::string(portd::to_string(conflict.protocol))},
        {service ? format_process(*service, charset) : "unknown"},
        {user_of(conflict, charset)},
        {service && service->unit ? escape_text(*service->unit, charset) : ""},
        {conflict.holder ? format_moment(conflict.holder->opened, charset) : "not held"},
        {std::to_string(conflict.automatic_leases),
         conflict.automatic_leases > 0 ? Style::caution : Style::plain},
        {conflict.last_automatic_usec
             ? format_instant(*conflict.last_automatic_usec, Digits::seconds)
             : ""},
        {describe_programs(conflict.programs, charset)},
        {conflict.refused_binds > 0 ? std::to_string(conflict.refused_binds) : "", Style::caution},
    };
}

std::string reserving_command(const std::vector<proto::PortConflict> &conflicts,
                              const proto::ConflictsSummary &summary, Charset charset) {
    std::set<std::int64_t> ports;
    for (const proto::PortConflict &conflict : conflicts)
        ports.insert(conflict.port);
    std::string list = escape_text(summary.reserved_ports, charset);
    for (const std::int64_t port : ports)
        list += (list.empty() ? "" : ",") + std::to_string(port);
    return "sysctl -w net.ipv4.ip_local_reserved_ports=" + list;
}

std::vector<std::string> describe_rest(const std::vector<proto::PortConflict> &conflicts,
                                       const proto::ConflictsSummary &summary) {
    std::vector<std::string> sentences;
    if (conflicts.empty())
        sentences.push_back(std::string("portd sees no service") +
                            (summary.withheld ? " that you may see" : "") +
                            " on a port that the kernel may choose (" + range_of(summary) + ").");
    if (summary.reserved > 0)
        sentences.push_back(counted(summary.reserved, "port") + " of services inside of " +
                            range_of(summary) + (summary.reserved == 1 ? " is" : " are") +
                            " reserved already.");
    if (summary.choice_unknown > 0)
        sentences.push_back("Of " + counted(summary.choice_unknown, "port") +
                            " more it is not known whether a program or the kernel chose " +
                            (summary.choice_unknown == 1 ? "it." : "them."));
    return sentences;
}

} // namespace portd::client
