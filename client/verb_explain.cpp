// portd-ctl explain PORT: what kind of port this is, and who has it.
#include "client/coverage_text.hpp"
#include "client/exchange.hpp"
#include "client/fields.hpp"
#include "client/lease_text.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

namespace portd::client {
namespace {

constexpr std::size_t most_holders = 8;

std::string describe_choice(const proto::Explanation &port) {
    const std::string range =
        std::to_string(port.range_low) + "-" + std::to_string(port.range_high);
    if (!port.in_range)
        return "never: outside ip_local_port_range " + range;
    if (port.reserved)
        return "never: inside ip_local_port_range " + range + ", but in ip_local_reserved_ports";
    return "possible: inside ip_local_port_range " + range + " and not reserved";
}

std::string describe_class(const proto::Explanation &port, Charset charset) {
    std::string text = escape_text(port.iana_class, charset);
    if (port.iana_class == "system")
        text += ", for services that IETF processes assign";
    else if (port.iana_class == "user")
        text += ", for services that IANA registers on request";
    else if (port.iana_class == "dynamic")
        text += ", never assigned to a service";
    return text + " (" + escape_text(port.iana_reference, charset) + ")";
}

std::string describe_services(const proto::Explanation &port, Charset charset) {
    std::string text;
    for (const std::string &service : port.services)
        text += (text.empty() ? "" : ", ") + escape_text(service, charset);
    return text.empty() ? "none in the services database" : text;
}

void add_holders(const proto::Explanation &port, Charset charset,
                 std::optional<std::int64_t> own_namespace, Fields &fields) {
    const proto::WhoReply &who = port.who;
    if (who.holders.empty()) {
        const bool is_sure = judge(who.coverage) == Watching::throughout && !who.withheld;
        fields.add("Held now", !port.recorded ? "not known, as it is not recorded"
                               : is_sure      ? "by nobody"
                                              : "by nobody that portd can show");
    }
    for (std::size_t i = 0; i < who.holders.size(); ++i) {
        const std::string name = i == 0 ? "Held now" : "";
        if (i == most_holders) {
            fields.add("", "and " + std::to_string(who.holders.size() - i) +
                               " more; see portd-ctl who");
            break;
        }
        const proto::Lease &lease = who.holders[i];
        fields.add(name, "by " + describe_lease(lease, charset, own_namespace) + ", " +
                             std::string(portd::to_string(lease.phase)) + ", since " +
                             format_moment(lease.opened, charset));
    }
    if (!who.last)
        return;
    const proto::Moment *end = ended(*who.last);
    fields.add("Held last", "by " + describe_lease(*who.last, charset, own_namespace) +
                                ", opened " + format_moment(who.last->opened, charset) +
                                (end ? ", ended " + format_moment(*end, charset) : ""));
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    const std::int64_t port = reader.port("PORT", typed.port).value_or(0);
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Connection connection = session.connect();
    const auto answer =
        ask_once(connection, proto::methods::explain, proto::encode(proto::PortRequest{port}));
    const auto explanation = decoded<proto::Explanation>(answer);
    if (session.wants_json()) {
        session.json_line(answer);
        return ExitStatus::found;
    }

    Fields fields;
    fields.add("Port", std::to_string(explanation.port));
    fields.add("IANA class", describe_class(explanation, session.charset()));
    fields.add("Services", describe_services(explanation, session.charset()));
    fields.add("Chosen by the kernel", describe_choice(explanation));
    fields.add("Bound by programs", explanation.privileged
                                        ? "with CAP_NET_BIND_SERVICE only (privileged)"
                                        : "by any program");
    fields.add("Recorded by portd",
               explanation.recorded ? "yes" : "no: its setting 'ports' leaves it out");
    add_holders(explanation, session.charset(), ask_own_namespace(connection), fields);
    for (const std::string &line : fields.lines(session.look().width))
        session.output().line(line);
    for (const std::string &remark : gap_remarks(explanation.who.coverage, session.charset()))
        session.remark(remark);
    if (explanation.who.withheld)
        session.remark(withheld_remark);
    return ExitStatus::found;
}

constexpr const char *notes = R"(
The ranges are those of the daemon's network namespace (ip(7)). A port may lie in
one range and not in the other: IANA calls 49152-65535 dynamic, Linux chooses
from 32768-60999 unless it is told otherwise.

Examples:
  portd-ctl explain 60609
  portd-ctl explain 443
)";

} // namespace

const Verb explain_verb{"explain",
                        "Explain what kind of port this is, and who has it",
                        PortArgument::required,
                        {},
                        notes,
                        run};

} // namespace portd::client
