#include "proto/framing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace portd::proto {
namespace {

using namespace std::string_literals;

struct Outcome {
    std::vector<std::string> messages;
    MessageFault fault = MessageFault::none;
    bool partial = false;

    bool operator==(const Outcome &) const = default;
};

std::ostream &operator<<(std::ostream &out, const Outcome &outcome) {
    for (const std::string &message : outcome.messages)
        out << '[' << message << ']';
    return out << " fault " << static_cast<int>(outcome.fault) << " partial " << outcome.partial;
}

Outcome read_in_pieces(const std::vector<std::string> &pieces, MessageLimits limits) {
    MessageReader reader(limits);
    Outcome outcome;
    for (const std::string &piece : pieces) {
        reader.append(piece);
        while (auto message = reader.next())
            outcome.messages.push_back(*message);
    }
    outcome.fault = reader.fault();
    outcome.partial = reader.has_partial();
    return outcome;
}

TEST(MessageReader, CutsAtEachNul) {
    const struct {
        std::string stream;
        Outcome expected;
    } cases[] = {
        {"", {}},
        {"{}\0"s, {{"{}"}}},
        {"{}\0{\"a\":1}\0"s, {{"{}", "{\"a\":1}"}}},
        {"\0\0"s, {{"", ""}}},
        {"{}\0{"s, {{"{}"}, MessageFault::none, true}},
        {"{"s, {{}, MessageFault::none, true}},
        {"12345678\0"s, {{"12345678"}}},
        {"12345678"s, {{}, MessageFault::none, true}},
        {"123456789"s, {{}, MessageFault::too_long}},
        {"123456789\0"s, {{}, MessageFault::too_long}},
        {"a\000123456789\0b\0"s, {{"a"}, MessageFault::too_long}},
        {"[[]]\0"s, {{"[[]]"}}},
        {"[[[]]]\0b\0"s, {{}, MessageFault::too_deep}},
        {"\"[[[\"\0"s, {{"\"[[[\""}}},
    };
    for (const auto &test : cases)
        EXPECT_EQ(read_in_pieces({test.stream}, {.bytes = 8, .depth = 2}), test.expected)
            << test.stream;
}

TEST(MessageReader, HoldsPartialMessageBetweenCompleteOnes) {
    MessageReader reader;
    EXPECT_FALSE(reader.has_partial());
    reader.append("{}\0{"s);
    EXPECT_TRUE(reader.has_partial());
    EXPECT_EQ(reader.next(), "{}");
    EXPECT_TRUE(reader.has_partial());
    EXPECT_EQ(reader.next(), std::nullopt);
    reader.append("}\0"s);
    EXPECT_EQ(reader.next(), "{}");
    EXPECT_FALSE(reader.has_partial());
}

RC_GTEST_PROP(MessageReader, GivesTheSameMessagesHoweverTheStreamIsSplit, ()) {
    const auto bytes = *rc::gen::container<std::string>(
        rc::gen::element('\0', '{', '}', '[', ']', '"', '\\', 'a'));
    const MessageLimits limits{.bytes = *rc::gen::inRange<std::size_t>(0, 12),
                               .depth = *rc::gen::inRange<std::size_t>(0, 4)};
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto length = *rc::gen::inRange<std::size_t>(1, bytes.size() - at + 1);
        pieces.push_back(bytes.substr(at, length));
        at += length;
    }
    RC_ASSERT(read_in_pieces(pieces, limits) == read_in_pieces({bytes}, limits));
}

RC_GTEST_PROP(MessageReader, GivesBackEveryMessageThatWasSent, ()) {
    const auto messages = *rc::gen::container<std::vector<std::string>>(
        rc::gen::container<std::string>(rc::gen::element('{', '}', '"', 'a', '\n')));
    std::string stream;
    for (const std::string &message : messages)
        stream += message + '\0';
    const Outcome outcome = read_in_pieces({stream}, {.bytes = 1 << 20, .depth = 1 << 20});
    RC_ASSERT(outcome.messages == messages);
    RC_ASSERT(!outcome.partial);
}

TEST(NestingDepth, CountsBracketsOutsideStrings) {
    const struct {
        std::string_view json;
        std::size_t depth;
    } cases[] = {
        {"", 0},          {"1", 0},        {"{}", 1},         {"{}{}", 1},         {"[{}]", 2},
        {"[[],[[]]]", 3}, {"\"[[\"", 0},   {"[\"]\",[]]", 2}, {"]]]]", 0},         {"]][", 1},
        {R"("\"[")", 0},  {R"("\\"[)", 1}, {"[[[[", 4},       {R"({"a":"}"})", 1}, {R"("\)", 0},
    };
    for (const auto &test : cases)
        EXPECT_EQ(nesting_depth(test.json), test.depth) << test.json;
}

} // namespace
} // namespace portd::proto
