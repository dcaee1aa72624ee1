#include "client/json_log.hpp"

#include "client/flow_fields.hpp"
#include "proto/framing.hpp"

#include <nlohmann/json.hpp>

namespace portd::client {
namespace {

using nlohmann::json;

constexpr std::size_t most_depth = 64;

// Discarded where the line is none, or nested too deeply to be parsed.
json parse(std::string_view line) {
    if (proto::nesting_depth(line) > most_depth)
        return json(json::value_t::discarded);
    json object = json::parse(line, nullptr, false);
    return object.is_object() ? object : json(json::value_t::discarded);
}

std::string text_of(const json &value) {
    if (value.is_string())
        return value.get<std::string>();
    if (value.is_number_float()) { // of a time: no digit of a microsecond may be lost
        char text[64];
        std::snprintf(text, sizeof text, "%.6f", value.get<double>());
        return text;
    }
    return value.is_number_integer() ? value.dump() : "";
}

void set(FlowFields &fields, const std::string &name, const json &value) {
    if (const auto field = field_named(name))
        fields.set(*field, text_of(value));
}

// Suricata's records of what happens in a flow are of a time in it.
void set_suricata_times(FlowFields &fields, const json &object) {
    const auto flow = object.find("flow");
    if (flow == object.end() || !flow->is_object() || !flow->contains("start"))
        return;
    fields.set(FlowField::time, text_of(flow->at("start")));
    const auto end = flow->find("end");
    if (end != flow->end())
        fields.set(FlowField::end, text_of(*end));
    else if (object.contains("timestamp"))
        fields.set(FlowField::end, text_of(object.at("timestamp")));
}

// Suricata's EVE has records that are not about a flow (stats, some anomalies) among the others.
bool is_of_no_flow(const json &object, const proto::Flow &flow) {
    return object.contains("event_type") && !flow.source_port && !flow.destination_port &&
           !object.contains("src_port") && !object.contains("dest_port");
}

} // namespace

LogRow JsonLog::read(std::string line) {
    LogRow row;
    if (line.find_first_not_of(" \t\r") == std::string::npos)
        return {LogRow::Kind::header, std::move(line)};
    const json object = parse(line);
    row.line = std::move(line);
    if (object.is_discarded()) {
        row.fault = faults::no_object;
        return row;
    }
    FlowFields fields;
    set_suricata_times(fields, object);
    for (const auto &[name, value] : object.items()) {
        if (!value.is_object()) {
            set(fields, name, value);
            continue;
        }
        for (const auto &[inner, member] : value.items())
            set(fields, name + '.' + inner, member);
    }
    row.kind = fields.make(row, now_usec_);
    if (row.kind == LogRow::Kind::unreadable && is_of_no_flow(object, row.flow)) {
        row.kind = LogRow::Kind::no_ports;
        row.fault.clear();
    }
    return row;
}

std::string JsonLog::write(const LogRow &row, const LogAddition &addition) const {
    if (row.kind == LogRow::Kind::unreadable) // perhaps no object, or one without members
        return row.line;
    const std::size_t end = row.line.rfind('}');
    constexpr bool only_ascii = true;
    return row.line.substr(0, end) + "," +
           "\"portd\":" + addition.json->dump(-1, ' ', only_ascii, json::error_handler_t::replace) +
           row.line.substr(end);
}

json JsonLog::to_json(const LogRow &row) const {
    json object = parse(row.line);
    return object.is_discarded() ? json{{"line", row.line}} : object;
}

} // namespace portd::client
