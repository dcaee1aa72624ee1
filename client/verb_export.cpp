// portd-ctl export: the leases that ended, for other programs.
#include "client/cursor_file.hpp"
#include "client/exchange.hpp"
#include "client/export_schema.hpp"
#include "client/follow.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"
#include "proto/reply_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <optional>
#include <string>
#include <utility>

namespace portd::client {
namespace {

using nlohmann::json;

enum class Schema { portd, otel, ecs };

struct Question {
    proto::ExportRequest request;
    Schema schema = Schema::portd;
    std::optional<std::string> cursor_file;
};

Question read(const Typed &typed, OptionReader &reader) {
    static const std::array<std::string, 3> schemas{"portd", "otel", "ecs"};
    Question question;
    proto::ExportRequest &request = question.request;
    request.since_usec = reader.past_time("--since", typed.since);
    request.until_usec = reader.time("--until", typed.until);
    request.follow = typed.follow;
    request.after_cursor = typed.after_cursor;
    question.cursor_file = typed.cursor_file;
    if (const auto schema = reader.word("--schema", typed.schema, schemas))
        question.schema = static_cast<Schema>(*schema);
    if (request.follow && request.until_usec)
        reader.refuse(
            "--follow goes on with what is to come and excludes --until; give one of them");
    if (request.since_usec && request.until_usec && *request.since_usec > *request.until_usec)
        reader.refuse("--since " + in_quotes(*typed.since) + " is after --until " +
                      in_quotes(*typed.until) + "; exchange them");
    if (typed.after_cursor && typed.cursor_file)
        reader.refuse("--after-cursor and --cursor-file both say where to begin; give one of them");
    return question;
}

// A lease or a gap as a document, with the cursor after it.
template <typename Thing>
json document(const Thing &thing, Schema schema, const std::optional<std::string> &cursor) {
    json object = schema == Schema::otel ? to_otel(thing) : to_ecs(thing);
    if (!cursor)
        return object;
    if (schema == Schema::otel)
        object["portd.cursor"] = *cursor;
    else
        object["portd"]["cursor"] = *cursor;
    return object;
}

class Export {
  public:
    Export(Question question, Session &session)
        : question_(std::move(question)), session_(session) {
        if (question_.cursor_file)
            question_.request.after_cursor = read_cursor(*question_.cursor_file);
        cursor_ = saved_ = question_.request.after_cursor;
    }

    ExitStatus run(const Typed &typed);

  private:
    // False: it is but a sign that portd is looking.
    bool take(const proto::ExportReply &content, const std::string &message);
    void follow(Connection &connection);
    // What was printed up to the cursor is out.
    void save_cursor();

    Question question_;
    Session &session_;
    std::optional<std::string> cursor_; // after what was printed
    std::optional<std::string> saved_;
    std::optional<proto::Coverage> coverage_;
    bool found_ = false;
};

bool Export::take(const proto::ExportReply &content, const std::string &message) {
    if (!content.lease && !content.gap && !content.coverage)
        return false;
    found_ = found_ || content.lease || content.gap;
    if (question_.schema == Schema::portd)
        session_.output().line(proto::parameter_text(message));
    else if (content.lease)
        session_.json_line(document(*content.lease, question_.schema, content.cursor));
    else if (content.gap)
        session_.json_line(document(*content.gap, question_.schema, content.cursor));
    if (content.cursor)
        cursor_ = content.cursor;
    if (content.coverage)
        coverage_ = content.coverage;
    return true;
}

void Export::save_cursor() {
    session_.output().flush();
    if (question_.cursor_file && cursor_ && cursor_ != saved_)
        write_cursor(*question_.cursor_file, *cursor_);
    saved_ = cursor_;
}

void Export::follow(Connection &connection) {
    Follow replies(connection, session_);
    for (;;) {
        if (replies.would_wait())
            save_cursor();
        const auto message = replies.next();
        if (!message)
            return save_cursor();
        take(decoded_reply<proto::ExportReply>(connection, *message).parameters, *message);
    }
}

ExitStatus Export::run(const Typed &typed) {
    session_.output().use_no_pager();
    Connection connection = session_.connect();
    connection.call(proto::methods::export_, proto::encode(question_.request), Replies::many);
    try {
        if (question_.request.follow) {
            follow(connection);
            return ExitStatus::found;
        }
        Progress line = session_.progress();
        RowProgress progress(line, Rows::printed, session_.look().width.has_value());
        for (bool continues = true; continues;) {
            const std::string message = connection.next_message();
            const auto reply = decoded_reply<proto::ExportReply>(connection, message);
            take(reply.parameters, message) ? progress.add_row() : progress.still_looking();
            continues = reply.continues;
        }
    } catch (const RefusedValue &error) {
        if (question_.cursor_file && error.parameter() == "afterCursor")
            refuse_cursor(*question_.cursor_file);
        throw;
    } catch (const ServiceError &error) {
        save_cursor();
        if (!cursor_ || cursor_ == question_.request.after_cursor)
            throw; // nothing came, perhaps because of that cursor
        throw ServiceError(std::string(error.what()) + "; go on with --after-cursor " + *cursor_);
    }
    save_cursor();
    return status_of(found_, coverage_ && coverage_->complete, typed);
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    Question question = read(typed, reader);
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    return Export(std::move(question), session).run(typed);
}

constexpr std::array options{
    VerbOption{"--since", "TIME", "leases that were held at or after TIME", &Typed::since},
    VerbOption{"--until", "TIME", "leases that were held at or before TIME", &Typed::until},
    VerbOption{"-f,--follow", nullptr, "go on with leases as they end", &Typed::follow},
    VerbOption{"--after-cursor", "CURSOR", "what follows the line with this cursor",
               &Typed::after_cursor},
    VerbOption{"--cursor-file", "FILE",
               "begin after the cursor in FILE, and keep the last one there", &Typed::cursor_file},
    VerbOption{"--schema", "NAME", "portd, otel or ecs (default portd)", &Typed::schema},
    strict_option,
};

constexpr const char *notes = R"(
Prints the leases that have ended, and the gaps in portd's record, as one JSON object
a line. Each lease comes once, in its final state: some two seconds after its end.
Open leases are not among them; portd-ctl list --json has those.

  --schema portd   the replies of the wire: {"lease": ..., "cursor": ...} or
                   {"gap": ..., "cursor": ...}, and last the coverage
  --schema otel    flat objects with names of OpenTelemetry's semantic conventions
  --schema ecs     documents of the Elastic Common Schema
Names that those do not have begin with "portd". network.community_id is the
Community ID (version 1) of connections, as Zeek and Suricata give it.

Whoever is cut off goes on with --after-cursor and the cursor of the last line that
arrived: no lease is missing then and none comes twice, through restarts of portd and
for as long as history is kept; what is not kept any longer is a gap with the cause
"expired". --cursor-file does so by itself; if the machine fails before it could
write the file, lines come again. The keys to know them by: lease.id, in otel
log.record.uid, in ecs event.id.

--follow ends with status 0 on SIGINT or SIGTERM, and with 3 when portd ends; it does
not connect again by itself.

Examples:
  portd-ctl export --since yesterday > leases.ndjson
  portd-ctl export --follow --schema ecs --cursor-file /var/lib/shipper/portd.cursor
)";

} // namespace

const Verb export_verb{
    "export", "Export leases that ended, for other programs", PortArgument::none, options, notes,
    run};

} // namespace portd::client
