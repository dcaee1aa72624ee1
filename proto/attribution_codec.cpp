#include "proto/attribution.hpp"
#include "proto/decoding.hpp"
#include "proto/json_text.hpp"
#include "proto/record_fields.hpp"

namespace portd::proto {

void describe(auto &visit, Is<Flow> auto &flow) {
    visit("atUsec", flow.at_usec);
    visit("durationUsec", flow.duration_usec, not_negative);
    visit("protocol", flow.protocol);
    visit("sourceAddress", flow.source_address);
    visit("sourcePort", flow.source_port, asked_port);
    visit("destinationAddress", flow.destination_address);
    visit("destinationPort", flow.destination_port, asked_port);
    visit("translatedSourceAddress", flow.translated_source_address);
    visit("translatedSourcePort", flow.translated_source_port, asked_port);
    visit("translatedDestinationAddress", flow.translated_destination_address);
    visit("translatedDestinationPort", flow.translated_destination_port, asked_port);
}

void describe(auto &visit, Is<AttributeRequest> auto &request) {
    visit("flows", request.flows);
    visit("withinUsec", request.within_usec, not_negative);
    visit("networkNamespace", request.network_namespace, number_of_32_bits);
    visit.list("localAddresses", request.local_addresses);
}

void describe(auto &visit, Is<EndAttribution> auto &end) {
    visit("confidence", end.confidence);
    visit.list("reasons", end.reasons);
    visit("process", end.process, not_negative);
    visit("lastHolder", end.last_holder, not_negative);
    visit("user", end.user);
    visit.list("candidates", end.candidates);
    visit.list("leases", end.leases);
    visit.count("matching", end.matching);
    visit.list("gaps", end.gaps);
    visit.list("ports", end.ports);
}

void describe(auto &visit, Is<FlowAttribution> auto &flow) {
    visit("flow", flow.flow, not_negative);
    visit("side", flow.side);
    visit("who", flow.who);
    visit("responder", flow.responder);
}

void describe(auto &visit, Is<AttributeReply> auto &reply) {
    visit("progress", reply.progress);
    visit.list("processes", reply.processes);
    visit.list("flows", reply.flows);
}

json encode(const AttributeRequest &value) {
    return encode_struct(value);
}
json encode(const AttributeReply &value) {
    return encode_struct(value);
}

std::string encode_text(const AttributeReply &value) {
    std::string text;
    append_struct(text, value);
    return text;
}

template <>
Decoded<AttributeRequest> decode(const json &parameters) {
    return decode_struct<AttributeRequest>(parameters, Unknown::refused);
}
template <>
Decoded<AttributeReply> decode(const json &parameters) {
    return decode_struct<AttributeReply>(parameters, Unknown::ignored);
}
template <>
std::optional<ReplyOf<AttributeReply>> decode_reply(std::string_view message) {
    return decode_reply_struct<AttributeReply>(message);
}

} // namespace portd::proto
