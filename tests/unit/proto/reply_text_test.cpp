#include "proto/reply_text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <string>

namespace portd::proto {
namespace {

using nlohmann::json;

TEST(ReplyText, IsTheParameterAsItCame) {
    const std::string message =
        R"( {"parameters": {"b" : [ 1, -2, 1.50, 1e3, 18446744073709551615, [], {} ], "a":)"
        R"({"x":null,"y":[true,false]}, "c":"" }, "continues":true,"a":7,"error":{"a":8}} )";
    const std::string b = R"([1,-2,1.50,1e3,18446744073709551615,[],{}])";
    const std::string a = R"({"x":null,"y":[true,false]})";
    EXPECT_EQ(parameter_text(message), R"({"b":)" + b + R"(,"a":)" + a + R"(,"c":""})");
    EXPECT_EQ(parameter_text(message, "b"), b);
    EXPECT_EQ(parameter_text(message, "a"), a);
    EXPECT_EQ(parameter_text(message, "c"), R"("")");
}

TEST(ReplyText, IsEmptyWhereThereIsNothing) {
    for (const char *message :
         {"", "{", "{}x", "7", "[]", "{}", R"({"parameters":{}})", R"({"parameters":[{"a":1}]})",
          R"({"other":{"a":1}})", R"({"parameters":{"b":{"a":1}}})"})
        EXPECT_EQ(parameter_text(message, "a"), "") << message;
    EXPECT_EQ(parameter_text(R"({"a":{}})"), "");
}

TEST(ReplyText, IsAscii) {
    EXPECT_EQ(parameter_text(
                  "{\"parameters\":{\"\u00fc\":\"\\u001b[31m\x7f\\\"\\\\\\n\u20ac\U0001f600\"}}"),
              R"({"\u00fc":"\u001b[31m\u007f\"\\\u000a\u20ac\ud83d\ude00"})");
}

RC_GTEST_PROP(ReplyText, SaysTheSame, (const std::string &key, const std::string &bytes)) {
    const json sent{{key, bytes}, {"more", {1, bytes}}};
    const auto replace = json::error_handler_t::replace;
    const std::string text = sent.dump(-1, ' ', false, replace);
    const std::string shown = parameter_text(R"({"parameters":)" + text + "}");
    RC_ASSERT(json::parse(shown) == json::parse(text));
    RC_ASSERT(shown.find_first_not_of(
                  " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
                  "abcdefghijklmnopqrstuvwxyz{|}~") == std::string::npos);
}

} // namespace
} // namespace portd::proto
