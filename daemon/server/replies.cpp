#include "replies.hpp"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {

using nlohmann::json;

proto::Reply failure(std::string_view error, json parameters) {
    return {.error = std::string(error),
            .continues = false,
            .parameters = std::make_shared<const json>(std::move(parameters))};
}

proto::Reply success(json parameters) {
    return failure("", std::move(parameters));
}

proto::Reply failure(std::string_view error, const char *parameter, const std::string &text) {
    return failure(error, json{{parameter, text}});
}

proto::Reply limit_exceeded(std::string_view limit, std::size_t value) {
    return failure(proto::errors::limit_exceeded, json{{"limit", limit}, {"value", value}});
}

std::string framed(const proto::Reply &reply) {
    std::string message = proto::format_reply(reply);
    message.push_back('\0');
    return message;
}

std::string framed_continued(json parameters) {
    proto::Reply reply = success(std::move(parameters));
    reply.continues = true;
    return framed(reply);
}

std::string framed_entry(std::string_view parameters) {
    std::string message = proto::format_continued(parameters);
    message.push_back('\0');
    return message;
}

} // namespace portd::server
