// Questions and answers of io.portd.Ports, decoded.
#pragma once

#include "client/connection.hpp"
#include "client/session.hpp"
#include "proto/answers.hpp"
#include "proto/codec.hpp"
#include "proto/messages.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace portd::client {

// Decodes the parameters of a reply; throws ServiceError if portd-ctl cannot use them.
template <typename T>
T decoded(const nlohmann::json &parameters);

// The reply in a message of a stream; throws ServiceError also where it is an error reply.
template <typename T>
proto::ReplyOf<T> decoded_reply(const Connection &connection, std::string_view message) {
    if (auto reply = proto::decode_reply<T>(message))
        return *std::move(reply);
    const proto::Reply reply = connection.reply_of(message);
    return {reply.continues, decoded<T>(*reply.parameters)};
}

// What one reply of a stream is about.
using Entry = std::variant<proto::Lease, proto::BindFailure>;

// Asks History or List. `on_entry` gets each lease and bind failure, in the order of the stream;
// the last reply is returned, with the cursor of the last entry that had one. Throws ServiceError,
// also if the stream ends without coverage.
proto::LeaseReply ask_leases(Connection &connection, std::string_view method,
                             const nlohmann::json &request, Session &session, Rows rows,
                             const std::function<void(Entry)> &on_entry);

// The same for --json: each lease and bind failure as one line, as it was received, then the last
// reply. With Cursors::shown each has its own as the field `cursor`.
enum class Cursors { left_out, shown };
enum class Entries { none, some };
struct Printed {
    Entries entries = Entries::none;
    bool complete = false; // as the coverage says
};
Printed print_leases_json(Connection &connection, std::string_view method,
                          const nlohmann::json &request, Session &session,
                          Cursors cursors = Cursors::left_out);

// Asks a method that tells how far it has come: that is shown where somebody waits for it.
// `on_reply` gets each reply that has something else, as it came and decoded; the last one is
// returned, as it came.
template <typename Reply, typename OnReply>
nlohmann::json ask_with_progress(Connection &connection, std::string_view method,
                                 const nlohmann::json &request, Session &session,
                                 const OnReply &on_reply) {
    Progress progress = session.progress();
    connection.call(method, request, Replies::many);
    for (;;) {
        const proto::Reply reply = connection.next();
        if (!reply.continues)
            return *reply.parameters;
        auto content = decoded<Reply>(*reply.parameters);
        if (content.progress) {
            progress.show(describe_progress(*content.progress));
            continue;
        }
        progress.clear();
        on_reply(*reply.parameters, std::move(content));
    }
}

// Asks such a method whose replies have each one `part` (in JSON: `name`) until the last has a
// summary of them. With --json all is printed, as it came.
template <typename Reply, typename Part>
auto ask_summed_up(Connection &connection, std::string_view method, const nlohmann::json &request,
                   Session &session, std::optional<Part> Reply::*part, const char *name) {
    std::vector<Part> parts;
    const nlohmann::json answer = ask_with_progress<Reply>(
        connection, method, request, session, [&](const nlohmann::json &parameters, Reply content) {
            if (!(content.*part))
                return;
            parts.push_back(*std::move(content.*part));
            if (session.wants_json())
                session.json_line(parameters.at(name));
        });
    auto summary = decoded<Reply>(answer).summary;
    if (!summary)
        throw ServiceError("portd ended its answer without a summary");
    if (session.wants_json())
        session.json_line(answer);
    return std::pair(std::move(parts), *std::move(summary));
}

// Asks a method with one reply.
nlohmann::json ask_once(Connection &connection, std::string_view method,
                        const nlohmann::json &request);

// The network namespace that the daemon is in, if it says so.
std::optional<std::int64_t> ask_own_namespace(Connection &connection);

// The first moment of portd's records; nothing if it has none.
std::optional<std::int64_t> records_since(Connection &connection, Session &session);

// Whether portd's setting records leases of the port; `unsaid` if it did not answer that.
enum class Recording { recorded, left_out, unsaid };
Recording ask_recording(Connection &connection, std::int64_t port);

// Whether it has any lease of a network namespace of that name that the caller may see.
bool knows_namespace(Connection &connection, const std::string &name, Session &session);

} // namespace portd::client
