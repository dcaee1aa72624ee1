// portd-ctl status: what the daemon does, and how well.
#include "client/coverage_text.hpp"
#include "client/exchange.hpp"
#include "client/fields.hpp"
#include "client/format.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

namespace portd::client {
namespace {

std::string ago(std::int64_t usec, const Session &session) {
    const std::int64_t span = session.now_usec() - usec;
    return span >= 0 ? format_rough_span(span) + " ago" : "in the future";
}

std::string since(std::int64_t usec, const Session &session) {
    return format_instant(usec, Digits::seconds) + " " + format_zone(usec) + "; " +
           ago(usec, session);
}

std::string describe_watching(const proto::Status &status, const Session &session) {
    if (!status.watching_since_usec)
        return styled("not watching", Style::caution, session.look().color);
    return styled("watching", Style::good, session.look().color) + " without interruption since " +
           since(*status.watching_since_usec, session);
}

std::string describe_losses(const proto::Status &status, Charset charset) {
    std::string text;
    for (const proto::LossCount &loss : status.losses)
        if (loss.events != 0)
            text += (text.empty() ? "" : ", ") + std::to_string(loss.events) + " " +
                    escape_text(loss.cause, charset);
    return text.empty() ? "none" : text;
}

void add_capture(const proto::Status &status, const Session &session, Fields &fields) {
    fields.add("Capture", std::string(portd::to_string(status.tier)));
    for (const std::string &reason : status.tier_reasons)
        fields.more(escape_text(reason, session.charset()));
    const std::string snapshot = status.last_snapshot_usec
                                     ? "the last " + ago(*status.last_snapshot_usec, session)
                                     : "none yet";
    fields.add("Snapshots", "every " + format_span(status.interval_usec) + ", " +
                                std::to_string(status.samples) + " since the start, " + snapshot);
    fields.add("Unseen sockets", std::to_string(status.unseen_sockets) +
                                     " known from their end alone since the start");
}

// What hooks in the kernel count; tiers without have none of it.
void add_events(const proto::Status &status, Fields &fields) {
    std::string counts;
    const auto add = [&counts](const std::optional<std::int64_t> &count, const char *what) {
        if (count)
            counts += (counts.empty() ? "" : ", ") + std::to_string(*count) + " " + what;
    };
    add(status.events_issued, "issued");
    add(status.events_received, "received");
    add(status.events_lost, "lost");
    std::string text;
    if (status.events_per_second)
        text = std::to_string(*status.events_per_second) + " a second";
    if (!counts.empty())
        text += (text.empty() ? "" : "; ") + counts + " since the start";
    if (!text.empty())
        fields.add("Events", text);
    if (!status.witness_misses)
        return;
    std::string witness =
        counted(*status.witness_misses, "socket") + " that capture had not seen since the start";
    if (status.witness_overflows.value_or(0) > 0)
        witness += "; " + counted(*status.witness_overflows, "time") +
                   " it did not hear all, so there may be more";
    fields.add("Witness", witness);
}

void add_self_check(const proto::Status &status, const Session &session, Fields &fields) {
    if (!status.self_check)
        return;
    const proto::SelfCheck &check = *status.self_check;
    const std::string verdict = check.passed
                                    ? styled("passed", Style::good, session.look().color)
                                    : styled("failed", Style::caution, session.look().color);
    fields.add("Self-check", verdict + " " + ago(check.at_usec, session) + ": " +
                                 escape_text(check.detail, session.charset()));
}

void add_gaps(const proto::Status &status, const Session &session, Fields &fields) {
    if (status.gaps.empty()) {
        fields.add("Gaps", "none");
        return;
    }
    for (std::size_t i = 0; i < status.gaps.size(); ++i) {
        const proto::Gap &gap = status.gaps[i];
        const std::string text = describe_stretch(gap.since_usec, gap.until_usec) + ": " +
                                 describe_cause(gap, session.charset());
        if (i == 0)
            fields.add("Newest gaps", text);
        else
            fields.more(text);
    }
}

void add_clock_steps(const proto::Status &status, Fields &fields) {
    for (auto step = status.clock_steps.rbegin(); step != status.clock_steps.rend(); ++step) {
        const std::string text = "set from " + format_instant_in_zone(step->from_usec) + " to " +
                                 format_instant_in_zone(step->to_usec);
        if (step == status.clock_steps.rbegin())
            fields.add("Clock", text);
        else
            fields.more(text);
    }
}

Fields describe(const proto::Status &status, const Session &session) {
    Fields fields;
    fields.add("portd", escape_text(status.version, session.charset()) + ", started " +
                            since(status.started_usec, session));
    fields.add("State", describe_watching(status, session));
    add_capture(status, session, fields);
    add_events(status, fields);
    add_self_check(status, session, fields);
    fields.add("Ports", escape_text(status.ports, session.charset()) + " (ip_local_port_range " +
                            std::to_string(status.range_low) + "-" +
                            std::to_string(status.range_high) + ")");
    fields.add("Namespace", std::to_string(status.network_namespace));
    fields.add("Leases", std::to_string(status.open_leases) + " open, " +
                             std::to_string(status.stored_leases) + " stored in " +
                             format_bytes(status.stored_bytes));
    fields.add("Lost events", describe_losses(status, session.charset()));
    add_gaps(status, session, fields);
    add_clock_steps(status, fields);
    fields.add("Memory", format_bytes(status.resident_bytes));
    fields.add("CPU", format_span(status.cpu_usec));
    return fields;
}

ExitStatus run(const Typed &, Session &session) {
    Connection connection = session.connect();
    const auto answer = ask_once(connection, proto::methods::status, nlohmann::json::object());
    const auto status = decoded<proto::Status>(answer);
    if (session.wants_json()) {
        session.json_line(answer);
        return ExitStatus::found;
    }
    for (const std::string &line : describe(status, session).lines(session.look().width))
        session.output().line(line);
    return ExitStatus::found;
}

constexpr const char *notes = R"(
Examples:
  portd-ctl status
  portd-ctl status --json
)";

} // namespace

const Verb status_verb{
    "status", "Show what the daemon does, and how well", PortArgument::none, {}, notes, run};

} // namespace portd::client
