#include "methods.hpp"

#include "audit_stream.hpp"
#include "conflicts_stream.hpp"
#include "export_stream.hpp"
#include "interval.hpp"
#include "lease_stream.hpp"
#include "model/address_range.hpp"
#include "pressure_stream.hpp"
#include "proto/answers.hpp"
#include "proto/codec.hpp"
#include "proto/interfaces.hpp"
#include "query.hpp"
#include "replies.hpp"
#include "services.hpp"
#include "verify_stream.hpp"
#include "watch_stream.hpp"
#include "why_stream.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace portd::server {
namespace {

using nlohmann::json;
using proto::Reply;

struct Request {
    const json &parameters;
    const Caller &caller;
    const Backend &backend;
    std::int64_t now_us;
};

struct Interface {
    std::string_view name;
    std::string_view description;
};

const std::array<Interface, 2> &interfaces() {
    static const std::array<Interface, 2> served{{
        {"org.varlink.service", proto::service_interface},
        {"io.portd.Ports", proto::ports_interface},
    }};
    return served;
}

const Interface *find_interface(std::string_view name) {
    const auto found = std::ranges::find(interfaces(), name, &Interface::name);
    return found == interfaces().end() ? nullptr : &*found;
}

Reply invalid(const proto::InvalidField &field) {
    return failure(proto::errors::invalid_parameter,
                   json{{"parameter", field.parameter}, {"reason", field.reason}});
}

Reply no_such_interface(std::string_view name) {
    return failure(proto::errors::interface_not_found, "interface", std::string(name));
}

// Methods that take no parameter but this one.
std::optional<Reply> refuse_others(const json &parameters, std::string_view known) {
    for (const auto &[name, value] : parameters.items())
        if (name != known)
            return invalid({name, "is not a parameter of this method"});
    return std::nullopt;
}

Answer get_info(const Request &request) {
    if (auto refusal = refuse_others(request.parameters, ""))
        return *refusal;
    json names = json::array();
    for (const Interface &interface : interfaces())
        names.push_back(interface.name);
    return success(json{{"vendor", "portd"},
                        {"product", "portd"},
                        {"version", request.backend.daemon.status().version},
                        {"url", ""},
                        {"interfaces", std::move(names)}});
}

Answer get_interface_description(const Request &request) {
    if (auto refusal = refuse_others(request.parameters, "interface"))
        return *refusal;
    const auto name = request.parameters.find("interface");
    if (name == request.parameters.end() || name->is_null())
        return invalid({"interface", "is required"});
    if (!name->is_string())
        return invalid({"interface", "is not a string"});
    const auto &text = name->get_ref<const std::string &>();
    if (const Interface *interface = find_interface(text))
        return success(json{{"description", interface->description}});
    return no_such_interface(text);
}

// A port of which no leases are kept may have been held unseen.
bool is_recorded(const model::LeaseQuery &query, const Backend &backend) {
    return !query.port || backend.daemon.records(*query.port);
}

// Goes on where the cursor stands.
std::optional<proto::InvalidField> resume(LeaseQuestion &question, const std::string &text) {
    const auto cursor = parse_cursor(text);
    if (!cursor)
        return proto::InvalidField{"cursor", "is not a cursor of this version"};
    if (question.query.newest_first && !cursor->newest_first)
        return proto::InvalidField{"cursor", "is of an answer that had the oldest first"};
    question.after = *cursor;
    question.query.newest_first = cursor->newest_first;
    question.others = OthersOpen::withheld;
    return std::nullopt;
}

Answer history(const Request &request) {
    const auto decoded = proto::decode<proto::HistoryRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::HistoryRequest>(decoded);
    const auto interval = interval_of(wire);
    if (const auto *none = std::get_if<NoInterval>(&interval))
        return failure(proto::errors::invalid_interval, "reason", none->reason);

    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    LeaseQuestion question;
    question.coverage_of = std::get<Interval>(interval);
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.query.since_us = question.coverage_of->since_us;
    question.query.until_us = question.coverage_of->until_us;
    question.query.newest_first = wire.newest_first;
    question.limit = wire.limit;
    question.with_bind_failures = true;
    question.others = others_in(question.query, request.now_us);
    if (wire.cursor)
        if (const auto field = resume(question, *wire.cursor))
            return invalid(*field);
    question.withheld = request.caller.sight == Sight::own;
    question.recorded = is_recorded(question.query, request.backend);
    return std::make_unique<LeaseStream>(std::move(question), request.caller);
}

Answer list(const Request &request) {
    const auto decoded = proto::decode<proto::ListRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::ListRequest>(decoded);
    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    LeaseQuestion question;
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.query.open_only = true;
    question.limit = wire.limit;
    question.others = others_in(question.query, request.now_us);
    question.withheld =
        request.caller.sight == Sight::own && question.others == OthersOpen::withheld;
    question.recorded = is_recorded(question.query, request.backend);
    return std::make_unique<LeaseStream>(std::move(question), request.caller);
}

Answer audit(const Request &request) {
    const auto decoded = proto::decode<proto::AuditRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::AuditRequest>(decoded);
    if (wire.since_usec && wire.until_usec && *wire.since_usec > *wire.until_usec)
        return failure(proto::errors::invalid_interval, "reason", "sinceUsec is after untilUsec");
    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    AuditQuestion question;
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.query.since_us = wire.since_usec;
    question.query.until_us = wire.until_usec;
    question.interval = {wire.since_usec, wire.until_usec};
    question.by = wire.by;
    question.order = wire.order;
    if (wire.limit)
        question.limit =
            static_cast<std::size_t>(std::min<std::int64_t>(*wire.limit, AuditTable::most_groups));
    question.recorded = is_recorded(question.query, request.backend);
    return std::make_unique<AuditStream>(std::move(question), request.caller, request.now_us);
}

// Where the caller wants to go on; absent if it does not, or if that is no cursor of ours.
std::optional<ChangePosition> position_of(const std::optional<std::string> &cursor,
                                          CursorOf method) {
    return cursor ? parse_cursor(*cursor, method) : std::nullopt;
}

const proto::InvalidField no_such_cursor{"afterCursor", "is not a cursor of this method"};

Answer watch(const Request &request) {
    const auto decoded = proto::decode<proto::WatchRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::WatchRequest>(decoded);

    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    WatchQuestion question;
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.after = position_of(wire.after_cursor, CursorOf::watch);
    if (wire.after_cursor && !question.after)
        return invalid(no_such_cursor);
    // By its choice of cursors a caller could find out when a lease was opened.
    question.others =
        question.after ? OthersOpen::withheld : others_in(question.query, request.now_us);
    return std::make_unique<WatchStream>(std::move(question), request.caller);
}

Answer export_(const Request &request) {
    const auto decoded = proto::decode<proto::ExportRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::ExportRequest>(decoded);
    if (wire.follow && wire.until_usec)
        return failure(proto::errors::invalid_interval, "reason", "follow excludes untilUsec");
    proto::HistoryRequest bounds;
    bounds.since_usec = wire.since_usec;
    bounds.until_usec = wire.until_usec;
    const auto interval = interval_of(bounds);
    if (const auto *none = std::get_if<NoInterval>(&interval))
        return failure(proto::errors::invalid_interval, "reason", none->reason);

    ExportQuestion question{std::get<Interval>(interval), wire.follow, {}};
    if (wire.after_cursor) {
        const auto after = position_of(wire.after_cursor, CursorOf::export_);
        if (!after)
            return invalid(no_such_cursor);
        question.after = *after;
    }
    return std::make_unique<ExportStream>(question, request.caller);
}

// Adds the open leases of the port, as far as a reply takes them.
void add_holders(proto::WhoReply &reply, model::LeaseQuery query, const Request &request) {
    query.open_only = true;
    std::size_t processes = 0;
    std::optional<model::LeaseCursor> after;
    do {
        model::LeasePage page = request.backend.history.page(query, after, 32);
        for (proto::Lease &lease : page.leases) {
            auto shown = visible(std::move(lease), request.caller, OthersOpen::cut);
            if (!shown)
                continue;
            processes += shown->holders.size();
            if (reply.holders.size() == most_holding_leases ||
                (!reply.holders.empty() && processes > most_holding_processes)) {
                reply.truncated = true;
                return;
            }
            reply.withheld = reply.withheld || shown->incomplete;
            reply.holders.push_back(*std::move(shown));
        }
        after = page.next;
    } while (after);
}

proto::WhoReply who_holds(std::uint16_t port, const Request &request) {
    model::LeaseQuery query;
    query.port = port;
    query.visible_to_uid = request.caller.limited_to();

    proto::WhoReply reply;
    add_holders(reply, query, request);
    if (reply.holders.empty()) {
        if (auto last = request.backend.history.last_freed(query))
            reply.last = visible(*std::move(last), request.caller, OthersOpen::withheld);
        reply.withheld = request.caller.sight == Sight::own;
    }
    reply.coverage = request.backend.history.present_coverage();
    reply.coverage.complete =
        reply.coverage.complete && !reply.withheld && is_recorded(query, request.backend);
    return reply;
}

Answer who(const Request &request) {
    const auto decoded = proto::decode<proto::PortRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto port = static_cast<std::uint16_t>(std::get<proto::PortRequest>(decoded).port);
    return success(encode(who_holds(port, request)));
}

const char *iana_class_of(std::uint16_t port) {
    if (model::iana_system.contains(port))
        return "system";
    return model::iana_user.contains(port) ? "user" : "dynamic";
}

Answer explain(const Request &request) {
    const auto decoded = proto::decode<proto::PortRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto port = static_cast<std::uint16_t>(std::get<proto::PortRequest>(decoded).port);

    const model::NamespacePorts ports = request.backend.daemon.namespace_ports();
    proto::Explanation explanation;
    explanation.port = port;
    explanation.iana_class = iana_class_of(port);
    explanation.iana_reference = "RFC 6335, section 6";
    explanation.range_low = ports.local_range.low;
    explanation.range_high = ports.local_range.high;
    explanation.in_range = ports.local_range.contains(port);
    explanation.reserved = ports.is_reserved(port);
    explanation.privileged = port < ports.unprivileged_start;
    explanation.recorded = request.backend.daemon.records(port);
    explanation.services = services_of(port);
    explanation.who = who_holds(port, request);
    return success(encode(explanation));
}

Answer why(const Request &request) {
    constexpr std::int64_t a_day_us = 86'400'000'000;
    const auto decoded = proto::decode<proto::WhyRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::WhyRequest>(decoded);

    WhyQuestion question;
    question.port = static_cast<std::uint16_t>(wire.port);
    question.bind.protocol = wire.protocol;
    const std::int64_t own_namespace = request.backend.daemon.status().network_namespace;
    question.bind.network_namespace = wire.network_namespace.value_or(own_namespace);
    if (wire.local_address) {
        const auto range = model::parse_address_range(*wire.local_address);
        if (!range || range->first != range->last)
            return invalid({"localAddress", "is not an address"});
        question.bind.address = range->first;
    }
    if (question.bind.network_namespace == own_namespace)
        question.ports = request.backend.daemon.namespace_ports();
    question.now_us = request.now_us;
    question.since_us = wire.since_usec.value_or(request.now_us - a_day_us);
    question.recorded = request.backend.daemon.records(question.port);
    return std::make_unique<WhyStream>(std::move(question), request.caller);
}

Answer conflicts(const Request &request) {
    constexpr std::int64_t a_week_us = 7 * 86'400'000'000;
    const auto decoded = proto::decode<proto::ConflictsRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::ConflictsRequest>(decoded);

    ConflictsQuestion question;
    question.ports = request.backend.daemon.namespace_ports();
    question.network_namespace = request.backend.daemon.status().network_namespace;
    question.now_us = request.now_us;
    question.since_us = wire.since_usec.value_or(request.now_us - a_week_us);
    return std::make_unique<ConflictsStream>(std::move(question), request.caller);
}

Answer pressure(const Request &request) {
    constexpr std::int64_t a_minute_us = 60'000'000;
    constexpr std::int64_t a_day_us = 86'400'000'000;
    constexpr std::int64_t most_destinations = 32;
    const auto decoded = proto::decode<proto::PressureRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::PressureRequest>(decoded);

    PressureQuestion question;
    question.protocol = wire.protocol;
    question.network_namespace = wire.network_namespace;
    question.settings.ports = request.backend.daemon.namespace_ports();
    question.settings.network_namespace = request.backend.daemon.status().network_namespace;
    question.settings.window_us = std::min(wire.window_usec.value_or(a_minute_us), a_day_us);
    question.settings.now_us = request.now_us;
    question.settings.destinations =
        static_cast<std::size_t>(std::min(wire.limit.value_or(8), most_destinations));
    question.settings.knows_past = request.caller.sight == Sight::everything;
    return std::make_unique<PressureStream>(std::move(question), request.caller);
}

Answer status(const Request &request) {
    if (auto refusal = refuse_others(request.parameters, ""))
        return *refusal;
    proto::Status status = request.backend.daemon.status();
    status.gaps = request.backend.history.newest_gaps(16);
    status.clock_steps = request.backend.history.newest_clock_steps(16);
    return success(encode(status));
}

Answer verify(const Request &request) {
    if (auto refusal = refuse_others(request.parameters, ""))
        return *refusal;
    auto verification = request.backend.history.verify();
    if (!verification)
        return limit_exceeded("verifications", 1);
    return std::make_unique<VerifyStream>(std::move(verification));
}

enum class Replies { one, stream };

struct Method {
    std::string_view name;
    Replies replies;
    Answer (*answer)(const Request &);
};

constexpr std::array<Method, 14> served_methods{{
    {proto::methods::get_info, Replies::one, get_info},
    {proto::methods::get_interface_description, Replies::one, get_interface_description},
    {proto::methods::history, Replies::stream, history},
    {proto::methods::list, Replies::stream, list},
    {proto::methods::watch, Replies::stream, watch},
    {proto::methods::export_, Replies::stream, export_},
    {proto::methods::audit, Replies::stream, audit},
    {proto::methods::who, Replies::one, who},
    {proto::methods::explain, Replies::one, explain},
    {proto::methods::why, Replies::stream, why},
    {proto::methods::conflicts, Replies::stream, conflicts},
    {proto::methods::pressure, Replies::stream, pressure},
    {proto::methods::status, Replies::one, status},
    {proto::methods::verify, Replies::stream, verify},
}};

} // namespace

Answer answer(const proto::Call &call, const Caller &caller, const Backend &backend,
              std::int64_t now_us) {
    const std::string_view name = call.method;
    const std::string_view interface = name.substr(0, name.rfind('.'));
    if (find_interface(interface) == nullptr)
        return no_such_interface(interface);
    const auto method = std::ranges::find(served_methods, name, &Method::name);
    if (method == served_methods.end())
        return failure(proto::errors::method_not_found, "method", call.method);
    if (call.upgrade)
        return failure(proto::errors::method_not_implemented, "method", call.method);
    if (method->replies == Replies::stream && !call.more)
        return failure(proto::errors::expected_more, json::object());
    if (!may_call(name, caller))
        return failure(proto::errors::permission_denied, json::object());
    try {
        return method->answer({*call.parameters, caller, backend, now_us});
    } catch (const std::exception &fault) {
        return failure(proto::errors::store_unavailable, "reason", fault.what());
    }
}

} // namespace portd::server
