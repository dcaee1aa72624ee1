#include "client/attribution_text.hpp"

#include "client/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>

namespace portd::client {
namespace {

using nlohmann::json;

constexpr Confidence last_confidence = Confidence::nobody;
constexpr const char *word_of_no_lease = "noLease";
constexpr const char *word_of_no_ports = "noPorts";
constexpr const char *word_of_unreadable = "unreadable";

const proto::Process *at(const std::vector<proto::Process> &processes, std::int64_t place) {
    const auto index = static_cast<std::size_t>(place);
    return index < processes.size() ? &processes[index] : nullptr;
}

// Those that a row names: one, or all that it can be.
std::vector<const proto::Process *> named(const proto::EndAttribution &end,
                                          const std::vector<proto::Process> &processes) {
    std::vector<const proto::Process *> found;
    if (end.process)
        found.push_back(at(processes, *end.process));
    for (const std::int64_t place : end.candidates)
        found.push_back(at(processes, place));
    std::erase(found, nullptr);
    return found;
}

std::string number(const std::optional<std::int64_t> &value) {
    return value ? std::to_string(*value) : "";
}

// One value, or several in the order of the processes with "|" between them.
template <typename ValueOf>
std::string joined(const std::vector<const proto::Process *> &processes, ValueOf value_of) {
    std::string text;
    bool has_any = false;
    for (const proto::Process *process : processes) {
        const std::string value = value_of(*process);
        has_any = has_any || !value.empty();
        text += (process == processes.front() ? "" : "|") + (value.empty() ? "?" : value);
    }
    return has_any ? text : "";
}

std::vector<std::string> columns_of(const proto::EndAttribution &end,
                                    const std::vector<proto::Process> &processes) {
    const auto who = named(end, processes);
    using Process = proto::Process;
    std::string user = joined(who, [](const Process &one) { return one.user.value_or(""); });
    if (who.empty() && end.user)
        user = *end.user;
    return {joined(who, [](const Process &one) { return one.command.value_or(""); }),
            joined(who, [](const Process &one) { return number(one.pid); }),
            joined(who, [](const Process &one) { return one.executable.value_or(""); }),
            user,
            joined(who, [](const Process &one) { return one.unit.value_or(""); }),
            joined(who, [](const Process &one) { return one.container.value_or(""); }),
            std::string(to_string(end.confidence))};
}

std::string reasons_of(const proto::EndAttribution &end) {
    std::string text;
    for (const AttributionReason reason : end.reasons)
        text += (text.empty() ? "" : ",") + std::string(to_string(reason));
    for (const std::string &gap : end.gaps)
        text += (text.empty() ? "" : ",") + gap;
    for (const std::int64_t port : end.ports)
        text += (text.empty() ? "port:" : ",port:") + std::to_string(port);
    return text;
}

json to_json(const proto::Process &process) {
    json object = json::object();
    const auto set = [&](const char *name, const auto &value) {
        if (value)
            object[name] = *value;
    };
    set("pid", process.pid);
    set("startUsec", process.start_usec);
    set("command", process.command);
    set("executable", process.executable);
    set("user", process.user);
    set("unit", process.unit);
    set("container", process.container);
    object["provenance"] = to_string(process.provenance);
    return object;
}

json to_json(const proto::EndAttribution &end, const std::vector<proto::Process> &processes) {
    json object{{"confidence", to_string(end.confidence)}};
    const auto add_process = [&](const char *name, const std::optional<std::int64_t> &place) {
        if (const auto *process = place ? at(processes, *place) : nullptr)
            object[name] = to_json(*process);
    };
    add_process("process", end.process);
    add_process("lastHolder", end.last_holder);
    if (end.user)
        object["user"] = *end.user;
    for (const AttributionReason reason : end.reasons)
        object["reasons"].push_back(to_string(reason));
    for (const std::int64_t place : end.candidates)
        if (const auto *process = at(processes, place))
            object["candidates"].push_back(to_json(*process));
    if (!end.leases.empty())
        object["leases"] = end.leases;
    if (end.matching > 0)
        object["matching"] = end.matching;
    if (!end.gaps.empty())
        object["gaps"] = end.gaps;
    if (!end.ports.empty())
        object["ports"] = end.ports;
    return object;
}

// The values of the first columns; the others are empty.
LogAddition with_names(std::vector<std::string> values) {
    LogAddition addition;
    static const std::vector<std::string> names = added_columns();
    values.resize(names.size());
    addition.columns.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i)
        addition.columns.emplace_back(names[i], std::move(values[i]));
    return addition;
}

json to_json(const proto::FlowAttribution &flow, const std::vector<proto::Process> &processes) {
    json object = to_json(flow.who, processes);
    if (flow.side)
        object["side"] = to_string(*flow.side);
    if (flow.responder)
        object["responder"] = to_json(*flow.responder, processes);
    return object;
}

} // namespace

std::vector<std::string> added_columns() {
    return {"portd_process",
            "portd_pid",
            "portd_executable",
            "portd_user",
            "portd_unit",
            "portd_container",
            "portd_confidence",
            "portd_reasons",
            "portd_side",
            "portd_responder_process",
            "portd_responder_pid",
            "portd_responder_executable",
            "portd_responder_user",
            "portd_responder_unit",
            "portd_responder_container",
            "portd_responder_confidence"};
}

LogAddition addition_of(const proto::FlowAttribution &flow,
                        const std::vector<proto::Process> &processes, WithJson with_json) {
    std::vector<std::string> values = columns_of(flow.who, processes);
    values.push_back(reasons_of(flow.who));
    values.push_back(flow.side ? std::string(to_string(*flow.side)) : "");
    if (flow.responder)
        std::ranges::move(columns_of(*flow.responder, processes), std::back_inserter(values));
    LogAddition addition = with_names(std::move(values));
    if (with_json == WithJson::yes)
        addition.json = std::make_shared<const json>(to_json(flow, processes));
    return addition;
}

LogAddition addition_of(LogRow::Kind kind) {
    const char *const word = kind == LogRow::Kind::no_lease   ? word_of_no_lease
                             : kind == LogRow::Kind::no_ports ? word_of_no_ports
                                                              : word_of_unreadable;
    LogAddition addition = with_names({"", "", "", "", "", "", word});
    addition.json = std::make_shared<const json>(json{{"confidence", word}});
    return addition;
}

void AttributionCounts::add(const LogRow &row, const proto::FlowAttribution *flow) {
    if (flow)
        ++by_confidence[static_cast<std::size_t>(flow->who.confidence)];
    else if (row.kind == LogRow::Kind::no_lease)
        ++no_lease;
    else if (row.kind == LogRow::Kind::no_ports)
        ++no_ports;
    else if (row.kind == LogRow::Kind::unreadable)
        ++unreadable;
}

std::int64_t AttributionCounts::rows() const {
    return std::accumulate(by_confidence.begin(), by_confidence.end(),
                           no_lease + no_ports + unreadable);
}

std::string describe_counts(const AttributionCounts &counts) {
    constexpr std::array<const char *, 8> words{
        "exact",    "likely",      "ambiguous",    "of an unknown holder",
        "withheld", "not watched", "not recorded", "of nobody here"};
    std::string text;
    const auto add = [&text](std::int64_t count, const char *what) {
        if (count > 0)
            text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
    };
    for (std::size_t i = 0; i < words.size(); ++i)
        add(counts.by_confidence[i], words[i]);
    add(counts.no_lease, "with the Community ID of no lease");
    add(counts.no_ports, "not of TCP or UDP");
    add(counts.unreadable, "unreadable");
    const std::int64_t rows = counts.rows();
    return counted(rows, "row") + (text.empty() ? "" : ": " + text);
}

void UnreadableRows::add(const LogRow &row) {
    if (row.kind == LogRow::Kind::unreadable && remarks_.size() < most_remarks)
        remarks_.push_back("Line " + std::to_string(row.line_number) +
                           " cannot be read: " + row.fault + ".");
}

json to_json(const AttributionCounts &counts) {
    json object{{"rows", counts.rows()}};
    for (int i = 0; i <= static_cast<int>(last_confidence); ++i)
        object[std::string(to_string(static_cast<Confidence>(i)))] =
            counts.of(static_cast<Confidence>(i));
    object[word_of_no_lease] = counts.no_lease;
    object[word_of_no_ports] = counts.no_ports;
    object[word_of_unreadable] = counts.unreadable;
    return object;
}

} // namespace portd::client
