// Varlink calls and replies (varlink.org, "Method Call"). Parameters stay JSON values here;
// codec.hpp turns them into the structs of messages.hpp.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace portd::proto {

// What was wrong with a message, for people.
struct Malformed {
    std::string message;
};

struct Call {
    std::string method; // "io.portd.Ports.History"
    bool more = false;
    bool oneway = false;
    bool upgrade = false;
    std::shared_ptr<const nlohmann::json> parameters; // always an object; absent and null become {}
};

struct Reply {
    std::string error; // empty: success
    bool continues = false;
    std::shared_ptr<const nlohmann::json> parameters; // always an object
};

std::variant<Call, Malformed> parse_call(std::string_view message);
std::variant<Reply, Malformed> parse_reply(std::string_view message);

// The text of a message without its NUL. Text that is not UTF-8 is replaced by U+FFFD, never
// refused.
std::string format_call(const Call &call);
std::string format_reply(const Reply &reply);
// A reply that is not the last, of parameters that are JSON already.
std::string format_continued(std::string_view parameters);

// Error names of org.varlink.service and io.portd.Ports.
namespace errors {
inline constexpr std::string_view interface_not_found = "org.varlink.service.InterfaceNotFound";
inline constexpr std::string_view method_not_found = "org.varlink.service.MethodNotFound";
inline constexpr std::string_view method_not_implemented =
    "org.varlink.service.MethodNotImplemented";
inline constexpr std::string_view invalid_parameter = "org.varlink.service.InvalidParameter";
inline constexpr std::string_view permission_denied = "org.varlink.service.PermissionDenied";
inline constexpr std::string_view expected_more = "org.varlink.service.ExpectedMore";
inline constexpr std::string_view limit_exceeded = "io.portd.Ports.LimitExceeded"; // (limit, value)
inline constexpr std::string_view malformed = "io.portd.Ports.MalformedMessage";   // (reason)
inline constexpr std::string_view invalid_interval = "io.portd.Ports.InvalidInterval"; // (reason)
inline constexpr std::string_view subscriber_too_slow =
    "io.portd.Ports.SubscriberTooSlow"; // (waitedUsec)
inline constexpr std::string_view store_unavailable = "io.portd.Ports.StoreUnavailable"; // (reason)
} // namespace errors

namespace methods {
inline constexpr std::string_view get_info = "org.varlink.service.GetInfo";
inline constexpr std::string_view get_interface_description =
    "org.varlink.service.GetInterfaceDescription";
inline constexpr std::string_view history = "io.portd.Ports.History";
inline constexpr std::string_view list = "io.portd.Ports.List";
inline constexpr std::string_view watch = "io.portd.Ports.Watch";
inline constexpr std::string_view export_ = "io.portd.Ports.Export";
inline constexpr std::string_view who = "io.portd.Ports.Who";
inline constexpr std::string_view explain = "io.portd.Ports.Explain";
inline constexpr std::string_view audit = "io.portd.Ports.Audit";
inline constexpr std::string_view why = "io.portd.Ports.Why";
inline constexpr std::string_view conflicts = "io.portd.Ports.Conflicts";
inline constexpr std::string_view pressure = "io.portd.Ports.Pressure";
inline constexpr std::string_view attribute = "io.portd.Ports.Attribute";
inline constexpr std::string_view verify = "io.portd.Ports.Verify";
inline constexpr std::string_view status = "io.portd.Ports.Status";
} // namespace methods

} // namespace portd::proto
