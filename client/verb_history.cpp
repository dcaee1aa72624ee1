// portd-ctl history [PORT]: who held a port, and when.
#include "client/coverage_text.hpp"
#include "client/empty_answer.hpp"
#include "client/exchange.hpp"
#include "client/format.hpp"
#include "client/lease_filter.hpp"
#include "client/lease_printer.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace portd::client {
namespace {

constexpr std::int64_t default_within_us = 2'000'000;

struct Question {
    proto::HistoryRequest request;
    Detail detail = Detail::brief;
    Folding folding = Folding::on;
    Cursors cursors = Cursors::left_out;
};

void check_times(const Typed &typed, const proto::HistoryRequest &request, OptionReader &reader) {
    if (typed.at && (typed.since || typed.until))
        reader.refuse(std::string("--at asks for one instant and excludes ") +
                      (typed.since ? "--since" : "--until") +
                      "; give either --at with --within, or --since and --until");
    if (typed.within && !typed.at)
        reader.refuse("--within says how far around --at to look; give --at TIME too");
    if (request.since_usec && request.until_usec && *request.since_usec > *request.until_usec)
        reader.refuse("--since " + in_quotes(*typed.since) + " (" +
                      format_instant_in_zone(*request.since_usec) + ") is after --until " +
                      in_quotes(*typed.until) + " (" + format_instant_in_zone(*request.until_usec) +
                      "); exchange them");
    if (request.at_usec && request.within_usec.value_or(0) > *request.at_usec)
        reader.refuse("--within " + in_quotes(typed.within.value_or("")) +
                      " reaches back before 1970; give a shorter span");
}

// The latest time that the clock showed before it was set back, as far as portd tells: who cannot
// be asked knows of none.
std::int64_t latest_shown(Session &session) {
    std::int64_t latest = session.now_usec();
    try {
        Connection connection = session.connect();
        const auto status = decoded<proto::Status>(
            ask_once(connection, proto::methods::status, nlohmann::json::object()));
        for (const proto::ClockStep &step : status.clock_steps)
            latest = std::max(latest, step.from_usec);
    } catch (const ServiceError &) {
        return latest;
    }
    return latest;
}

Question read(const Typed &typed, OptionReader &reader, Session &session) {
    const auto latest = [&session] { return latest_shown(session); };
    Question question;
    proto::HistoryRequest &request = question.request;
    static_cast<proto::LeaseFilter &>(request) = read_filter(typed, "PORT", reader);
    request.at_usec = reader.past_time("--at", typed.at, latest);
    request.within_usec = reader.span("--within", typed.within);
    request.since_usec = reader.past_time("--since", typed.since, latest);
    request.until_usec = reader.time("--until", typed.until);
    request.cursor = reader.name("--cursor", typed.cursor, "what --show-cursor printed");
    const auto limit = reader.positive("--limit", typed.limit);
    if (request.at_usec && !request.within_usec)
        request.within_usec = std::min(default_within_us, *request.at_usec);
    check_times(typed, request, reader);

    question.detail = reader.detail(typed.output);
    question.folding = typed.accepted ? Folding::off : Folding::on;
    question.cursors = typed.show_cursor ? Cursors::shown : Cursors::left_out;
    // The newest N are shown oldest first unless --reverse says otherwise. An answer that goes on
    // has the order that it had. Where each row has its cursor, the last one is where the answer
    // goes on: at what is older.
    const bool cursors_follow = session.wants_json() && typed.show_cursor;
    if (limit && !request.cursor && !typed.reverse && !cursors_follow) {
        request.newest = limit;
    } else {
        request.limit = limit;
        request.newest_first = typed.reverse || (limit && !request.cursor);
    }
    return question;
}

// Asks, and prints the leases and bind failures as a table.
struct Answer {
    proto::LeaseReply last;
    Entries leases = Entries::none;
    Entries bind_failures = Entries::none;
};
Answer print_table(const Question &question, Connection &connection, Session &session) {
    LeaseForm form;
    form.detail = question.detail;
    form.charset = session.charset();
    form.now_usec = session.now_usec();
    form.clock_offset_usec = session.clock_offset_usec();
    form.at_usec = question.request.at_usec;
    form.own_namespace = ask_own_namespace(connection);
    const auto printer = make_lease_printer(form, question.folding, session);

    Answer answer;
    answer.last = ask_leases(connection, proto::methods::history, proto::encode(question.request),
                             session, Rows::printed, [&](Entry entry) {
                                 const bool is_lease = std::holds_alternative<proto::Lease>(entry);
                                 (is_lease ? answer.leases : answer.bind_failures) = Entries::some;
                                 printer->add(std::move(entry));
                             });
    printer->finish();
    return answer;
}

void say_clock_steps(const proto::Coverage &coverage, Session &session) {
    for (const std::string &remark : clock_remarks(coverage))
        session.remark(remark);
}

// Says why there is no lease. What is not an answer goes the way of remarks.
void print_empty(const Question &question, const proto::LeaseReply &last, Connection &connection,
                 Session &session) {
    if (question.request.cursor)
        return session.sentence("Nothing comes after that cursor.");
    if (!explain_empty(question.request, last.withheld, connection, session))
        return;
    const Watching watching = judge(*last.coverage, question.request.at_usec);
    const auto since = watching == Watching::never ? records_since(connection, session)
                                                   : std::optional<std::int64_t>();
    const std::string sentence = describe_empty(question.request, last, since, session.charset());
    if (watching == Watching::never) {
        session.remark(sentence);
        return say_clock_steps(*last.coverage, session);
    }
    session.sentence(sentence);
    if (const auto remark = snapshot_remark(*last.coverage))
        session.remark(*remark);
    for (const std::string &remark : gap_remarks(*last.coverage, session.charset()))
        session.remark(remark);
    say_clock_steps(*last.coverage, session);
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    const Question question = read(typed, reader, session);
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Connection connection = session.connect();
    if (session.wants_json()) {
        const Printed printed =
            print_leases_json(connection, proto::methods::history, proto::encode(question.request),
                              session, question.cursors);
        return status_of(printed.entries == Entries::some, printed.complete, typed);
    }

    const Answer answer = print_table(question, connection, session);
    if (answer.leases == Entries::none)
        print_empty(question, answer.last, connection, session);
    else
        for (const std::string &remark : gap_remarks(*answer.last.coverage, session.charset()))
            session.remark(remark);
    if (answer.leases != Entries::none)
        say_clock_steps(*answer.last.coverage, session);
    if (answer.last.withheld)
        session.remark(withheld_remark);
    if (question.cursors == Cursors::shown && answer.last.cursor)
        session.sentence("-- cursor: " + escape_text(*answer.last.cursor, Charset::ascii));
    const bool found = answer.leases == Entries::some || answer.bind_failures == Entries::some;
    return status_of(found, answer.last.coverage->complete, typed);
}

constexpr std::array options_before{
    VerbOption{"--at", "TIME", "who held it at this instant", &Typed::at},
    VerbOption{"--within", "SPAN", "with --at: look this far around it (default 2s)",
               &Typed::within},
    VerbOption{"--since", "TIME", "leases that were held at or after TIME", &Typed::since},
    VerbOption{"--until", "TIME", "leases that were held at or before TIME", &Typed::until},
};
constexpr std::array options_after{
    VerbOption{"--limit", "N", "only the newest N leases and bind failures", &Typed::limit},
    VerbOption{"--reverse", nullptr, "newest first", &Typed::reverse},
    VerbOption{"--cursor", "CURSOR", "go on after the row that had this cursor", &Typed::cursor},
    VerbOption{"--show-cursor", nullptr, "print the cursor of the last row; with --json of each",
               &Typed::show_cursor},
    VerbOption{"--accepted", nullptr, "show accepted connections below their listener",
               &Typed::accepted},
    output_option,
    strict_option,
};
constexpr auto options = with_filters(options_before, options_after);

constexpr const char *notes = R"(
TIME and SPAN are those of systemd.time(7): '2026-11-22 03:12:05', 'yesterday',
'-5min', '@1795317125'; '2s', '1h 30min'.

Times that portd did not see happen are shown with what it knows:
  03:12:05.120      that instant
  03:12:05.1 ±0.5s  half a second earlier or later
  ≤03:12:05.120     then or earlier
  ≥03:12:05.120     then or later
  ~1.5s             about so long; -o wide gives both bounds
  ~curl[812]        this process, by inference
  unknown           nobody saw it
  withheld          portd knows, and may not tell you
Where the locale is not UTF-8, ± ≤ ≥ are written +- <= >=.
systemd[1] → sshd[812] was opened by the one, and held last by the other.
kernel is the kernel itself, for sockets of its own.

With --at, THEN says how the lease stood at that instant:
  held       it was held
  possibly   the instant lies within the bounds of its opening or its end
  lingering  no process had it any more, and it was not yet free (TIME_WAIT)
  before, after  it had ended, or had not begun, but within SPAN of it

ROLE bind failure: python3[99] tried to bind the port, and was refused:
  python3[99], in use by nginx[812]        nginx had it (or it lingered after nginx)
  python3[99], in use, withheld            portd knows by whom, and may not tell you
  python3[99], not permitted               a port below 1024, and not root
  python3[99], refused                     nothing tells why
The kernel tells only the program why; this follows from who had the port then.

OUTCOME is there if some connection did not end as it should, NETNS if some row is
of another network namespace than portd's own.

Connections are counted on the row of the listener that accepted them.

A lease matches --pid, --exe, --comm, --unit and --container together if one process
that held it does. --shorter-than and --longer-than go by the time for which processes
had it, TIME_WAIT left out, and up to now where one still has it.

--cursor goes on in the order of the answer that it is of: an answer with --limit and
without --reverse goes on with older leases, newest first. Give the same filters again.
With --json --show-cursor such an answer is newest first itself, so that the cursor of
its last row goes on behind it.

Examples:
  portd-ctl history 60609 --at '2026-11-22 03:12:05'
  portd-ctl history --pid 8123 --since today
  portd-ctl history 60609 --limit 20 --json
  portd-ctl history --exe curl --peer 192.0.2.0/24 --since -1h
  portd-ctl history --unit nginx --outcome refused --shorter-than 10ms
)";

} // namespace

const Verb history_verb{"history",
                        "Show who held a port, or any port, and when",
                        PortArgument::optional,
                        options,
                        notes,
                        run};

} // namespace portd::client
