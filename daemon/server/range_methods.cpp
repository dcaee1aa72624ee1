// Why, Conflicts, Pressure: what keeps a port, or a range of them, from being had.
#include "conflicts_stream.hpp"
#include "method.hpp"
#include "model/address_range.hpp"
#include "pressure_stream.hpp"
#include "proto/answers.hpp"
#include "why_stream.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

namespace portd::server {

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
    const auto known = request.backend.daemon.known_ports();
    if (const auto ports = known->find(static_cast<std::uint32_t>(question.bind.network_namespace));
        ports != known->end())
        question.ports = ports->second;
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
    const auto decoded = proto::decode<proto::PressureRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::PressureRequest>(decoded);

    PressureQuestion question;
    question.protocol = wire.protocol;
    question.network_namespace = wire.network_namespace;
    question.settings.own_namespace = request.backend.daemon.status().network_namespace;
    question.settings.ports = request.backend.daemon.known_ports();
    question.settings.window_us =
        std::min(wire.window_usec.value_or(a_minute_us), wire.longest_window_usec);
    question.settings.now_us = request.now_us;
    question.settings.destinations =
        static_cast<std::size_t>(std::min(wire.limit.value_or(8), wire.most_destinations));
    question.settings.knows_past = request.caller.sight == Sight::everything;
    return std::make_unique<PressureStream>(std::move(question), request.caller);
}

} // namespace portd::server
