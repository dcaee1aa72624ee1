// Who sees what, method by method: the leases and the bind failure of one user, as root, a member
// of the group `portd`, that user and another one see them.
#include "fake_backend.hpp"
#include "proto/codec.hpp"
#include "proto/framing.hpp"
#include "server/change_position.hpp"
#include "server/methods.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <set>
#include <string>

namespace portd::server {
namespace {

using nlohmann::json;

constexpr std::int64_t now = 1000;
constexpr std::int64_t port = 50000;

// All replies, as JSON.
std::vector<json> ask(FakeHistory &history, std::string_view method, const json &parameters,
                      const Caller &caller) {
    const FakeDaemon daemon;
    proto::Call call;
    call.method = method;
    call.more = true;
    call.parameters = std::make_shared<const json>(parameters);
    Answer answered = answer(call, caller, {history, daemon}, now);
    std::vector<json> replies;
    const auto keep = [&replies](const proto::Reply &reply) {
        replies.push_back(*reply.parameters);
        if (!reply.error.empty())
            replies.back()["error"] = reply.error;
    };
    if (const auto *one = std::get_if<proto::Reply>(&answered)) {
        keep(*one);
        return replies;
    }
    proto::MessageReader reader;
    for (auto &stream = std::get<std::unique_ptr<Stream>>(answered);
         !stream->finished() && !stream->is_waiting();) {
        reader.append(stream->next(history, now));
        while (const auto message = reader.next())
            keep(std::get<proto::Reply>(proto::parse_reply(*message)));
    }
    return replies;
}

// What of a value tells of leases: their ids (of an attribution, too), those of cut ones with a
// "-"; "@" for a bind failure.
void collect(const json &value, std::set<std::string> &seen) {
    if (!value.is_structured())
        return;
    if (value.is_object() && value.contains("opened") && value.contains("id"))
        seen.insert(value["id"].get<std::string>() + (value["incomplete"] == true ? "-" : ""));
    if (value.is_object() && value.contains("atUsec"))
        seen.insert("@");
    if (value.is_object() && value.contains("leases") && value.contains("bindFailures"))
        seen.insert("sum " + value["leases"].dump());
    if (value.is_object() && value.contains("confidence") && value.contains("leases"))
        for (const json &id : value["leases"])
            seen.insert(id.get<std::string>());
    for (const auto &member : value)
        collect(member, seen);
}

std::string what_is_seen(std::string_view method, const json &parameters, const Caller &caller) {
    FakeHistory history;
    history.watched.complete = true;
    history.leases = {freed_lease("freed", port, 1000, 10, 20), open_lease("open", port, 1000, 50)};
    history.failures = {bind_failure(port, 1000, 60)};
    history.reached = {.end = {"b007", 100, 2}, .last_serial = 2, .last_gap = 0};
    proto::VerifyReply verdict;
    verdict.sound = true;
    history.verification = {verdict};
    std::set<std::string> seen;
    for (const json &reply : ask(history, method, parameters, caller)) {
        if (reply.contains("error"))
            return reply["error"].get<std::string>().substr(
                reply["error"].get<std::string>().rfind('.') + 1);
        collect(reply, seen);
    }
    std::string text;
    for (const std::string &one : seen)
        text += (text.empty() ? "" : " ") + one;
    return text;
}

TEST(Access, IsAsTheTableSays) {
    const Caller root{0, sight_of(0, {}, 990)};
    const Caller member{2000, sight_of(2000, {990}, 990)};
    const Caller owner{1000, sight_of(1000, {1000}, 990)};
    const Caller other{2000, sight_of(2000, {2000}, 990)};
    const std::string watch_begin = to_cursor({}, CursorOf::watch);
    const struct {
        std::string_view method;
        json parameters;
        const char *all; // what root and members see
        const char *owner;
        const char *other;
    } table[] = {
        {proto::methods::history, {}, "@ freed open", "@ freed open", "open-"},
        {proto::methods::history, {{"port", port}}, "@ freed open", "@ freed open", "open-"},
        {proto::methods::history, {{"pid", 812}}, "freed open", "freed open", ""},
        {proto::methods::history, {{"atUsec", 15}}, "freed", "freed", ""},
        {proto::methods::history, {{"untilUsec", 55}}, "freed open", "freed open", ""},
        {proto::methods::list, {}, "open", "open", "open-"},
        {proto::methods::list, {{"pid", 812}}, "open", "open", ""},
        {proto::methods::watch, {}, "open", "open", "open-"},
        {proto::methods::watch, {{"pid", 812}}, "open", "open", ""},
        {proto::methods::watch, {{"afterCursor", watch_begin}}, "freed open", "freed open", ""},
        {proto::methods::export_, {}, "freed", "freed", ""},
        {proto::methods::export_, {{"sinceUsec", 5}}, "freed", "freed", ""},
        {proto::methods::export_, {{"follow", true}}, "freed", "freed", ""},
        {proto::methods::who, {{"port", port}}, "open", "open", "open-"},
        {proto::methods::explain, {{"port", port}}, "open", "open", "open-"},
        {proto::methods::why,
         {{"port", port}, {"networkNamespace", 7}},
         "@ open sum 2",
         "@ open sum 2",
         "open-"},
        {proto::methods::conflicts, {}, "", "", ""},
        {proto::methods::pressure, {}, "sum 1", "sum 1", ""},
        {proto::methods::attribute,
         {{"flows",
           {{{"atUsec", 15}, {"sourceAddress", "192.0.2.1"}, {"sourcePort", port}},
            {{"atUsec", 60}, {"sourceAddress", "192.0.2.1"}, {"sourcePort", port}}}}},
         "freed open",
         "freed open",
         ""},
        {proto::methods::attribute,
         {{"flows",
           {{{"atUsec", 15}, {"sourcePort", port}}, {{"atUsec", 60}, {"sourcePort", port}}}}},
         "freed open",
         "",
         ""},
        {proto::methods::audit, {}, "sum 2", "sum 2", ""},
        {proto::methods::audit, {{"by", "user"}}, "sum 2", "sum 2", ""},
        {proto::methods::verify, {}, "", "PermissionDenied", "PermissionDenied"},
        {proto::methods::status, {}, "", "", ""},
        {proto::methods::get_info, {}, "", "", ""},
        {proto::methods::get_interface_description, {{"interface", "io.portd.Ports"}}, "", "", ""},
    };
    for (const auto &row : table) {
        const json parameters = row.parameters.is_null() ? json::object() : row.parameters;
        const auto seen_by = [&](const Caller &caller) {
            return what_is_seen(row.method, parameters, caller);
        };
        EXPECT_EQ(seen_by(root), row.all) << row.method << parameters;
        EXPECT_EQ(seen_by(member), row.all) << row.method << parameters;
        EXPECT_EQ(seen_by(owner), row.owner) << row.method << parameters;
        EXPECT_EQ(seen_by(other), row.other) << row.method << parameters;
    }
}

} // namespace
} // namespace portd::server
