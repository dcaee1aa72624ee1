#include "server/methods.hpp"

#include "fake_backend.hpp"
#include "proto/codec.hpp"
#include "proto/framing.hpp"
#include "proto/interfaces.hpp"
#include "server/lease_stream.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace portd::server {
namespace {

using nlohmann::json;

constexpr std::int64_t now = 1000;
const Caller root{0, Sight::everything};
const Caller ann{1000, Sight::own};

class MethodsTest : public testing::Test {
  protected:
    MethodsTest() {
        history_.watched.complete = true;
        history_.leases = {
            freed_lease("a", 50000, 1000, 10, 20), freed_lease("b", 50000, 2000, 30, 40),
            open_lease("c", 50001, 1000, 50),      open_lease("d", 50001, 2000, 60),
            open_lease("e", 50002, 2000, 70),
        };
        history_.leases[4].protocol = Protocol::udp;
        history_.leases[3].holders = {process(813)};
    }

    Answer ask(std::string_view method, json parameters = json::object(),
               const Caller &caller = root) {
        proto::Call call;
        call.method = method;
        call.more = true;
        call.parameters = std::make_shared<const json>(std::move(parameters));
        return answer(call, caller, {history_, daemon_}, now);
    }

    proto::Reply ask_one(std::string_view method, json parameters = json::object(),
                         const Caller &caller = root) {
        return std::get<proto::Reply>(ask(method, std::move(parameters), caller));
    }

    // All replies of a stream.
    std::vector<proto::Reply> ask_stream(std::string_view method, json parameters = json::object(),
                                         const Caller &caller = root) {
        const auto stream =
            std::get<std::unique_ptr<Stream>>(ask(method, std::move(parameters), caller));
        proto::MessageReader reader;
        std::vector<proto::Reply> replies;
        while (!stream->finished()) {
            reader.append(stream->next(history_, now));
            while (const auto message = reader.next())
                replies.push_back(std::get<proto::Reply>(proto::parse_reply(*message)));
        }
        return replies;
    }

    // The ids of the leases in a stream, cut ones with a "-"; bind failures by their instant, as
    // "@35"; then "withheld" and "complete".
    std::string summary(std::string_view method, json parameters = json::object(),
                        const Caller &caller = root) {
        std::string text;
        const auto replies = ask_stream(method, std::move(parameters), caller);
        for (std::size_t i = 0; i < replies.size(); ++i) {
            const auto decoded = proto::decode<proto::LeaseReply>(*replies[i].parameters);
            const auto &reply = std::get<proto::LeaseReply>(decoded);
            const bool last = i + 1 == replies.size();
            EXPECT_EQ(replies[i].continues, !last);
            EXPECT_EQ(reply.lease.has_value() + reply.bind_failure.has_value(), last ? 0 : 1);
            EXPECT_EQ(reply.coverage.has_value(), last);
            if (reply.lease)
                text += reply.lease->id + (reply.lease->incomplete ? "- " : " ");
            if (reply.bind_failure)
                text += "@" + std::to_string(reply.bind_failure->at_usec) +
                        (reply.bind_failure->incomplete ? "- " : " ");
            if (reply.coverage)
                text += std::string(reply.withheld ? "withheld " : "") +
                        (reply.coverage->complete ? "complete" : "incomplete");
        }
        return text;
    }

    proto::WhoReply ask_who(std::int64_t port, const Caller &caller = root) {
        const auto reply = ask_one(proto::methods::who, json{{"port", port}}, caller);
        return std::get<proto::WhoReply>(proto::decode<proto::WhoReply>(*reply.parameters));
    }

    FakeHistory history_;
    FakeDaemon daemon_;
};

std::string ids(const std::vector<proto::Lease> &leases) {
    std::string text;
    for (const proto::Lease &lease : leases)
        text += lease.id + (lease.incomplete ? "- " : " ");
    return text;
}

TEST_F(MethodsTest, GetInfoNamesTheInterfaces) {
    daemon_.now.version = "1.2.3";
    const auto reply = ask_one(proto::methods::get_info);
    EXPECT_EQ(reply.error, "");
    EXPECT_EQ((*reply.parameters)["version"], "1.2.3");
    EXPECT_EQ((*reply.parameters)["product"], "portd");
    EXPECT_EQ((*reply.parameters)["interfaces"], json({"org.varlink.service", "io.portd.Ports"}));
}

TEST_F(MethodsTest, GetInterfaceDescriptionGivesTheFiles) {
    const auto describe = [this](const char *name) {
        return ask_one(proto::methods::get_interface_description, json{{"interface", name}});
    };
    EXPECT_EQ((*describe("io.portd.Ports").parameters)["description"], proto::ports_interface);
    EXPECT_EQ((*describe("org.varlink.service").parameters)["description"],
              proto::service_interface);
    EXPECT_EQ(describe("io.portd.Other").error, proto::errors::interface_not_found);
    EXPECT_EQ((*describe("io.portd.Other").parameters)["interface"], "io.portd.Other");
}

TEST_F(MethodsTest, WrongCallsAreTypedErrors) {
    const struct {
        const char *call;
        std::string_view error;
        json parameters;
    } cases[] = {
        {R"({"method":"io.portd.Other.Who"})",
         proto::errors::interface_not_found,
         {{"interface", "io.portd.Other"}}},
        {R"({"method":"Who"})", proto::errors::interface_not_found, {{"interface", "Who"}}},
        {R"({"method":"io.portd.Ports.Whose"})",
         proto::errors::method_not_found,
         {{"method", "io.portd.Ports.Whose"}}},
        {R"({"method":"io.portd.Ports."})",
         proto::errors::method_not_found,
         {{"method", "io.portd.Ports."}}},
        {R"({"method":"io.portd.Ports.Status","upgrade":true})",
         proto::errors::method_not_implemented,
         {{"method", "io.portd.Ports.Status"}}},
        {R"({"method":"io.portd.Ports.History"})", proto::errors::expected_more, json::object()},
        {R"({"method":"io.portd.Ports.List"})", proto::errors::expected_more, json::object()},
        {R"({"method":"io.portd.Ports.Who"})",
         proto::errors::invalid_parameter,
         {{"parameter", "port"}, {"reason", "is required"}}},
        {R"({"method":"io.portd.Ports.Explain","parameters":{"port":0}})",
         proto::errors::invalid_parameter,
         {{"parameter", "port"}, {"reason", "is not within 1 to 65535"}}},
        {R"({"method":"io.portd.Ports.History","more":true,"parameters":{"prot":"tcp"}})",
         proto::errors::invalid_parameter,
         {{"parameter", "prot"}, {"reason", "is not a parameter of this method"}}},
        {R"({"method":"io.portd.Ports.List","more":true,"parameters":{"sinceUsec":1}})",
         proto::errors::invalid_parameter,
         {{"parameter", "sinceUsec"}, {"reason", "is not a parameter of this method"}}},
        {R"({"method":"io.portd.Ports.Status","parameters":{"x":1}})",
         proto::errors::invalid_parameter,
         {{"parameter", "x"}, {"reason", "is not a parameter of this method"}}},
        {R"({"method":"org.varlink.service.GetInfo","parameters":{"x":1}})",
         proto::errors::invalid_parameter,
         {{"parameter", "x"}, {"reason", "is not a parameter of this method"}}},
        {R"({"method":"org.varlink.service.GetInterfaceDescription"})",
         proto::errors::invalid_parameter,
         {{"parameter", "interface"}, {"reason", "is required"}}},
        {R"({"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":1}})",
         proto::errors::invalid_parameter,
         {{"parameter", "interface"}, {"reason", "is not a string"}}},
        {R"({"method":"io.portd.Ports.History","more":true,)"
         R"("parameters":{"sinceUsec":2,"untilUsec":1}})",
         proto::errors::invalid_interval,
         {{"reason", "sinceUsec is after untilUsec"}}},
        {R"({"method":"io.portd.Ports.History","more":true,)"
         R"("parameters":{"sinceUsec":2,"atUsec":1}})",
         proto::errors::invalid_interval,
         {{"reason", "atUsec excludes sinceUsec and untilUsec"}}},
    };
    for (const auto &test : cases) {
        const auto call = proto::parse_call(test.call);
        const Answer result = answer(std::get<proto::Call>(call), root, {history_, daemon_}, now);
        ASSERT_TRUE(std::holds_alternative<proto::Reply>(result)) << test.call;
        EXPECT_EQ(std::get<proto::Reply>(result).error, test.error) << test.call;
        EXPECT_EQ(*std::get<proto::Reply>(result).parameters, test.parameters) << test.call;
    }
}

TEST_F(MethodsTest, HistoryJoinsItsFilters) {
    const struct {
        json parameters;
        const char *expected;
    } cases[] = {
        {json::object(), "a b c d e complete"},
        {{{"port", 50000}}, "a b complete"},
        {{{"port", nullptr}}, "a b c d e complete"},
        {{{"port", 50000}, {"atUsec", 35}}, "b complete"},
        {{{"port", 50000}, {"atUsec", 25}}, "complete"},
        {{{"port", 50000}, {"atUsec", 25}, {"withinUsec", 5}}, "a b complete"},
        {{{"sinceUsec", 20}, {"untilUsec", 50}}, "a b c complete"},
        {{{"protocol", "udp"}}, "e complete"},
        {{{"pid", 813}}, "d complete"},
        {{{"newestFirst", true}}, "e d c b a complete"},
        {{{"newestFirst", true}, {"limit", 2}}, "e d complete"},
        {{{"newest", 2}}, "d e complete"},
        {{{"newest", 9}}, "a b c d e complete"},
        {{{"newest", 1}, {"port", 50000}}, "b complete"},
        {{{"limit", 1}}, "a complete"},
        {{{"limit", 5}}, "a b c d e complete"},
        {{{"limit", INT64_MAX}}, "a b c d e complete"},
    };
    for (const auto &test : cases)
        EXPECT_EQ(summary(proto::methods::history, test.parameters), test.expected)
            << test.parameters;
}

TEST_F(MethodsTest, ListHasTheOpenLeases) {
    const struct {
        json parameters;
        const char *expected;
    } cases[] = {
        {json::object(), "c d e complete"},
        {{{"port", 50000}}, "complete"},
        {{{"port", 50001}}, "c d complete"},
        {{{"protocol", "udp"}}, "e complete"},
        {{{"pid", 813}}, "d complete"},
        {{{"limit", 2}}, "c d complete"},
        {{{"limit", 1}, {"pid", 812}}, "c complete"},
    };
    for (const auto &test : cases)
        EXPECT_EQ(summary(proto::methods::list, test.parameters), test.expected) << test.parameters;
    EXPECT_EQ(history_.asked_of_present, std::size(cases));
}

TEST_F(MethodsTest, OrdinaryUsersSeeTheirOwnAndWhatIsOpen) {
    const auto history = proto::methods::history;
    const auto list = proto::methods::list;
    const struct {
        std::string_view method;
        json parameters;
        const char *expected;
    } cases[] = {
        {history, json::object(), "a c d- e- withheld incomplete"},
        {history, {{"port", 50000}}, "a withheld incomplete"},
        {history, {{"limit", 2}}, "a c withheld incomplete"},
        {history, {{"limit", 3}, {"newestFirst", true}}, "e- d- c withheld incomplete"},
        {history, {{"newest", 3}}, "c d- e- withheld incomplete"},
        {history, {{"untilUsec", now}}, "a c d- e- withheld incomplete"},
        // These would tell when, or by whom, a lease of another user is held.
        {history, {{"untilUsec", now - 1}}, "a c withheld incomplete"},
        {history, {{"atUsec", 65}}, "c withheld incomplete"},
        {history, {{"pid", 813}}, "withheld incomplete"},
        {history, {{"pid", 812}}, "a c withheld incomplete"},
        {list, json::object(), "c d- e- withheld incomplete"},
        {list, {{"port", 50001}}, "c d- withheld incomplete"},
        {list, {{"port", 50001}, {"limit", 1}}, "c complete"},
        {list, {{"port", 50000}}, "complete"},
        {list, {{"pid", 813}}, "withheld incomplete"},
        {list, {{"pid", 812}}, "c withheld incomplete"},
        {list, {{"pid", 999}}, "withheld incomplete"},
    };
    for (const auto &test : cases)
        EXPECT_EQ(summary(test.method, test.parameters, ann), test.expected) << test.parameters;
}

TEST_F(MethodsTest, EveryFilterReachesTheHistory) {
    const json filters{{"port", 50000},
                       {"protocol", "udp"},
                       {"pid", 812},
                       {"executable", "curl"},
                       {"command", "curl"},
                       {"unit", "a.service"},
                       {"container", "dead"},
                       {"uid", 4294967295},
                       {"networkNamespace", 4294967295},
                       {"networkNamespaceName", "blue"},
                       {"peerAddress", "192.0.2.0/24"},
                       {"peerPort", 443},
                       {"localAddress", "2001:db8::1"},
                       {"role", "client"},
                       {"outcome", "timedOut"},
                       {"shorterThanUsec", 7},
                       {"longerThanUsec", 0}};
    model::LeaseQuery expected;
    expected.port = 50000;
    expected.protocol = Protocol::udp;
    expected.pid = 812;
    expected.executable = expected.command = "curl";
    expected.unit = "a.service";
    expected.container = "dead";
    expected.uid = expected.network_namespace = 4294967295;
    expected.network_namespace_name = "blue";
    expected.peer = model::parse_address_range("192.0.2.0/24");
    expected.peer_port = 443;
    expected.local = model::parse_address_range("2001:db8::1");
    expected.role = Role::client;
    expected.outcome = Outcome::timed_out;
    expected.shorter_than_us = 7;
    expected.longer_than_us = 0;
    expected.now_us = now;
    summary(proto::methods::history, filters);
    EXPECT_EQ(history_.last_query, expected);
    expected.open_only = true;
    summary(proto::methods::list, filters);
    EXPECT_EQ(history_.last_query, expected);
}

TEST_F(MethodsTest, FiltersThatCannotBeAreRefused) {
    const struct {
        json parameters;
        const char *reason;
    } cases[] = {
        {{{"executable", ""}}, "is empty"},
        {{{"command", ""}}, "is empty"},
        {{{"unit", ""}}, "is empty"},
        {{{"container", ""}}, "is empty"},
        {{{"networkNamespaceName", ""}}, "is empty"},
        {{{"peerAddress", "192.0.2"}}, "is neither an address nor an address/prefix length"},
        {{{"peerAddress", "192.0.2.0/33"}}, "is neither an address nor an address/prefix length"},
        {{{"localAddress", "[::1]"}}, "is neither an address nor an address/prefix length"},
        {{{"peerPort", 0}}, "is not within 1 to 65535"},
        {{{"uid", -1}}, "is not within 0 to 4294967295"},
        {{{"networkNamespace", 4294967296}}, "is not within 0 to 4294967295"},
        {{{"role", "server"}}, "is not a word of its list"},
        {{{"outcome", "timed_out"}}, "is not a word of its list"},
    };
    for (const auto &test : cases)
        for (const std::string_view method : {proto::methods::history, proto::methods::list}) {
            const proto::Reply reply = ask_one(method, test.parameters);
            EXPECT_EQ(reply.error, proto::errors::invalid_parameter) << test.parameters;
            EXPECT_EQ((*reply.parameters)["parameter"], test.parameters.begin().key());
            EXPECT_EQ((*reply.parameters)["reason"], test.reason);
        }
}

// Each of these would tell of a lease of another user what its text leaves out.
TEST_F(MethodsTest, OrdinaryUsersAreAnsweredFromTheirOwnWhereTheChoiceWouldTell) {
    const struct {
        const char *parameter;
        json value;
    } telling[] = {{"pid", 812},          {"executable", "x"},    {"command", "x"},
                   {"unit", "x"},         {"container", "x"},     {"networkNamespaceName", "x"},
                   {"outcome", "closed"}, {"shorterThanUsec", 9}, {"longerThanUsec", 9}};
    const struct {
        const char *parameter;
        json value;
    } harmless[] = {{"port", 50001},          {"protocol", "tcp"}, {"uid", 2000},
                    {"networkNamespace", 7},  {"peerPort", 443},   {"peerAddress", "192.0.2.2"},
                    {"localAddress", "::/0"}, {"role", "client"}};
    for (const std::string_view method : {proto::methods::history, proto::methods::list}) {
        for (const auto &[parameter, value] : telling)
            EXPECT_EQ(summary(method, {{parameter, value}}, ann).find('-'), std::string::npos)
                << parameter;
        for (const auto &[parameter, value] : harmless)
            EXPECT_NE(summary(method, {{parameter, value}}, ann).find("d- "), std::string::npos)
                << parameter;
    }
}

// The cursors of a stream, "" where there is none.
std::vector<std::string> cursors_of(const std::vector<proto::Reply> &replies) {
    std::vector<std::string> found;
    for (const proto::Reply &reply : replies)
        found.push_back(reply.parameters->value("cursor", ""));
    return found;
}

TEST_F(MethodsTest, HistoryGoesOnBehindEachOfItsCursors) {
    history_.failures = {bind_failure(50000, 1000, 5), bind_failure(50000, 1000, 30),
                         bind_failure(50001, 1000, 55), bind_failure(50001, 1000, 80)};
    for (const bool newest_first : {false, true}) {
        json parameters{{"newestFirst", newest_first}};
        const auto whole = ask_stream(proto::methods::history, parameters);
        const std::vector<std::string> cursors = cursors_of(whole);
        ASSERT_EQ(whole.size(), 10u);
        EXPECT_EQ(cursors.back(), "");
        for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
            // The order is that of the cursor.
            const auto rest = ask_stream(proto::methods::history, {{"cursor", cursors[i]}});
            ASSERT_EQ(rest.size(), whole.size() - i - 1);
            for (std::size_t j = 0; j < rest.size(); ++j)
                EXPECT_EQ(*rest[j].parameters, *whole[i + 1 + j].parameters);
        }
    }
}

TEST_F(MethodsTest, BehindTheNewestFollowThoseThatAreOlder) {
    history_.failures = {bind_failure(50000, 1000, 5), bind_failure(50001, 1000, 55)};
    const auto cursors = cursors_of(ask_stream(proto::methods::history, {{"newest", 3}}));
    ASSERT_EQ(cursors.size(), 4U);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(cursors[i], "");
    EXPECT_EQ(summary(proto::methods::history, {{"newest", 3}}), "@55 d e complete");
    EXPECT_EQ(summary(proto::methods::history, {{"cursor", cursors[3]}}), "c b a @5 complete");
    for (const json &beside :
         {json{{"limit", 1}}, json{{"newestFirst", true}}, json{{"cursor", cursors[3]}}}) {
        json parameters = beside;
        parameters["newest"] = 3;
        EXPECT_EQ((*ask_one(proto::methods::history, parameters).parameters)["parameter"],
                  "newest");
    }
}

TEST_F(MethodsTest, ListHasNoCursors) {
    for (const std::string &cursor : cursors_of(ask_stream(proto::methods::list)))
        EXPECT_EQ(cursor, "");
    EXPECT_EQ(ask_one(proto::methods::list, {{"cursor", "1:o:5::"}}).error,
              proto::errors::invalid_parameter);
}

TEST_F(MethodsTest, WrongCursorsAreRefused) {
    const auto reason = [this](json parameters) {
        const proto::Reply reply = ask_one(proto::methods::history, std::move(parameters));
        EXPECT_EQ(reply.error, proto::errors::invalid_parameter);
        EXPECT_EQ((*reply.parameters)["parameter"], "cursor");
        return (*reply.parameters)["reason"].get<std::string>();
    };
    EXPECT_EQ(reason({{"cursor", ""}}), "is not a cursor of this version");
    EXPECT_EQ(reason({{"cursor", "garbage"}}), "is not a cursor of this version");
    EXPECT_EQ(reason({{"cursor", "1:o:5::"}, {"newestFirst", true}}),
              "is of an answer that had the oldest first");
}

// A cursor is a time: that of another user's lease is not given, and is not answered to.
TEST_F(MethodsTest, CursorsTellOrdinaryUsersNothingOfOthers) {
    history_.failures = {bind_failure(50001, 1000, 65)};
    const auto whole = ask_stream(proto::methods::history, json::object(), ann);
    const std::vector<std::string> cursors = cursors_of(whole);
    ASSERT_EQ(whole.size(), 6u); // a c d- @65 e-
    EXPECT_EQ(cursors[2], "");
    EXPECT_EQ(cursors[4], "");
    EXPECT_EQ(cursors[1], "1:o:3::");
    EXPECT_EQ(cursors[3], "1:o:3:0:1") << "the lease is c, not d";
    EXPECT_EQ(summary(proto::methods::history, {{"cursor", cursors[0]}}, ann),
              "c @65 withheld incomplete");
    EXPECT_EQ(summary(proto::methods::history, {{"cursor", cursors[3]}}, ann),
              "withheld incomplete");
}

TEST_F(MethodsTest, NothingWatchedIsNeverComplete) {
    history_.watched.complete = false;
    EXPECT_EQ(summary(proto::methods::history, {{"port", 1}}), "incomplete");
    EXPECT_EQ(summary(proto::methods::list), "c d e incomplete");
    EXPECT_FALSE(ask_who(50001).coverage.complete);
}

TEST_F(MethodsTest, PortThatIsNotRecordedIsNeverComplete) {
    EXPECT_EQ(summary(proto::methods::history, {{"port", 32767}}), "incomplete");
    EXPECT_EQ(summary(proto::methods::history, {{"port", 32768}}), "complete");
    EXPECT_EQ(summary(proto::methods::list, {{"port", 32767}}), "incomplete");
    EXPECT_EQ(summary(proto::methods::list, {{"port", 32768}}), "complete");
    EXPECT_FALSE(ask_who(32767).coverage.complete);
    EXPECT_TRUE(ask_who(32768).coverage.complete);
}

TEST_F(MethodsTest, StreamsTakeAPageAtATime) {
    history_.leases.clear();
    for (int i = 0; i < 2000; ++i)
        history_.leases.push_back(open_lease(std::to_string(i), 50000, 1000, i));
    const auto stream = std::get<std::unique_ptr<Stream>>(ask(proto::methods::list));
    std::size_t turns = 0;
    while (!stream->finished()) {
        EXPECT_LE(stream->next(history_, now).size(), 2 * LeaseStream::page_bytes);
        EXPECT_EQ(history_.pages, ++turns);
    }
    EXPECT_GE(turns, 2000 / LeaseStream::largest_page);
    EXPECT_LE(history_.largest_limit, LeaseStream::largest_page);
    EXPECT_EQ(ask_stream(proto::methods::list).size(), 2001u);
}

TEST_F(MethodsTest, ALongSearchThatFindsNothingGivesSignsOfLife) {
    const proto::Lease other = open_lease("other", 50001, 1000, 5);
    const auto signs_among = [&](std::size_t leases) {
        history_.leases.assign(leases, other);
        const auto replies = ask_stream(proto::methods::history, {{"port", 50000}});
        for (const auto &reply : std::span(replies).first(replies.size() - 1)) {
            EXPECT_TRUE(reply.continues);
            EXPECT_FALSE(reply.parameters->contains("lease"));
        }
        return replies.size() - 1;
    };
    EXPECT_EQ(signs_among(100), 0U);
    EXPECT_EQ(signs_among(32 * Silence::longest * 2 + 1), 2U);
}

TEST_F(MethodsTest, PagesShrinkWhenLeasesAreLarge) {
    history_.leases.assign(500, open_lease("large", 50000, 1000, 5));
    for (proto::Lease &lease : history_.leases)
        lease.holders[0].arguments = std::string(64 * 1024, 'x');
    const auto stream = std::get<std::unique_ptr<Stream>>(ask(proto::methods::list));
    stream->next(history_, now);
    while (!stream->finished())
        EXPECT_LE(stream->next(history_, now).size(), 2 * LeaseStream::page_bytes);
}

TEST_F(MethodsTest, LimitReachesBelowAPage) {
    history_.leases.assign(500, open_lease("x", 50000, 1000, 5));
    const auto stream =
        std::get<std::unique_ptr<Stream>>(ask(proto::methods::list, {{"limit", 3}}));
    stream->next(history_, now);
    EXPECT_TRUE(stream->finished());
    EXPECT_EQ(history_.largest_limit, 3u);
}

TEST_F(MethodsTest, BindFailuresHaveTheirPlaceInTime) {
    history_.failures = {bind_failure(50000, 1000, 5), bind_failure(50000, 1000, 30),
                         bind_failure(50001, 2000, 55), bind_failure(50001, 2000, 80)};
    history_.failures[3].protocol = Protocol::udp;
    const struct {
        json parameters;
        const char *expected;
    } cases[] = {
        {json::object(), "@5 a b @30 c @55 d e @80 complete"},
        {{{"newestFirst", true}}, "@80 e d @55 c @30 b a @5 complete"},
        {{{"newestFirst", true}, {"limit", 4}}, "@80 e d @55 complete"},
        {{{"newest", 1}}, "@80 complete"},
        {{{"newest", 2}}, "e @80 complete"},
        {{{"newest", 4}}, "@55 d e @80 complete"},
        {{{"newest", 8}}, "a b @30 c @55 d e @80 complete"},
        {{{"newest", 9}}, "@5 a b @30 c @55 d e @80 complete"},
        {{{"newest", 2}, {"port", 50001}}, "d @80 complete"},
        {{{"limit", 1}}, "@5 complete"},
        {{{"limit", 9}}, "@5 a b @30 c @55 d e @80 complete"},
        {{{"port", 50001}}, "c @55 d @80 complete"},
        {{{"pid", 900}}, "@5 @30 @55 @80 complete"},
        {{{"protocol", "udp"}}, "e @80 complete"},
        {{{"sinceUsec", 55}, {"untilUsec", 60}}, "c @55 d complete"},
        {{{"port", 40000}}, "complete"},
    };
    for (const auto &test : cases)
        EXPECT_EQ(summary(proto::methods::history, test.parameters), test.expected)
            << test.parameters;
    EXPECT_EQ(summary(proto::methods::list), "c d e complete");
}

// Whatever the pages of either are: all come, in order, and no more is sent than is known of both.
TEST_F(MethodsTest, LeasesAndBindFailuresAreMergedOverPages) {
    history_.leases.clear();
    for (std::int64_t i = 0; i < 700; ++i)
        history_.leases.push_back(open_lease("x", 50000, 1000, i < 300 ? i : i * 10));
    for (std::int64_t i = 0; i < 900; ++i)
        history_.failures.push_back(bind_failure(50000 + i % 2, 1000, i * i / 100));
    for (const bool newest_first : {false, true}) {
        const auto replies =
            ask_stream(proto::methods::history, {{"newestFirst", newest_first}, {"port", 50000}});
        ASSERT_EQ(replies.size(), 700u + 450u + 1u);
        std::optional<std::int64_t> before;
        for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
            const json &parameters = *replies[i].parameters;
            const std::int64_t at = parameters.contains("lease")
                                        ? parameters["lease"]["opened"]["usec"].get<std::int64_t>()
                                        : parameters["bindFailure"]["atUsec"].get<std::int64_t>();
            const bool in_order =
                newest_first ? at <= before.value_or(at) : at >= before.value_or(at);
            EXPECT_TRUE(in_order) << i;
            before = at;
        }
    }
    const auto whole = ask_stream(proto::methods::history, {{"port", 50000}});
    for (const std::size_t newest : {1U, 250U, 999U, 1150U}) {
        auto replies = ask_stream(proto::methods::history, {{"newest", newest}, {"port", 50000}});
        // Signs that the search for the first of them goes on.
        std::erase_if(replies, [](const proto::Reply &reply) { return reply.parameters->empty(); });
        ASSERT_EQ(replies.size(), newest + 1);
        for (std::size_t i = 0; i < newest; ++i) {
            json expected = *whole[whole.size() - 1 - newest + i].parameters;
            expected.erase("cursor");
            EXPECT_EQ(*replies[i].parameters, expected) << newest << " " << i;
        }
    }
}

TEST_F(MethodsTest, BindFailuresForOrdinaryUsers) {
    history_.failures = {bind_failure(50001, 1000, 55), bind_failure(50001, 2000, 65)};
    history_.failures[0].error = "EADDRINUSE";
    history_.failures[0].in_the_way = {open_lease("mine", 50001, 1000, 50),
                                       open_lease("another's", 50001, 2000, 50)};
    EXPECT_EQ(summary(proto::methods::history, {{"port", 50001}}, ann),
              "c @55- d- withheld incomplete");
    const auto replies = ask_stream(proto::methods::history, {{"atUsec", 55}}, ann);
    const json &failure = replies.at(1).parameters->at("bindFailure");
    EXPECT_EQ(failure["error"], "EADDRINUSE");
    ASSERT_EQ(failure["inTheWay"].size(), 1u);
    EXPECT_EQ(failure["inTheWay"][0]["id"], "mine");
    EXPECT_EQ(failure.dump().find("another's"), std::string::npos);
}

TEST_F(MethodsTest, WhoHasTheHoldersOrTheLastOne) {
    const proto::WhoReply held = ask_who(50001);
    EXPECT_EQ(ids(held.holders), "c d ");
    EXPECT_FALSE(held.last);
    EXPECT_FALSE(held.withheld);
    EXPECT_TRUE(held.coverage.complete);

    const proto::WhoReply free = ask_who(50000);
    EXPECT_TRUE(free.holders.empty());
    EXPECT_EQ(free.last->id, "b");

    const proto::WhoReply unused = ask_who(40000);
    EXPECT_TRUE(unused.holders.empty());
    EXPECT_FALSE(unused.last);
    EXPECT_TRUE(unused.coverage.complete);
}

TEST_F(MethodsTest, WhoForOrdinaryUsers) {
    const proto::WhoReply held = ask_who(50001, ann);
    EXPECT_EQ(ids(held.holders), "c d- ");
    EXPECT_TRUE(held.withheld);
    EXPECT_FALSE(held.coverage.complete);

    const proto::WhoReply free = ask_who(50000, ann);
    EXPECT_EQ(free.last->id, "a");
    EXPECT_TRUE(free.withheld);

    history_.leases.resize(3);
    const proto::WhoReply own = ask_who(50001, ann);
    EXPECT_EQ(ids(own.holders), "c ");
    EXPECT_FALSE(own.withheld);
    EXPECT_TRUE(own.coverage.complete);
}

TEST_F(MethodsTest, WhoSaysWhenThereAreMore) {
    history_.leases.assign(most_holding_leases, open_lease("x", 50000, 1000, 5));
    EXPECT_FALSE(ask_who(50000).truncated);
    EXPECT_EQ(ask_who(50000).holders.size(), most_holding_leases);
    history_.leases.push_back(open_lease("y", 50000, 1000, 5));
    EXPECT_TRUE(ask_who(50000).truncated);
    EXPECT_EQ(ask_who(50000).holders.size(), most_holding_leases);

    history_.leases.assign(40, open_lease("x", 50000, 1000, 5));
    for (proto::Lease &lease : history_.leases)
        lease.holders.assign(64, process(1));
    EXPECT_TRUE(ask_who(50000).truncated);
    EXPECT_EQ(ask_who(50000).holders.size(), most_holding_processes / 64);
}

TEST_F(MethodsTest, ExplainSaysWhatKindOfPort) {
    daemon_.ports.local_range = {32768, 60999};
    daemon_.ports.reserved = {{40000, 40010}};
    daemon_.ports.unprivileged_start = 1024;
    const struct {
        std::int64_t port;
        const char *iana_class;
        bool in_range, reserved, privileged, recorded;
    } cases[] = {
        {1, "system", false, false, true, false},
        {1023, "system", false, false, true, false},
        {1024, "user", false, false, false, false},
        {32767, "user", false, false, false, false},
        {32768, "user", true, false, false, true},
        {40000, "user", true, true, false, true},
        {49151, "user", true, false, false, true},
        {49152, "dynamic", true, false, false, true},
        {60999, "dynamic", true, false, false, true},
        {61000, "dynamic", false, false, false, true},
        {65535, "dynamic", false, false, false, true},
    };
    for (const auto &test : cases) {
        const auto reply = ask_one(proto::methods::explain, {{"port", test.port}});
        const auto decoded = proto::decode<proto::Explanation>(*reply.parameters);
        const auto &explanation = std::get<proto::Explanation>(decoded);
        EXPECT_EQ(explanation.port, test.port);
        EXPECT_EQ(explanation.iana_class, test.iana_class) << test.port;
        EXPECT_EQ(explanation.in_range, test.in_range) << test.port;
        EXPECT_EQ(explanation.reserved, test.reserved) << test.port;
        EXPECT_EQ(explanation.privileged, test.privileged) << test.port;
        EXPECT_EQ(explanation.recorded, test.recorded) << test.port;
        EXPECT_EQ(explanation.range_low, 32768);
        EXPECT_EQ(explanation.range_high, 60999);
    }
    const auto reply = ask_one(proto::methods::explain, {{"port", 50001}}, ann);
    const auto decoded = proto::decode<proto::Explanation>(*reply.parameters);
    EXPECT_EQ(ids(std::get<proto::Explanation>(decoded).who.holders), "c d- ");
}

TEST_F(MethodsTest, StatusAddsTheNewestGaps) {
    daemon_.now.version = "1.2.3";
    daemon_.now.open_leases = 3;
    for (int i = 0; i < 20; ++i) {
        proto::Gap gap;
        gap.since_usec = i;
        gap.cause = "notRunning";
        history_.gaps.push_back(gap);
    }
    const auto reply = ask_one(proto::methods::status, json::object(), ann);
    const auto decoded = proto::decode<proto::Status>(*reply.parameters);
    const auto &status = std::get<proto::Status>(decoded);
    EXPECT_EQ(status.open_leases, 3);
    EXPECT_EQ(status.gaps.size(), 16u);
    EXPECT_EQ(status.gaps[0].since_usec, 0);
}

TEST_F(MethodsTest, AuditSumsUpWhatTheCallerMaySee) {
    history_.failures = {bind_failure(50001, 1000, 35), bind_failure(50001, 2000, 36)};
    const auto ask_audit = [this](json parameters, const Caller &caller) {
        const auto replies = ask_stream(proto::methods::audit, std::move(parameters), caller);
        std::vector<proto::AuditReply> decoded;
        for (const auto &reply : replies)
            decoded.push_back(
                std::get<proto::AuditReply>(proto::decode<proto::AuditReply>(*reply.parameters)));
        return decoded;
    };
    const auto all = ask_audit({{"by", "user"}}, root);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].group->uid, 2000);
    EXPECT_EQ(all[0].group->leases, 3);
    EXPECT_EQ(all[0].group->bind_failures, 1);
    EXPECT_EQ(all[1].group->leases, 2);
    EXPECT_TRUE(all[2].coverage->complete);
    EXPECT_FALSE(all[2].withheld);

    const auto own = ask_audit({{"by", "user"}}, ann);
    ASSERT_EQ(own.size(), 2U);
    EXPECT_EQ(own[0].group->uid, 1000);
    EXPECT_EQ(own[0].group->leases, 2);
    EXPECT_EQ(own[0].group->bind_failures, 1);
    EXPECT_TRUE(own[1].withheld);
    EXPECT_FALSE(own[1].coverage->complete);

    const auto limited = ask_audit({{"by", "user"}, {"limit", 1}}, root);
    ASSERT_EQ(limited.size(), 2U);
    EXPECT_EQ(limited[1].groups_in_other, 1);
    EXPECT_EQ(limited[1].other->leases, 2);

    EXPECT_EQ(ask_one(proto::methods::audit, {{"sinceUsec", 2}, {"untilUsec", 1}}).error,
              proto::errors::invalid_interval);
    EXPECT_EQ(ask_one(proto::methods::audit, {{"by", "colour"}}).error,
              proto::errors::invalid_parameter);
}

TEST_F(MethodsTest, AuditTellsHowFarItHasComeInPagesOfBoundedWork) {
    for (int i = 0; i < 2000; ++i)
        history_.leases.push_back(freed_lease("x", 50000, 1000, i, i + 1));
    const auto stream = std::get<std::unique_ptr<Stream>>(ask(proto::methods::audit));
    std::int64_t at = now;
    std::string out;
    while (!stream->finished())
        out += stream->next(history_, at += 200'000);
    EXPECT_LE(history_.largest_limit, 256U);
    EXPECT_NE(out.find("\"progress\":{\"examined\""), std::string::npos);
}

TEST_F(MethodsTest, ConflictsAreTheServicesThatTheCallerMaySee) {
    daemon_.now.network_namespace = 7;
    daemon_.ports.reserved = {{50003, 50003}};
    const auto service = [](const char *id, std::int64_t port, std::int64_t uid) {
        proto::Lease lease = open_lease(id, port, uid, 5);
        lease.role = Role::listener;
        lease.port_choice = PortChoice::explicit_;
        lease.peer_address.reset();
        return lease;
    };
    history_.leases = {service("a", 50001, 1000), service("b", 50002, 2000),
                       service("c", 50003, 1000), freed_lease("d", 50002, 1000, 10, 20),
                       freed_lease("e", 50002, 2000, 30, 40)};
    const auto told_to = [this](const Caller &caller) {
        std::string text;
        for (const auto &reply : ask_stream(proto::methods::conflicts, json::object(), caller)) {
            const auto &parameters = *reply.parameters;
            if (parameters.contains("conflict"))
                text += parameters["conflict"]["port"].dump() + "*" +
                        parameters["conflict"]["automaticLeases"].dump() + " ";
            else
                text += "reserved " + parameters["summary"]["reserved"].dump();
        }
        return text;
    };
    EXPECT_EQ(told_to(root), "50002*2 50001*0 reserved 1");
    EXPECT_EQ(told_to(ann), "50001*0 reserved 1");
}

TEST_F(MethodsTest, PressureHasNoGrowthForWhoMayNotSeeThePast) {
    daemon_.now.network_namespace = 7;
    daemon_.ports.local_range = {50001, 50010};
    const auto pool_of = [this](const Caller &caller) {
        const auto replies = ask_stream(proto::methods::pressure, json::object(), caller);
        EXPECT_TRUE((*replies.back().parameters)["summary"].contains("coverage"));
        return (*replies.front().parameters)["pool"];
    };
    const json all = pool_of(root);
    EXPECT_EQ(all["automaticPorts"], 10);
    EXPECT_TRUE(all.contains("portsPerHour"));
    const json some = pool_of(ann);
    EXPECT_EQ(some["usedPorts"], all["usedPorts"]);
    EXPECT_FALSE(some.contains("portsPerHour"));
    const auto summary_of = [this](std::int64_t inode) {
        const auto replies = ask_stream(proto::methods::pressure, {{"networkNamespace", inode}});
        return (*replies.back().parameters)["summary"];
    };
    daemon_.foreign_ports[9] = {.local_range = {60001, 60100}, .reserved = {{60007, 60008}}};
    EXPECT_EQ(summary_of(9)["rangeHigh"], 60100);
    EXPECT_EQ(summary_of(9)["reservedPorts"], "60007-60008");
    EXPECT_EQ(summary_of(9)["networkNamespace"], 7);
    EXPECT_FALSE(summary_of(10).contains("rangeHigh"));
    EXPECT_EQ(ask_one(proto::methods::pressure, {{"windowUsec", 0}}).error,
              proto::errors::invalid_parameter);
}

TEST_F(MethodsTest, PressureLooksBackNoFurtherThanPortdWasWatching) {
    const auto ask = [this] {
        const auto replies = ask_stream(proto::methods::pressure, {{"windowUsec", 60'000'000}});
        const bool knows = (*replies.front().parameters)["pool"].contains("portsPerHour");
        return std::pair(knows, (*replies.back().parameters)["summary"]["windowUsec"]);
    };
    EXPECT_EQ(ask(), std::pair(true, json(60'000'000)));
    constexpr std::int64_t now_us = now;
    proto::Gap before;
    before.until_usec = now_us - 20'000'000;
    before.cause = "notRunning";
    proto::Gap loss;
    loss.since_usec = loss.until_usec = now_us - 1'000'000;
    loss.cause = "ringFull";
    loss.lost_events = 3;
    history_.watched.gaps = {before, loss};
    EXPECT_EQ(ask(), std::pair(true, json(20'000'000)));
    history_.watched.gaps[0].until_usec = now_us - 900'000;
    EXPECT_FALSE(ask().first) << "that is too short";
    history_.watched.gaps[0].until_usec.reset();
    EXPECT_EQ(ask(), std::pair(false, json(0)));
}

TEST_F(MethodsTest, VerifyTellsOfEachFileAndEndsWithTheVerdict) {
    proto::VerifyReply file;
    file.file = proto::FileReport{"history-000001.db", true, 4096, 3, 0, {}};
    proto::VerifyReply verdict;
    verdict.sound = true;
    history_.verification = {file, verdict};
    const auto replies = ask_stream(proto::methods::verify);
    ASSERT_EQ(replies.size(), 2U);
    EXPECT_EQ((*replies[0].parameters)["file"]["file"], "history-000001.db");
    EXPECT_TRUE(replies[0].continues);
    EXPECT_EQ(*replies[1].parameters, json({{"sound", true}}));
    EXPECT_FALSE(replies[1].continues);

    history_.verification.pop_back();
    EXPECT_EQ(ask_stream(proto::methods::verify).back().error, proto::errors::store_unavailable);
    history_.is_verifying = true;
    EXPECT_EQ(ask_one(proto::methods::verify).error, proto::errors::limit_exceeded);
    EXPECT_EQ(ask_one(proto::methods::verify, json::object(), ann).error,
              proto::errors::permission_denied);
}

TEST_F(MethodsTest, HistoryThatThrowsIsAnError) {
    history_.broken = true;
    for (const auto method :
         {proto::methods::who, proto::methods::explain, proto::methods::status}) {
        const auto reply = ask_one(
            method, method == proto::methods::status ? json::object() : json{{"port", 50000}});
        EXPECT_EQ(reply.error, proto::errors::store_unavailable) << method;
        EXPECT_EQ((*reply.parameters)["reason"], "store unreadable");
    }
    for (const auto method :
         {proto::methods::history, proto::methods::list, proto::methods::audit}) {
        const auto replies = ask_stream(method);
        ASSERT_EQ(replies.size(), 1u);
        EXPECT_EQ(replies[0].error, proto::errors::store_unavailable) << method;
        EXPECT_FALSE(replies[0].continues);
    }
}

TEST_F(MethodsTest, HistoryThatThrowsEndsAStream) {
    history_.leases.assign(500, open_lease("x", 50000, 1000, 5));
    history_.broken_from_page = 1;
    const auto replies = ask_stream(proto::methods::list);
    ASSERT_GT(replies.size(), 1u);
    EXPECT_TRUE(replies.front().continues);
    EXPECT_EQ(replies.back().error, proto::errors::store_unavailable);
    EXPECT_FALSE(replies.back().continues);
}

} // namespace
} // namespace portd::server
