#include "methods.hpp"

#include "method.hpp"
#include "proto/interfaces.hpp"
#include "replies.hpp"
#include "verify_stream.hpp"

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

constexpr std::array<Method, 15> served_methods{{
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
    {proto::methods::attribute, Replies::stream, attribute},
    {proto::methods::status, Replies::one, status},
    {proto::methods::verify, Replies::stream, verify},
}};

} // namespace

Reply invalid(const proto::InvalidField &field) {
    return failure(proto::errors::invalid_parameter,
                   json{{"parameter", field.parameter}, {"reason", field.reason}});
}

// A port of which no leases are kept may have been held unseen.
bool is_recorded(const model::LeaseQuery &query, const Backend &backend) {
    return !query.port || backend.daemon.records(*query.port);
}

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
