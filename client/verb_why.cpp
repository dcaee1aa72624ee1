// portd-ctl why PORT: why a program cannot bind it.
#include "client/coverage_text.hpp"
#include "client/exchange.hpp"
#include "client/lease_filter.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"
#include "client/why_text.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace portd::client {
namespace {

proto::WhyRequest read(const Typed &typed, OptionReader &reader) {
    proto::WhyRequest request;
    request.port = reader.port("PORT", typed.port).value_or(0);
    request.protocol = reader.protocol(typed.protocol);
    request.local_address = reader.addresses("--local", typed.local);
    if (request.local_address && request.local_address->find('/') != std::string::npos)
        reader.refuse("--local " + in_quotes(*request.local_address) +
                      " is not one address, as a program binds it");
    request.network_namespace = read_inode(typed.network_namespace, reader);
    request.since_usec = reader.past_time("--since", typed.since);
    return request;
}

// The one that was asked about, absent: portd's own.
std::optional<OtherNamespace> namespace_of(const Typed &typed, std::int64_t inode) {
    if (!typed.network_namespace)
        return std::nullopt;
    if (is_inode(*typed.network_namespace))
        return OtherNamespace{inode, {}};
    return OtherNamespace{inode, typed.network_namespace};
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    const proto::WhyRequest request = read(typed, reader);
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Connection connection = session.connect();
    const nlohmann::json answer = ask_with_progress<proto::WhyReply>(
        connection, proto::methods::why, proto::encode(request), session,
        [](const nlohmann::json &, const proto::WhyReply &) {});
    const auto diagnosis = decoded<proto::WhyReply>(answer).diagnosis;
    if (!diagnosis)
        throw ServiceError("portd ended its answer without a diagnosis");
    const bool is_found = is_in_the_way(*diagnosis);
    const ExitStatus status = is_found || diagnosis->recorded
                                  ? status_of(is_found, diagnosis->coverage.complete, typed)
                                  : ExitStatus::incomplete;
    if (session.wants_json()) {
        session.json_line(answer);
        return status;
    }
    session.sentence(describe_verdict(request, *diagnosis, session.charset()));
    const Fields fields = describe_diagnosis(
        request, *diagnosis, namespace_of(typed, diagnosis->network_namespace), session.charset());
    for (const std::string &line : fields.lines(session.look().width))
        session.output().line(line);
    for (const std::string &remark : gap_remarks_by_cause(diagnosis->coverage, session.charset()))
        session.remark(remark);
    if (diagnosis->withheld)
        session.remark(withheld_remark);
    return status;
}

constexpr std::array options{
    VerbOption{"--proto", "tcp|udp", "only a bind of this protocol", &Typed::protocol},
    VerbOption{"--local", "ADDR", "the address to bind (default: 0.0.0.0 and ::)", &Typed::local},
    VerbOption{"--netns", "NETNS", "the network namespace, by inode or name (default: portd's own)",
               &Typed::network_namespace},
    VerbOption{"--since", "TIME", "how far to look back (default: a day)", &Typed::since},
    strict_option,
};

constexpr const char *notes = R"(
Tells who is in the way of a bind(2) by the rules of Linux, with wildcard addresses,
IPv6 beside IPv4, TIME_WAIT and network namespaces; when a bind would have failed
before; and what helps. portd does not know which options a socket has set: what
depends on SO_REUSEADDR, SO_REUSEPORT or IPV6_V6ONLY is said so. Without --proto
and --local each lease counts that is in the way of any of these.
The exit status is 0 if something is in the way now, also if that is a privilege that
the port needs; 1 if nothing is; and 4 if that is not known because portd does not
record the port, and the port needs no privilege.

Examples:
  portd-ctl why 8080
  portd-ctl why 50051 --proto tcp --local 127.0.0.1
  portd-ctl why 8080 --since -1w --json
)";

} // namespace

const Verb why_verb{
    "why", "Tell why a port cannot be bound", PortArgument::required, options, notes, run};

} // namespace portd::client
