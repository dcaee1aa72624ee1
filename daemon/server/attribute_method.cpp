// Attribute: whose the flows of somebody's log were.
#include "attribute_stream.hpp"
#include "method.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

namespace portd::server {

Answer attribute(const Request &request) {
    const auto decoded = proto::decode<proto::AttributeRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    auto question = question_of(std::get<proto::AttributeRequest>(decoded));
    if (const auto *field = std::get_if<proto::InvalidField>(&question))
        return invalid(*field);
    auto &asked = std::get<AttributeQuestion>(question);
    asked.records = [&daemon = request.backend.daemon](std::uint16_t port) {
        return daemon.records(port);
    };
    return std::make_unique<AttributeStream>(std::move(asked), request.caller, request.now_us);
}

} // namespace portd::server
