// portd-ctl watch: leases as they open and end.
#include "client/coverage_text.hpp"
#include "client/empty_answer.hpp"
#include "client/exchange.hpp"
#include "client/follow.hpp"
#include "client/lease_filter.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"
#include "client/watch_table.hpp"
#include "proto/reply_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace portd::client {
namespace {

std::string describe_gap(const proto::Gap &gap, Charset charset) {
    proto::Coverage coverage;
    coverage.gaps.push_back(gap);
    return gap_remarks(coverage, charset).front();
}

class Watch {
  public:
    Watch(proto::WatchRequest request, const LeaseForm &form, Session &session)
        : request_(std::move(request)), table_(form, session), session_(session) {}

    // Until the user wants to stop.
    void run();

  private:
    void take(const Connection &connection, const std::string &message);
    void print(proto::WatchReply content);
    void print_ready(const proto::WatchReply &content);

    proto::WatchRequest request_;
    WatchTable table_;
    Session &session_;
    std::optional<std::string> cursor_;
    std::size_t open_ = 0;
};

void Watch::run() {
    session_.output().use_no_pager();
    cursor_ = request_.after_cursor;
    Connection connection = session_.connect();
    if (!session_.wants_json())
        check_recording(request_.port, connection, session_);
    connection.call(proto::methods::watch, proto::encode(request_), Replies::many);
    Follow replies(connection, session_);
    try {
        while (const auto message = replies.next())
            take(connection, *message);
    } catch (const ServiceError &error) {
        if (!cursor_ || cursor_ == request_.after_cursor)
            throw; // nothing came, perhaps because of that cursor
        throw ServiceError(std::string(error.what()) + "; go on with --after-cursor " + *cursor_);
    }
}

void Watch::take(const Connection &connection, const std::string &message) {
    auto content = decoded_reply<proto::WatchReply>(connection, message).parameters;
    if (content.cursor)
        cursor_ = content.cursor;
    if (session_.wants_json())
        session_.output().line(proto::parameter_text(message));
    else
        print(std::move(content));
}

void Watch::print(proto::WatchReply content) {
    switch (content.event) {
    case Event::open:
        ++open_;
        [[fallthrough]];
    case Event::opened:
    case Event::ended:
        if (content.lease)
            table_.add(content.event, *std::move(content.lease));
        return;
    case Event::ready:
        return print_ready(content);
    case Event::gap:
        if (content.gap)
            session_.remark(describe_gap(*content.gap, session_.charset()));
        return;
    }
}

void Watch::print_ready(const proto::WatchReply &content) {
    table_.begin();
    if (content.withheld)
        session_.remark(withheld_remark);
    if (!request_.after_cursor)
        session_.sentence("-- " + std::to_string(open_) +
                          (open_ == 1 ? " lease is open" : " leases are open") +
                          "; what follows happens now --");
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    proto::WatchRequest request;
    const auto meant = typed.after_cursor ? NamespaceName::of_history : NamespaceName::of_now;
    static_cast<proto::LeaseFilter &>(request) = read_filter(typed, "--port", reader, meant);
    request.after_cursor = typed.after_cursor;
    LeaseForm form;
    form.detail = reader.detail(typed.output);
    form.charset = session.charset();
    form.now_usec = session.now_usec();
    form.clock_offset_usec = session.clock_offset_usec();
    form.shows_outcome = true;
    if (session.wants_csv() || form.detail == Detail::verbose)
        reader.refuse("watch has no form " + in_quotes(*typed.output) +
                      "; give short, wide or json");
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Watch(std::move(request), form, session).run();
    return ExitStatus::found;
}

constexpr std::array options_before{
    VerbOption{"--port", "PORT", "only this port", &Typed::port},
};
constexpr std::array options_after{
    VerbOption{"--after-cursor", "CURSOR", "go on after the line with this cursor (see --json)",
               &Typed::after_cursor},
    VerbOption{"-o,--output", "FORM", "short, wide or json (default short)", &Typed::output},
};
constexpr auto options = with_filters(options_before, options_after);

constexpr const char *notes = R"(
Shows the leases that are open, then a mark, and then what happens, until it is
interrupted:
  open    was open at the beginning
  opened  was found; within a fraction of a second
  ended   its port is free; after the next sample (see portd-ctl status)
Filters look at a lease as it is known at that time.

With --json each line is a reply of the wire: {"event": "opened", "lease": ...,
"cursor": ...}. Whoever is cut off goes on with --after-cursor and the cursor of the
last line that arrived: then each opening and each end comes once, through restarts
of portd and for as long as history is kept. What is not kept any longer is a gap
with the cause "expired". The leases that are open do not come again.

It ends with status 0 on SIGINT or SIGTERM, and with 3 when portd ends: then it says
with which cursor to go on. It does not connect again by itself.

Examples:
  portd-ctl watch
  portd-ctl watch --port 8080
  portd-ctl watch --json | jq -c 'select(.event == "opened") | .lease.opener'
)";

} // namespace

const Verb watch_verb{
    "watch", "Show leases as they open and end", PortArgument::none, options, notes, run};

} // namespace portd::client
