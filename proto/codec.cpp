#include "proto/codec.hpp"

#include "proto/decoding.hpp"
#include "proto/json_text.hpp"
#include "proto/record_fields.hpp"

namespace portd::proto {

void describe_filter(auto &visit, auto &filter) {
    visit("port", filter.port, asked_port);
    visit("protocol", filter.protocol);
    visit("pid", filter.pid, positive);
    visit("executable", filter.executable);
    visit("command", filter.command);
    visit("unit", filter.unit);
    visit("container", filter.container);
    visit("uid", filter.uid, number_of_32_bits);
    visit("networkNamespace", filter.network_namespace, number_of_32_bits);
    visit("networkNamespaceName", filter.network_namespace_name);
    visit("peerAddress", filter.peer_address);
    visit("peerPort", filter.peer_port, asked_port);
    visit("localAddress", filter.local_address);
    visit("role", filter.role);
    visit("outcome", filter.outcome);
    visit("shorterThanUsec", filter.shorter_than_usec, positive);
    visit("longerThanUsec", filter.longer_than_usec, not_negative);
}

void describe(auto &visit, Is<HistoryRequest> auto &request) {
    describe_filter(visit, request);
    visit("atUsec", request.at_usec);
    visit("withinUsec", request.within_usec, not_negative);
    visit("sinceUsec", request.since_usec);
    visit("untilUsec", request.until_usec);
    visit("limit", request.limit, positive);
    visit.flag("newestFirst", request.newest_first);
    visit("newest", request.newest, positive);
    visit("cursor", request.cursor);
}

void describe(auto &visit, Is<ListRequest> auto &request) {
    describe_filter(visit, request);
    visit("limit", request.limit, positive);
}

void describe(auto &visit, Is<AuditRequest> auto &request) {
    describe_filter(visit, request);
    visit("sinceUsec", request.since_usec);
    visit("untilUsec", request.until_usec);
    visit.word("by", request.by);
    visit.word("order", request.order);
    visit("limit", request.limit, positive);
}

void describe(auto &visit, Is<AuditReply> auto &reply) {
    visit("progress", reply.progress);
    visit("group", reply.group);
    visit("other", reply.other);
    visit.count("groupsInOther", reply.groups_in_other);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
}

void describe(auto &visit, Is<WatchRequest> auto &request) {
    describe_filter(visit, request);
    visit("afterCursor", request.after_cursor);
}

void describe(auto &visit, Is<ExportRequest> auto &request) {
    visit("sinceUsec", request.since_usec);
    visit("untilUsec", request.until_usec);
    visit.flag("follow", request.follow);
    visit("afterCursor", request.after_cursor);
}

void describe(auto &visit, Is<PortRequest> auto &request) {
    visit("port", request.port, asked_port);
}

void describe(auto &visit, Is<LeaseReply> auto &reply) {
    visit("lease", reply.lease);
    visit("bindFailure", reply.bind_failure);
    visit("cursor", reply.cursor);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
}

void describe(auto &visit, Is<WatchReply> auto &reply) {
    visit("event", reply.event);
    visit("lease", reply.lease);
    visit("gap", reply.gap);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
    visit("cursor", reply.cursor);
}

void describe(auto &visit, Is<ExportReply> auto &reply) {
    visit("lease", reply.lease);
    visit("gap", reply.gap);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
    visit("cursor", reply.cursor);
}

void describe(auto &visit, Is<WhoReply> auto &reply) {
    visit("holders", reply.holders);
    visit("last", reply.last);
    visit("coverage", reply.coverage);
    visit("withheld", reply.withheld);
    visit.flag("truncated", reply.truncated);
}

void describe(auto &visit, Is<Explanation> auto &explanation) {
    visit("port", explanation.port, told_port);
    visit("ianaClass", explanation.iana_class);
    visit("ianaReference", explanation.iana_reference);
    visit("rangeLow", explanation.range_low, told_port);
    visit("rangeHigh", explanation.range_high, told_port);
    visit("inRange", explanation.in_range);
    visit("reserved", explanation.reserved);
    visit("privileged", explanation.privileged);
    visit("recorded", explanation.recorded);
    visit("services", explanation.services);
    visit("who", explanation.who);
}

namespace {

// The reply with the coverage says either way whether something was withheld.
template <typename Reply>
json encode_answer(const Reply &value) {
    json object = encode_struct(value);
    if (value.coverage)
        object["withheld"] = value.withheld;
    return object;
}

constexpr std::size_t usual_bytes = 2048; // of a lease with its processes

template <typename Reply>
std::string answer_text(const Reply &value) {
    if (value.coverage)
        return encode_answer(value).dump();
    std::string text;
    text.reserve(usual_bytes);
    append_struct(text, value);
    return text;
}

} // namespace

json encode(const Lease &value) {
    return encode_struct(value);
}
json encode(const BindFailure &value) {
    return encode_struct(value);
}
json encode(const Coverage &value) {
    return encode_struct(value);
}
json encode(const HistoryRequest &value) {
    return encode_struct(value);
}
json encode(const ListRequest &value) {
    return encode_struct(value);
}
json encode(const AuditRequest &value) {
    return encode_struct(value);
}
json encode(const WatchRequest &value) {
    return encode_struct(value);
}
json encode(const ExportRequest &value) {
    return encode_struct(value);
}
json encode(const PortRequest &value) {
    return encode_struct(value);
}
json encode(const WhoReply &value) {
    return encode_struct(value);
}
json encode(const Explanation &value) {
    return encode_struct(value);
}

json encode(const LeaseReply &value) {
    return encode_answer(value);
}
json encode(const AuditReply &value) {
    return encode_answer(value);
}
json encode(const WatchReply &value) {
    return encode_answer(value);
}
json encode(const ExportReply &value) {
    return encode_answer(value);
}

std::string encode_text(const LeaseReply &value) {
    return answer_text(value);
}
std::string encode_text(const WatchReply &value) {
    return answer_text(value);
}
std::string encode_text(const ExportReply &value) {
    return answer_text(value);
}

template <>
Decoded<HistoryRequest> decode(const json &parameters) {
    return decode_struct<HistoryRequest>(parameters, Unknown::refused);
}
template <>
Decoded<ListRequest> decode(const json &parameters) {
    return decode_struct<ListRequest>(parameters, Unknown::refused);
}
template <>
Decoded<AuditRequest> decode(const json &parameters) {
    return decode_struct<AuditRequest>(parameters, Unknown::refused);
}
template <>
Decoded<AuditReply> decode(const json &parameters) {
    return decode_struct<AuditReply>(parameters, Unknown::ignored);
}
template <>
Decoded<WatchRequest> decode(const json &parameters) {
    return decode_struct<WatchRequest>(parameters, Unknown::refused);
}
template <>
Decoded<ExportRequest> decode(const json &parameters) {
    return decode_struct<ExportRequest>(parameters, Unknown::refused);
}
template <>
Decoded<WatchReply> decode(const json &parameters) {
    return decode_struct<WatchReply>(parameters, Unknown::ignored);
}
template <>
Decoded<ExportReply> decode(const json &parameters) {
    return decode_struct<ExportReply>(parameters, Unknown::ignored);
}
template <>
Decoded<PortRequest> decode(const json &parameters) {
    return decode_struct<PortRequest>(parameters, Unknown::refused);
}
template <>
Decoded<LeaseReply> decode(const json &parameters) {
    return decode_struct<LeaseReply>(parameters, Unknown::ignored);
}
template <>
Decoded<WhoReply> decode(const json &parameters) {
    return decode_struct<WhoReply>(parameters, Unknown::ignored);
}
template <>
Decoded<Explanation> decode(const json &parameters) {
    return decode_struct<Explanation>(parameters, Unknown::ignored);
}

template <>
std::optional<ReplyOf<LeaseReply>> decode_reply(std::string_view message) {
    return decode_reply_struct<LeaseReply>(message);
}
template <>
std::optional<ReplyOf<WatchReply>> decode_reply(std::string_view message) {
    return decode_reply_struct<WatchReply>(message);
}
template <>
std::optional<ReplyOf<ExportReply>> decode_reply(std::string_view message) {
    return decode_reply_struct<ExportReply>(message);
}

} // namespace portd::proto
