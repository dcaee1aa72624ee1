// portd-ctl list: the leases that are open now.
#include "client/coverage_text.hpp"
#include "client/empty_answer.hpp"
#include "client/exchange.hpp"
#include "client/lease_filter.hpp"
#include "client/lease_printer.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace portd::client {
namespace {

// Says that there is nothing, as far as portd can tell.
void print_empty(const proto::LeaseReply &last, Session &session) {
    const std::string visible = last.withheld ? " that you may see matches." : "";
    if (judge(*last.coverage) == Watching::throughout)
        session.sentence("No open lease" + (visible.empty() ? " matches." : visible));
    else
        session.sentence("portd knows of no open lease" +
                         (visible.empty() ? " that matches." : visible));
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    proto::ListRequest request;
    static_cast<proto::LeaseFilter &>(request) =
        read_filter(typed, "--port", reader, NamespaceName::of_now);
    request.limit = reader.positive("--limit", typed.limit);
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
    if (session.wants_json()) {
        const Printed printed =
            print_leases_json(connection, proto::methods::list, proto::encode(request), session);
        return status_of(printed.entries == Entries::some, printed.complete, typed);
    }
    form.own_namespace = ask_own_namespace(connection);
    const auto printer =
        make_lease_printer(form, typed.accepted ? Folding::off : Folding::on, session);
    Entries leases = Entries::none;
    const auto last = ask_leases(connection, proto::methods::list, proto::encode(request), session,
                                 Rows::printed, [&](Entry lease) {
                                     leases = Entries::some;
                                     printer->add(std::move(lease));
                                 });
    printer->finish();
    if (leases == Entries::none && explain_empty(request, last.withheld, connection, session))
        print_empty(last, session);
    for (const std::string &remark : gap_remarks(*last.coverage, session.charset()))
        session.remark(remark);
    if (last.withheld)
        session.remark(withheld_remark);
    return status_of(leases == Entries::some, last.coverage->complete, typed);
}

constexpr std::array options_before{
    VerbOption{"--port", "PORT", "only this port", &Typed::port},
};
constexpr std::array options_after{
    VerbOption{"--limit", "N", "at most N leases", &Typed::limit},
    VerbOption{"--accepted", nullptr, "show accepted connections below their listener",
               &Typed::accepted},
    output_option,
    strict_option,
};
constexpr auto options = with_filters(options_before, options_after);

constexpr const char *notes = R"(
PHASE lingering: no process has the port any more, yet it is not free (TIME_WAIT).
NETNS is there if some lease is of another network namespace than portd's own.
For the notation of times see portd-ctl history --help.

Examples:
  portd-ctl list
  portd-ctl list --port 8080 --accepted
  portd-ctl list --pid 8123 -o wide
  portd-ctl list --unit nginx --role listener
)";

} // namespace

const Verb list_verb{
    "list", "List the leases that are open now", PortArgument::none, options, notes, run};

} // namespace portd::client
