#include "client/export_schema.hpp"

#include "client/community_id.hpp"
#include "client/format.hpp"
#include "client/lease_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <optional>
#include <string_view>

namespace portd::client {
namespace {

using nlohmann::json;

constexpr const char *ecs_version = "8.17.0";

template <typename T>
void put(json &object, const char *name, const std::optional<T> &value) {
    if (!value)
        return;
    if constexpr (std::is_enum_v<T>)
        object[name] = std::string(portd::to_string(*value));
    else
        object[name] = *value;
}

std::optional<std::string> rfc3339(std::optional<std::int64_t> usec) {
    return usec ? std::optional(format_rfc3339(*usec)) : std::nullopt;
}

std::optional<std::string> flow_id(const proto::Lease &lease) {
    if (!lease.peer_address || !lease.peer_port)
        return std::nullopt;
    return community_id(lease.protocol, lease.local_address, lease.local_port, *lease.peer_address,
                        *lease.peer_port);
}

std::string file_name(const std::string &path) {
    return path.substr(path.rfind('/') + 1);
}

// The moment to file the document at: the latest that is known of the end, or of the opening.
std::optional<std::int64_t> filed_at(const proto::Lease &lease) {
    for (const proto::Moment *moment : {lease.freed ? &*lease.freed : nullptr,
                                        lease.closed ? &*lease.closed : nullptr, &lease.opened})
        if (moment)
            if (const Bounds bounds = bounds_of(*moment); bounds.latest || bounds.earliest)
                return bounds.latest ? bounds.latest : bounds.earliest;
    return std::nullopt;
}

// What is told of a moment, under names that begin alike.
void put_moment(json &object, const std::string &name, const std::optional<proto::Moment> &moment) {
    if (!moment)
        return;
    put(object, (name + ".time").c_str(), rfc3339(moment->usec));
    put(object, (name + ".earliest").c_str(), rfc3339(moment->earliest_usec));
    put(object, (name + ".latest").c_str(), rfc3339(moment->latest_usec));
    object[name + ".provenance"] = std::string(portd::to_string(moment->provenance));
}

json nested_moment(const proto::Moment &moment) {
    json object;
    put(object, "time", rfc3339(moment.usec));
    put(object, "earliest", rfc3339(moment.earliest_usec));
    put(object, "latest", rfc3339(moment.latest_usec));
    object["provenance"] = std::string(portd::to_string(moment.provenance));
    return object;
}

// ---- OpenTelemetry

void put_otel_process(json &object, const proto::Process &process) {
    put(object, "process.pid", process.pid);
    put(object, "process.creation.time", rfc3339(process.start_usec));
    put(object, "process.executable.path", process.executable);
    if (process.executable)
        object["process.executable.name"] = file_name(*process.executable);
    put(object, "process.title", process.command);
    put(object, "process.command_line", process.arguments);
    put(object, "process.user.id", process.uid);
    put(object, "process.user.name", process.user);
    put(object, "process.linux.cgroup", process.control_group);
    if (!process.ancestors.empty())
        object["process.parent_pid"] = process.ancestors.front().pid;
    put(object, "container.id", process.container);
    put(object, "portd.unit", process.unit);
    object["portd.process.provenance"] = std::string(portd::to_string(process.provenance));
}

// ---- Elastic Common Schema

json endpoint(const std::string &address, std::int64_t port, std::optional<std::int64_t> bytes) {
    json object{{"ip", address}, {"address", address}, {"port", port}};
    put(object, "bytes", bytes);
    return object;
}

// Who began it is the source; where nothing tells, neither is.
void put_ends(json &document, const proto::Lease &lease) {
    const json local = endpoint(lease.local_address, lease.local_port, lease.bytes_sent);
    const bool has_peer = lease.peer_address && lease.peer_port;
    const json peer =
        has_peer ? endpoint(*lease.peer_address, *lease.peer_port, lease.bytes_received) : json();
    if (!lease.role)
        return;
    switch (*lease.role) {
    case Role::client:
        document["source"] = local;
        if (has_peer)
            document["destination"] = peer;
        document["network"]["direction"] = "egress";
        return;
    case Role::accepted:
        document["destination"] = local;
        if (has_peer)
            document["source"] = peer;
        document["network"]["direction"] = "ingress";
        return;
    case Role::listener:
        document["server"] = local;
        return;
    case Role::datagram:
        return;
    }
}

json ecs_process(const proto::Process &process) {
    json object;
    put(object, "pid", process.pid);
    put(object, "start", rfc3339(process.start_usec));
    put(object, "executable", process.executable);
    put(object, "name", process.command);
    put(object, "command_line", process.arguments);
    if (process.uid)
        object["user"]["id"] = std::to_string(*process.uid);
    if (process.user)
        object["user"]["name"] = *process.user;
    if (process.gid)
        object["group"]["id"] = std::to_string(*process.gid);
    if (!process.ancestors.empty())
        object["parent"] = {{"pid", process.ancestors.front().pid},
                            {"name", process.ancestors.front().command}};
    return object;
}

const char *ecs_outcome(const std::optional<Outcome> &outcome) {
    if (!outcome)
        return "unknown";
    switch (*outcome) {
    case Outcome::closed:
        return "success";
    case Outcome::refused:
    case Outcome::reset:
    case Outcome::timed_out:
    case Outcome::unreachable:
        return "failure";
    case Outcome::abandoned:
        return "unknown";
    }
    return "unknown";
}

json ecs_event(const proto::Lease &lease) {
    json event{{"kind", "event"},
               {"category", {"network"}},
               {"type", {"connection", "end"}},
               {"action", "port-lease-ended"},
               {"dataset", "portd.lease"},
               {"module", "portd"},
               {"provider", "portd"},
               {"id", lease.id},
               {"outcome", ecs_outcome(lease.outcome)}};
    const auto end = lease.closed ? lease.closed->usec : std::nullopt;
    put(event, "start", rfc3339(lease.opened.usec));
    put(event, "end", rfc3339(end));
    if (lease.opened.usec && end)
        event["duration"] = (*end - *lease.opened.usec) * 1'000; // nanoseconds
    return event;
}

json ecs_own(const proto::Lease &lease) {
    json own{
        {"boot_id", lease.boot_id},
        {"local", {{"ip", lease.local_address}, {"port", lease.local_port}}},
        {"network_namespace", {{"id", lease.network_namespace}}},
        {"phase", std::string(portd::to_string(lease.phase))},
        {"opened", nested_moment(lease.opened)},
        {"process", {{"provenance", std::string(portd::to_string(telling(lease).provenance))}}}};
    if (lease.peer_address && lease.peer_port)
        own["peer"] = {{"ip", *lease.peer_address}, {"port", *lease.peer_port}};
    if (lease.network_namespace_name)
        own["network_namespace"]["name"] = *lease.network_namespace_name;
    put(own, "role", lease.role);
    put(own, "port_choice", lease.port_choice);
    put(own, "port_chosen_by", lease.port_chosen_by);
    put(own, "outcome", lease.outcome);
    if (lease.closed)
        own["closed"] = nested_moment(*lease.closed);
    if (lease.freed)
        own["freed"] = nested_moment(*lease.freed);
    put(own, "unit", telling(lease).unit);
    put(own, "control_group", telling(lease).control_group);
    return own;
}

} // namespace

std::string gap_id(const proto::Gap &gap) {
    return gap.cause + "-" + (gap.since_usec ? std::to_string(*gap.since_usec) : "beginning");
}

json to_otel(const proto::Lease &lease) {
    json object{{"event.name", "portd.lease"},
                {"log.record.uid", lease.id},
                {"network.transport", std::string(portd::to_string(lease.protocol))},
                {"network.type", std::string(portd::to_string(lease.family))},
                {"network.local.address", lease.local_address},
                {"network.local.port", lease.local_port},
                {"portd.boot_id", lease.boot_id},
                {"portd.network_namespace.id", lease.network_namespace},
                {"portd.phase", std::string(portd::to_string(lease.phase))}};
    put(object, "timestamp", rfc3339(filed_at(lease)));
    put(object, "network.peer.address", lease.peer_address);
    put(object, "network.peer.port", lease.peer_port);
    put(object, "network.community_id", flow_id(lease));
    put(object, "portd.network_namespace.name", lease.network_namespace_name);
    put(object, "portd.role", lease.role);
    put(object, "portd.port_choice", lease.port_choice);
    put(object, "portd.port_chosen_by", lease.port_chosen_by);
    put(object, "portd.outcome", lease.outcome);
    put(object, "portd.bytes_sent", lease.bytes_sent);
    put(object, "portd.bytes_received", lease.bytes_received);
    put(object, "portd.socket.uid", lease.uid);
    put_moment(object, "portd.opened", lease.opened);
    put_moment(object, "portd.closed", lease.closed);
    put_moment(object, "portd.freed", lease.freed);
    put_otel_process(object, telling(lease));
    return object;
}

json to_otel(const proto::Gap &gap) {
    json object{{"event.name", "portd.gap"},
                {"log.record.uid", gap_id(gap)},
                {"portd.gap.cause", gap.cause}};
    put(object, "timestamp", rfc3339(gap.until_usec));
    put(object, "portd.gap.since", rfc3339(gap.since_usec));
    put(object, "portd.gap.until", rfc3339(gap.until_usec));
    put(object, "portd.gap.lost_events", gap.lost_events);
    return object;
}

json to_ecs(const proto::Lease &lease) {
    json document{{"ecs", {{"version", ecs_version}}},
                  {"event", ecs_event(lease)},
                  {"network",
                   {{"transport", std::string(portd::to_string(lease.protocol))},
                    {"type", std::string(portd::to_string(lease.family))}}},
                  {"portd", ecs_own(lease)}};
    put(document, "@timestamp", rfc3339(filed_at(lease)));
    put(document["network"], "community_id", flow_id(lease));
    if (lease.bytes_sent && lease.bytes_received)
        document["network"]["bytes"] = *lease.bytes_sent + *lease.bytes_received;
    put_ends(document, lease);
    if (const json process = ecs_process(telling(lease)); !process.is_null())
        document["process"] = process;
    if (lease.uid)
        document["user"]["id"] = std::to_string(*lease.uid);
    if (lease.user)
        document["user"]["name"] = *lease.user;
    if (telling(lease).container)
        document["container"]["id"] = *telling(lease).container;
    return document;
}

json to_ecs(const proto::Gap &gap) {
    json document{{"ecs", {{"version", ecs_version}}},
                  {"event",
                   {{"kind", "event"},
                    {"type", {"info"}},
                    {"action", "portd-gap"},
                    {"dataset", "portd.gap"},
                    {"module", "portd"},
                    {"provider", "portd"},
                    {"id", gap_id(gap)},
                    {"reason", gap.cause}}}};
    put(document, "@timestamp", rfc3339(gap.until_usec));
    put(document["event"], "start", rfc3339(gap.since_usec));
    put(document["event"], "end", rfc3339(gap.until_usec));
    if (gap.lost_events)
        document["portd"]["lost_events"] = *gap.lost_events;
    return document;
}

} // namespace portd::client
