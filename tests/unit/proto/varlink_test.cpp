#include "proto/varlink.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace portd::proto {
namespace {

using nlohmann::json;

TEST(ParseCall, ReadsMethodAndFlags) {
    const auto parsed = parse_call(
        R"({"method":"a.B","more":true,"oneway":false,"upgrade":null,"parameters":{"x":1},"new":1})");
    const Call &call = std::get<Call>(parsed);
    EXPECT_EQ(call.method, "a.B");
    EXPECT_TRUE(call.more);
    EXPECT_FALSE(call.oneway);
    EXPECT_FALSE(call.upgrade);
    EXPECT_EQ(*call.parameters, json({{"x", 1}}));
}

TEST(ParseCall, AbsentNullAndEmptyParametersAreEqual) {
    for (const char *text : {R"({"method":"a.B"})", R"({"method":"a.B","parameters":null})",
                             R"({"method":"a.B","parameters":{}})"})
        EXPECT_EQ(*std::get<Call>(parse_call(text)).parameters, json::object()) << text;
}

TEST(ParseCall, SaysWhatIsMalformed) {
    const struct {
        std::string text;
        std::string reason;
    } cases[] = {
        {"", "not JSON at byte 1"},
        {"{", "not JSON at byte 2"},
        {"{}x", "not JSON at byte 3"},
        {"{\"method\":\"\xff\"}", "not JSON at byte 12"},
        {"[]", "the message is not a JSON object"},
        {"{}", "\"method\" is not a name"},
        {R"({"method":""})", "\"method\" is not a name"},
        {R"({"method":1})", "\"method\" is not a name"},
        {R"({"method":"a.B","more":1})", "\"more\" is not a boolean"},
        {R"({"method":"a.B","oneway":"x"})", "\"oneway\" is not a boolean"},
        {R"({"method":"a.B","upgrade":[]})", "\"upgrade\" is not a boolean"},
        {R"({"method":"a.B","parameters":[]})", "\"parameters\" is not an object"},
        {R"({"method":"a.B","parameters":{"x":1e999}})", "not JSON: a number is out of range"},
    };
    for (const auto &test : cases) {
        const auto parsed = parse_call(test.text);
        ASSERT_TRUE(std::holds_alternative<Malformed>(parsed)) << test.text;
        EXPECT_EQ(std::get<Malformed>(parsed).message, test.reason) << test.text;
    }
}

TEST(ParseReply, ReadsErrorAndContinues) {
    const auto parsed = parse_reply(R"({"error":"a.E","continues":true,"parameters":{"x":1}})");
    const Reply &reply = std::get<Reply>(parsed);
    EXPECT_EQ(reply.error, "a.E");
    EXPECT_TRUE(reply.continues);
    EXPECT_EQ(*reply.parameters, json({{"x", 1}}));
    EXPECT_EQ(std::get<Reply>(parse_reply("{}")).error, "");
    EXPECT_TRUE(std::holds_alternative<Malformed>(parse_reply(R"({"error":5})")));
    EXPECT_TRUE(std::holds_alternative<Malformed>(parse_reply(R"({"continues":5})")));
}

TEST(Format, IsReadBackUnchanged) {
    const Call call{.method = "a.B",
                    .more = true,
                    .oneway = true,
                    .upgrade = true,
                    .parameters = std::make_shared<const json>(json{{"port", 5}})};
    const auto parsed_call = parse_call(format_call(call));
    const Call &call_again = std::get<Call>(parsed_call);
    EXPECT_EQ(call_again.method, call.method);
    EXPECT_EQ(call_again.more, call.more);
    EXPECT_EQ(call_again.oneway, call.oneway);
    EXPECT_EQ(call_again.upgrade, call.upgrade);
    EXPECT_EQ(*call_again.parameters, *call.parameters);

    const Reply reply{.error = "a.E",
                      .continues = true,
                      .parameters = std::make_shared<const json>(json{{"port", 5}})};
    const auto parsed_reply = parse_reply(format_reply(reply));
    const Reply &reply_again = std::get<Reply>(parsed_reply);
    EXPECT_EQ(reply_again.error, reply.error);
    EXPECT_EQ(reply_again.continues, reply.continues);
    EXPECT_EQ(*reply_again.parameters, *reply.parameters);
}

TEST(Format, LeavesOutWhatIsNotSet) {
    EXPECT_EQ(format_call({.method = "a.B", .parameters = nullptr}), R"({"method":"a.B"})");
    EXPECT_EQ(format_reply({.error = "", .parameters = nullptr}), R"({"parameters":{}})");
}

TEST(Format, HasNoNulAndReplacesWhatIsNotUtf8) {
    Reply reply{.error = "",
                .parameters =
                    std::make_shared<const json>(json{{"arguments", std::string("a\0b\xff", 4)}})};
    EXPECT_EQ(format_reply(reply), "{\"parameters\":{\"arguments\":\"a\\u0000b\xef\xbf\xbd\"}}");
}

} // namespace
} // namespace portd::proto
