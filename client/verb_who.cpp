// portd-ctl who PORT: who holds the port now, or held it last.
#include "client/coverage_text.hpp"
#include "client/empty_answer.hpp"
#include "client/exchange.hpp"
#include "client/lease_printer.hpp"
#include "client/lease_text.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace portd::client {
namespace {

std::string describe_last(const proto::Lease &lease, const LeaseForm &form) {
    const Charset charset = form.charset;
    std::string text = describe_lease(lease, charset, form.own_namespace) + ", opened " +
                       format_moment(lease.opened, charset);
    if (const proto::Moment *end = ended(lease))
        text += ", ended " + format_moment(*end, charset);
    return text;
}

void print_nobody(const proto::WhoReply &who, std::int64_t port, const LeaseForm &form,
                  Connection &connection, Session &session) {
    const Recording recording = ask_recording(connection, port);
    std::string text = "Nobody";
    if (judge(who.coverage) != Watching::throughout || recording != Recording::recorded)
        text = "As far as portd knows, nobody";
    else if (who.withheld)
        text = "Nobody whose leases you may see";
    text += " holds port " + std::to_string(port) + " now.";
    if (who.last)
        text += " Last: " + describe_last(*who.last, form) + ".";
    session.sentence(text);
    if (recording == Recording::left_out)
        session.remark(left_out_remark(port));
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    const std::int64_t port = reader.port("PORT", typed.port).value_or(0);
    LeaseForm form;
    form.listing = Listing::live;
    form.detail = reader.detail(typed.output);
    form.charset = session.charset();
    form.now_usec = session.now_usec();
    form.clock_offset_usec = session.clock_offset_usec();
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }

    Connection connection = session.connect();
    const auto answer =
        ask_once(connection, proto::methods::who, proto::encode(proto::PortRequest{port}));
    auto who = decoded<proto::WhoReply>(answer);
    const ExitStatus status = status_of(!who.holders.empty(), who.coverage.complete, typed);
    if (session.wants_json()) {
        session.json_line(answer);
        return status;
    }
    form.own_namespace = ask_own_namespace(connection);
    if (who.holders.empty())
        print_nobody(who, port, form, connection, session);
    const auto printer =
        make_lease_printer(form, typed.accepted ? Folding::off : Folding::on, session);
    for (proto::Lease &lease : who.holders)
        printer->add(std::move(lease));
    printer->finish();
    for (const std::string &remark : gap_remarks(who.coverage, session.charset()))
        session.remark(remark);
    if (who.truncated)
        session.remark(
            "More leases hold this port than fit one answer: see portd-ctl list --port " +
            std::to_string(port) + ".");
    if (who.withheld)
        session.remark(withheld_remark);
    return status;
}

constexpr std::array options{
    VerbOption{"--accepted", nullptr, "show accepted connections below their listener",
               &Typed::accepted},
    output_option,
    strict_option,
};

constexpr const char *notes = R"(
A port in PHASE lingering is held, though by no process: TIME_WAIT and its kin.
NETNS is there if some holder is in another network namespace than portd: it keeps
nobody from the port elsewhere.
The exit status is 0 if the port is held, and 1 if it is not.

Examples:
  portd-ctl who 8080
  portd-ctl who 60609 --json
)";

} // namespace

const Verb who_verb{
    "who", "Show who holds a port now, or held it last", PortArgument::required, options, notes,
    run};

} // namespace portd::client
