#include "proto/varlink.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <utility>

namespace portd::proto {
namespace {

using nlohmann::json;

using Parsed = std::variant<json, Malformed>;

Parsed parse_object(std::string_view message) {
    try {
        json object = json::parse(message);
        if (!object.is_object())
            return Malformed{"the message is not a JSON object"};
        return object;
    } catch (const json::parse_error &error) {
        return Malformed{"not JSON at byte " + std::to_string(error.byte)};
    } catch (const json::exception &) {
        return Malformed{"not JSON: a number is out of range"};
    }
}

// The member, or null where the object has none: Varlink makes no difference.
const json &member(const json &object, const char *name) {
    static const json absent;
    const auto found = object.find(name);
    return found == object.end() ? absent : *found;
}

std::optional<Malformed> read_flag(const json &object, const char *name, bool &flag) {
    const json &value = member(object, name);
    if (!value.is_null() && !value.is_boolean())
        return Malformed{"\"" + std::string(name) + "\" is not a boolean"};
    flag = value.is_boolean() && value.get<bool>();
    return std::nullopt;
}

std::optional<Malformed> read_parameters(json &object, std::shared_ptr<const json> &parameters) {
    const auto found = object.find("parameters");
    if (found == object.end() || found->is_null()) {
        parameters = std::make_shared<const json>(json::object());
        return std::nullopt;
    }
    if (!found->is_object())
        return Malformed{"\"parameters\" is not an object"};
    parameters = std::make_shared<const json>(std::move(*found));
    return std::nullopt;
}

std::string dump(const json &object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

std::variant<Call, Malformed> parse_call(std::string_view message) {
    Parsed parsed = parse_object(message);
    if (auto *malformed = std::get_if<Malformed>(&parsed))
        return std::move(*malformed);
    json &object = std::get<json>(parsed);

    const json &method = member(object, "method");
    if (!method.is_string() || method.get_ref<const std::string &>().empty())
        return Malformed{"\"method\" is not a name"};
    Call call;
    call.method = method.get<std::string>();
    for (const auto &[name, flag] :
         {std::pair{"more", &call.more}, std::pair{"oneway", &call.oneway},
          std::pair{"upgrade", &call.upgrade}})
        if (auto malformed = read_flag(object, name, *flag))
            return std::move(*malformed);
    if (auto malformed = read_parameters(object, call.parameters))
        return std::move(*malformed);
    return call;
}

std::variant<Reply, Malformed> parse_reply(std::string_view message) {
    Parsed parsed = parse_object(message);
    if (auto *malformed = std::get_if<Malformed>(&parsed))
        return std::move(*malformed);
    json &object = std::get<json>(parsed);

    Reply reply;
    if (const json &error = member(object, "error"); error.is_string())
        reply.error = error.get<std::string>();
    else if (!error.is_null())
        return Malformed{"\"error\" is not a name"};
    if (auto malformed = read_flag(object, "continues", reply.continues))
        return std::move(*malformed);
    if (auto malformed = read_parameters(object, reply.parameters))
        return std::move(*malformed);
    return reply;
}

std::string format_call(const Call &call) {
    json object{{"method", call.method}};
    if (call.parameters && !call.parameters->empty())
        object["parameters"] = *call.parameters;
    if (call.more)
        object["more"] = true;
    if (call.oneway)
        object["oneway"] = true;
    if (call.upgrade)
        object["upgrade"] = true;
    return dump(object);
}

std::string format_reply(const Reply &reply) {
    std::string text = "{";
    if (reply.continues)
        text += "\"continues\":true,";
    if (!reply.error.empty())
        text += "\"error\":" + dump(reply.error) + ",";
    return text + "\"parameters\":" + (reply.parameters ? dump(*reply.parameters) : "{}") + "}";
}

std::string format_continued(std::string_view parameters) {
    return "{\"continues\":true,\"parameters\":" + std::string(parameters) + "}";
}

} // namespace portd::proto
