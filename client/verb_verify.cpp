// portd-ctl verify: whether the stored history is sound.
#include "client/exchange.hpp"
#include "client/format.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

namespace portd::client {
namespace {

void print(const proto::FileReport &report, Session &session) {
    const Look &look = session.look();
    const bool is_sound = report.findings.empty();
    const std::string file = escape_text(report.file, look.charset) + ": ";
    const std::string verdict = is_sound ? "sound, " : "damaged, ";
    session.hanging(file + styled(verdict, is_sound ? Style::good : Style::caution, look.color),
                    file.size() + verdict.size(),
                    counted(report.leases, "lease") + ", " +
                        counted(report.bind_failures, "refused bind") + ", " +
                        format_bytes(report.bytes) + (report.sealed ? "" : ", being written"));
    for (const std::string &finding : report.findings)
        session.hanging("  ", 2, escape_text(finding, look.charset));
}

void print_verdict(const proto::VerifyReply &last, Session &session) {
    if (last.record.empty()) {
        session.output().line("record of coverage: " +
                              styled("sound", Style::good, session.look().color));
        return;
    }
    session.output().line("record of coverage: " +
                          styled("wrong", Style::caution, session.look().color));
    for (const std::string &finding : last.record)
        session.hanging("  ", 2, escape_text(finding, session.charset()));
}

ExitStatus run(const Typed &, Session &session) {
    Connection connection = session.connect();
    Progress progress = session.progress();
    connection.call(proto::methods::verify, nlohmann::json::object(), Replies::many);
    for (;;) {
        const proto::Reply reply = connection.next();
        const auto content = decoded<proto::VerifyReply>(*reply.parameters);
        if (content.progress) {
            progress.show("checking " + escape_text(content.progress->file, session.charset()) +
                          ", " + counted(content.progress->examined, "row"));
            continue;
        }
        progress.clear();
        if (!reply.continues && !content.sound)
            throw ServiceError("portd ended its answer without a verdict");
        if (session.wants_json())
            session.json_line(content.file ? reply.parameters->at("file") : *reply.parameters);
        else if (content.file)
            print(*content.file, session);
        else if (content.sound)
            print_verdict(content, session);
        if (!reply.continues)
            return *content.sound ? ExitStatus::found : ExitStatus::nothing;
    }
}

constexpr const char *notes = R"(
For each file: whether SQLite finds it sound, whether it is portd's and of a version
that this portd reads, and whether every row of it says what can be. Then whether
the record of when portd was watching fits together. A file that is damaged is left
as it is. The daemon goes on meanwhile. Only for root and the group portd.

Exit status: 0 all is sound, 1 something is wrong.

Examples:
  portd-ctl verify
  portd-ctl verify --json
)";

} // namespace

const Verb verify_verb{"verify", "Check the stored history", PortArgument::none, {}, notes, run};

} // namespace portd::client
