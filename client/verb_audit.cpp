// portd-ctl audit: what leases of the past come to, by program, unit, user or peer.
#include "client/audit_text.hpp"
#include "client/coverage_text.hpp"
#include "client/empty_answer.hpp"
#include "client/exchange.hpp"
#include "client/format.hpp"
#include "client/lease_filter.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <utility>
#include <vector>

namespace portd::client {
namespace {

constexpr std::int64_t default_reach_us = 3'600'000'000;

proto::AuditRequest read(const Typed &typed, OptionReader &reader, std::int64_t now_usec) {
    static const std::array<std::string, 4> bys{"program", "unit", "user", "peer"};
    static const std::array<std::string, 4> orders{"leases", "failures", "bytes", "longest"};
    proto::AuditRequest request;
    static_cast<proto::LeaseFilter &>(request) = read_filter(typed, "PORT", reader);
    request.since_usec = reader.past_time("--since", typed.since);
    request.until_usec = reader.time("--until", typed.until);
    request.limit = reader.positive("--limit", typed.limit, request.most_groups);
    request.by = static_cast<AuditBy>(reader.word("--by", typed.by, bys).value_or(0));
    request.order = static_cast<AuditOrder>(reader.word("--sort", typed.sort, orders).value_or(0));
    if (!request.since_usec)
        request.since_usec = request.until_usec.value_or(now_usec) - default_reach_us;
    if (request.until_usec && *request.since_usec > *request.until_usec)
        reader.refuse("--since " + in_quotes(typed.since.value_or("")) + " is after --until " +
                      in_quotes(*typed.until) + "; exchange them");
    return request;
}

void print_table(const proto::AuditRequest &request, const std::vector<proto::AuditGroup> &groups,
                 const proto::AuditReply &last, Session &session) {
    const AuditForm form{request.by, watched_usec(*last.coverage), session.charset()};
    std::vector<Row> rows;
    for (const proto::AuditGroup &group : groups)
        rows.push_back(audit_row(form, group));
    if (last.other)
        rows.push_back(other_row(form, *last.other));
    session.table(audit_columns(form), rows);
}

void print_empty(const proto::AuditRequest &request, const proto::AuditReply &last,
                 Session &session) {
    const bool is_sure = judge(*last.coverage) == Watching::throughout;
    session.sentence(std::string(is_sure ? "No lease" : "portd knows of no lease") +
                     (last.withheld ? " that you may see matches "
                      : is_sure     ? " matches "
                                    : " that matches ") +
                     describe_stretch(request.since_usec, request.until_usec) + ".");
}

// What was looked at, and for how much of the time portd can tell.
void print_extent(const proto::AuditRequest &request, const proto::AuditReply &last,
                  Session &session) {
    const std::string time = describe_stretch(request.since_usec, request.until_usec);
    const std::int64_t watched = watched_usec(*last.coverage);
    const Watching watching = judge(*last.coverage);
    const bool has_gap = watching != Watching::throughout && !last.coverage->gaps.empty();
    session.remark("Asked for " + time + "; portd was watching " +
                   (watching != Watching::never && !has_gap
                        ? "throughout."
                        : "for " + format_rough_span(watched) + " of it."));
    if (const auto remark = snapshot_remark(*last.coverage); remark && watching == Watching::partly)
        session.remark(*remark);
    if (last.other && last.groups_in_other > 0)
        session.remark("(all others) " +
                       (last.groups_in_other == 1
                            ? std::string("is 1 group")
                            : "are " + std::to_string(last.groups_in_other) + " groups") +
                       " or more.");
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    const proto::AuditRequest request = read(typed, reader, session.now_usec());
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Connection connection = session.connect();
    std::vector<proto::AuditGroup> groups;
    bool found = false;
    const nlohmann::json answer = ask_with_progress<proto::AuditReply>(
        connection, proto::methods::audit, proto::encode(request), session,
        [&](const nlohmann::json &parameters, proto::AuditReply content) {
            if (!content.group)
                return;
            found = true;
            if (session.wants_json())
                session.json_line(parameters.at("group"));
            else
                groups.push_back(*std::move(content.group));
        });
    const auto last = decoded<proto::AuditReply>(answer);
    if (!last.coverage)
        throw ServiceError("portd ended its answer without saying what time it covers");
    found = found || last.other;
    if (session.wants_json()) {
        session.json_line(answer);
        return status_of(found, last.coverage->complete, typed);
    }
    if (found)
        print_table(request, groups, last, session);
    else if (explain_empty(request, last.withheld, connection, session))
        print_empty(request, last, session);
    print_extent(request, last, session);
    for (const std::string &remark : gap_remarks(*last.coverage, session.charset()))
        session.remark(remark);
    if (last.withheld)
        session.remark(withheld_remark);
    return status_of(found, last.coverage->complete, typed);
}

constexpr auto options = with_filters(
    std::array{
        VerbOption{"--by", "WHAT", "group by program, unit, user or peer (default program)",
                   &Typed::by},
        VerbOption{"--since", "TIME", "leases that were held at or after TIME (default -1h)",
                   &Typed::since},
        VerbOption{"--until", "TIME", "leases that were held at or before TIME", &Typed::until},
    },
    std::array{
        VerbOption{"--sort", "WHAT", "most leases, failures, bytes or longest first", &Typed::sort},
        VerbOption{"--limit", "N",
                   "only the first N groups, and all others together (at most 1024)",
                   &Typed::limit},
        strict_option,
    });

constexpr const char *notes = R"(
Without --since: the hour before --until, or before now. TIME and SPAN are those of
systemd.time(7); see portd-ctl history --help.

A lease counts for the program that opened the port. Lengths are those of leases
that ended: from the opening until no process had the socket. P50 is the length
that half of them do not exceed, P99 that which 99 of 100 do not, both within 4 %.
RATE is of that part of the asked time in which portd was watching.
FAILED counts connections that were reset or never made, and binds that were
refused. OPEN counts those that have not ended.

Examples:
  portd-ctl audit --shorter-than 1s --since -1h
  portd-ctl audit --by peer --role client --sort failures --limit 20
  portd-ctl audit --by unit --since today --json
)";

} // namespace

const Verb audit_verb{"audit",
                      "Sum up past leases by program, unit, user or peer",
                      PortArgument::optional,
                      options,
                      notes,
                      run};

} // namespace portd::client
