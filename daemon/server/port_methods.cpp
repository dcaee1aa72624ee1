// Who, Explain: one port, now.
#include "method.hpp"
#include "replies.hpp"
#include "services.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <variant>

namespace portd::server {

namespace {

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

} // namespace

Answer who(const Request &request) {
    const auto decoded = proto::decode<proto::PortRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto port = static_cast<std::uint16_t>(std::get<proto::PortRequest>(decoded).port);
    return success(encode(who_holds(port, request)));
}

namespace {

const char *iana_class_of(std::uint16_t port) {
    if (model::iana_system.contains(port))
        return "system";
    return model::iana_user.contains(port) ? "user" : "dynamic";
}

} // namespace

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

} // namespace portd::server
