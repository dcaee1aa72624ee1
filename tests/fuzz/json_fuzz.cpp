// A call that is understood is formatted and understood again as the same, and so is each request
// and reply in its parameters.
#include "proto/answers.hpp"
#include "proto/attribution.hpp"
#include "proto/codec.hpp"
#include "proto/framing.hpp"
#include "proto/reply_text.hpp"
#include "proto/varlink.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>
#include <variant>

namespace {

using namespace portd::proto;
using nlohmann::json;

void require(bool holds) {
    if (!holds)
        std::abort();
}

template <typename T>
void decode_encode_decode(const json &parameters) {
    const auto decoded = decode<T>(parameters);
    if (const auto *invalid = std::get_if<InvalidField>(&decoded)) {
        require(!invalid->parameter.empty() || parameters.contains(""));
        require(!invalid->reason.empty());
        return;
    }
    const auto again = decode<T>(json::parse(encode(std::get<T>(decoded)).dump()));
    require(std::holds_alternative<T>(again));
    require(std::get<T>(again) == std::get<T>(decoded));
}

// Read at once, a reply says what it says as a tree, and as it is printed.
template <typename T>
void compare_with_tree(std::string_view message, const Reply &reply) {
    const auto at_once = decode_reply<T>(message);
    const auto decoded = decode<T>(*reply.parameters);
    require(!at_once ||
            (reply.error.empty() && at_once->continues == reply.continues &&
             std::holds_alternative<T>(decoded) && at_once->parameters == std::get<T>(decoded)));
}

void check_call(std::string_view text) {
    const auto parsed = parse_call(text);
    if (const auto *malformed = std::get_if<Malformed>(&parsed))
        return require(!malformed->message.empty());
    const Call &call = std::get<Call>(parsed);
    require(!call.method.empty());
    require(call.parameters->is_object());

    const auto again = parse_call(format_call(call));
    const Call &same = std::get<Call>(again);
    require(same.method == call.method && same.more == call.more && same.oneway == call.oneway &&
            same.upgrade == call.upgrade && *same.parameters == *call.parameters);

    decode_encode_decode<HistoryRequest>(*call.parameters);
    decode_encode_decode<ListRequest>(*call.parameters);
    decode_encode_decode<AuditRequest>(*call.parameters);
    decode_encode_decode<WhyRequest>(*call.parameters);
    decode_encode_decode<WatchRequest>(*call.parameters);
    decode_encode_decode<ExportRequest>(*call.parameters);
    decode_encode_decode<ConflictsRequest>(*call.parameters);
    decode_encode_decode<PressureRequest>(*call.parameters);
    decode_encode_decode<AttributeRequest>(*call.parameters);
    decode_encode_decode<PortRequest>(*call.parameters);
}

void check_reply(std::string_view text) {
    const auto parsed = parse_reply(text);
    if (const auto *malformed = std::get_if<Malformed>(&parsed))
        return require(!malformed->message.empty());
    const Reply &reply = std::get<Reply>(parsed);

    const auto again = parse_reply(format_reply(reply));
    const Reply &same = std::get<Reply>(again);
    require(same.error == reply.error && same.continues == reply.continues &&
            *same.parameters == *reply.parameters);

    compare_with_tree<LeaseReply>(text, reply);
    compare_with_tree<WatchReply>(text, reply);
    compare_with_tree<ExportReply>(text, reply);
    compare_with_tree<AttributeReply>(text, reply);
    decode_encode_decode<LeaseReply>(*reply.parameters);
    decode_encode_decode<AuditReply>(*reply.parameters);
    decode_encode_decode<WhyReply>(*reply.parameters);
    decode_encode_decode<ConflictsReply>(*reply.parameters);
    decode_encode_decode<PressureReply>(*reply.parameters);
    decode_encode_decode<AttributeReply>(*reply.parameters);
    decode_encode_decode<VerifyReply>(*reply.parameters);
    decode_encode_decode<WatchReply>(*reply.parameters);
    decode_encode_decode<ExportReply>(*reply.parameters);
    decode_encode_decode<WhoReply>(*reply.parameters);
    decode_encode_decode<Explanation>(*reply.parameters);
    decode_encode_decode<Status>(*reply.parameters);
}

// Whatever stands there: one line of ASCII.
void check_text(std::string_view message) {
    for (const char *name : {"", "lease", "cursor"})
        for (const char c : parameter_text(message, name))
            require(c >= ' ' && c < '\x7f');
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    // What the reader of messages does not let through.
    if (nesting_depth(text) > MessageLimits{}.depth)
        return 0;
    check_call(text);
    check_reply(text);
    check_text(text);
    return 0;
}
