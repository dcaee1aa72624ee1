// JSON for the structs of messages.hpp. Encoding leaves out what is absent, and writes "\xff" for
// bytes of a text that are not UTF-8. Decoding treats null as
// absent, refuses unknown fields of requests (a misspelt filter must not widen an answer) and
// ignores unknown fields of replies (a newer daemon may say more).
#pragma once

#include "proto/messages.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace portd::proto {

// A field that cannot be used; the parameters of org.varlink.service.InvalidParameter, and why.
struct InvalidField {
    std::string parameter;
    std::string reason;
};

template <typename T>
using Decoded = std::variant<T, InvalidField>;

nlohmann::json encode(const Lease &);
nlohmann::json encode(const BindFailure &);
nlohmann::json encode(const Coverage &);
nlohmann::json encode(const HistoryRequest &);
nlohmann::json encode(const ListRequest &);
nlohmann::json encode(const AuditRequest &);
nlohmann::json encode(const AuditReply &);
nlohmann::json encode(const VerifyReply &);
nlohmann::json encode(const WatchRequest &);
nlohmann::json encode(const ExportRequest &);
nlohmann::json encode(const PortRequest &);
nlohmann::json encode(const LeaseReply &);
nlohmann::json encode(const WatchReply &);
nlohmann::json encode(const ExportReply &);
nlohmann::json encode(const WhoReply &);
nlohmann::json encode(const Explanation &);
nlohmann::json encode(const Status &);

// The same as text at once, for what streams send by the thousand.
std::string encode_text(const LeaseReply &);
std::string encode_text(const WatchReply &);
std::string encode_text(const ExportReply &);

// Instantiated for each request and reply. Ports must be 1..65535, times within int64, limits
// positive.
template <typename T>
Decoded<T> decode(const nlohmann::json &parameters);

// One reply of a stream, decoded from its message at once. Instantiated for LeaseReply, WatchReply
// and ExportReply.
template <typename T>
struct ReplyOf {
    bool continues = false;
    T parameters;
};
// Nothing if the message is anything else: parse_reply() and decode() say what.
template <typename T>
std::optional<ReplyOf<T>> decode_reply(std::string_view message);

} // namespace portd::proto
