#include "client/text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <locale.h>

namespace portd::client {
namespace {

class Text : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
};

bool is_utf8(const std::string &text) {
    try {
        return !nlohmann::json(text).dump().empty();
    } catch (const nlohmann::json::type_error &) {
        return false;
    }
}

bool has_control_byte(const std::string &text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

TEST_F(Text, LinesAreBrokenAtBlanksWhereTheyCan) {
    using Lines = std::vector<std::string>;
    EXPECT_EQ(wrap("", 5), Lines{""});
    EXPECT_EQ(wrap("ab cd", 5), Lines{"ab cd"});
    EXPECT_EQ(wrap("ab cd ef", 5), (Lines{"ab cd", "ef"}));
    EXPECT_EQ(wrap("abcdefghijkl m", 5), (Lines{"abcde", "fghij", "kl m"}));
    EXPECT_EQ(wrap("ab cdefghij", 5), (Lines{"ab", "cdefg", "hij"}));
    EXPECT_EQ(wrap("\x1b[32mabcde\x1b[0m fg", 5), (Lines{"\x1b[32mabcde\x1b[0m", "fg"}));
    EXPECT_EQ(wrap("\u4f60\u597d\u4f60", 5), (Lines{"\u4f60\u597d", "\u4f60"}));
}

RC_GTEST_FIXTURE_PROP(Text, WrappingKeepsEveryCharacterWithinTheWidth,
                      (const std::string &text, unsigned char width)) {
    const std::string escaped = escape_text(text, Charset::utf8);
    const std::size_t columns = std::max<std::size_t>(width % 40, 2);
    std::string kept;
    for (const std::string &line : wrap(escaped, columns)) {
        RC_ASSERT(display_width(line) <= columns);
        kept += line;
    }
    const auto bare = [](std::string one) {
        std::erase(one, ' ');
        return one;
    };
    RC_ASSERT(bare(kept) == bare(escaped));
}

TEST_F(Text, WhatCouldDeceiveIsEscaped) {
    const struct {
        std::string given;
        std::string utf8;
        std::string ascii;
    } cases[] = {
        {"curl", "curl", "curl"},
        {"a b", "a b", "a b"},
        {R"(dev-disk\x2dby)", R"(dev-disk\x2dby)", R"(dev-disk\x2dby)"},
        {"\x1b[2J", R"(\x1b[2J)", R"(\x1b[2J)"},
        {std::string("a\0b", 3), R"(a\x00b)", R"(a\x00b)"},
        {"a\nb\r\t\x7f", R"(a\x0ab\x0d\x09\x7f)", R"(a\x0ab\x0d\x09\x7f)"},
        {"caf\u00e9", "caf\u00e9", R"(caf\u00e9)"},
        {"\u0441\u0435\u0440\u0432", "\u0441\u0435\u0440\u0432", R"(\u0441\u0435\u0440\u0432)"},
        {"\u202egpj", R"(\u202egpj)", R"(\u202egpj)"},
        {"a\u2066b\u2069", R"(a\u2066b\u2069)", R"(a\u2066b\u2069)"},
        {"a\u200bb\ufeff", R"(a\u200bb\ufeff)", R"(a\u200bb\ufeff)"},
        {"\u009b31m", R"(\u009b31m)", R"(\u009b31m)"},
        {"\U000e0041", R"(\U000e0041)", R"(\U000e0041)"},
        {"e\u0301", "e\u0301", R"(e\u0301)"},
        {"\u0301x", R"(\u0301x)", R"(\u0301x)"},
        {"\xff\xfe", R"(\xff\xfe)", R"(\xff\xfe)"},
        {"\xc0\xaf", R"(\xc0\xaf)", R"(\xc0\xaf)"},
        {"\xed\xa0\x80", R"(\xed\xa0\x80)", R"(\xed\xa0\x80)"},
        {"\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)", R"(\xf4\x90\x80\x80)"},
        {"ab\xe2\x82", R"(ab\xe2\x82)", R"(ab\xe2\x82)"},
    };
    for (const auto &c : cases) {
        EXPECT_EQ(escape_text(c.given, Charset::utf8), c.utf8);
        EXPECT_EQ(escape_text(c.given, Charset::ascii), c.ascii);
    }
}

RC_GTEST_FIXTURE_PROP(Text, EscapedTextIsPrintable, (const std::string &given)) {
    const std::string utf8 = escape_text(given, Charset::utf8);
    RC_ASSERT(!has_control_byte(utf8));
    RC_ASSERT(is_utf8(utf8));
    RC_ASSERT(escape_text(utf8, Charset::utf8) == utf8);
    const std::string ascii = escape_text(given, Charset::ascii);
    RC_ASSERT(!has_control_byte(ascii));
    RC_ASSERT(std::all_of(ascii.begin(), ascii.end(),
                          [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
    RC_ASSERT(display_width(ascii) == ascii.size());
}

// Of bytes that make up UTF-8 more often than random ones do.
RC_GTEST_FIXTURE_PROP(Text, EscapedTextIsPrintableNearUtf8, ()) {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "a", "\x1b", "\xe2", "\x80", "\xae", "\xe2\x80\xae", "\xf0\x9f\x98\x80", "\xcc\x81", "\xc2",
        "\x9b", "\xed\xa0\x80", "\xf3\xa0\x81\x81"));
    std::string given;
    for (const std::string &piece : pieces)
        given += piece;
    const std::string escaped = escape_text(given, Charset::utf8);
    RC_ASSERT(!has_control_byte(escaped));
    RC_ASSERT(is_utf8(escaped));
    RC_ASSERT(escaped.find("\xe2\x80\xae") == std::string::npos);
    RC_ASSERT(escaped.find("\xc2\x9b") == std::string::npos);
    RC_ASSERT(escape_text(escaped, Charset::utf8) == escaped);
}

TEST_F(Text, WidthIsThatOfTheTerminal) {
    EXPECT_EQ(display_width("curl"), 4U);
    EXPECT_EQ(display_width("caf\u00e9"), 4U);
    EXPECT_EQ(display_width("e\u0301"), 1U);
    EXPECT_EQ(display_width("\u4e2d\u6587"), 4U);
    EXPECT_EQ(display_width(""), 0U);
}

TEST_F(Text, CutsWithAnEllipsis) {
    EXPECT_EQ(cut_end("abcdef", 6, Charset::utf8), "abcdef");
    EXPECT_EQ(cut_end("abcdef", 4, Charset::utf8), "abc…");
    EXPECT_EQ(cut_end("abcdef", 4, Charset::ascii), "ab..");
    EXPECT_EQ(cut_end("abcdef", 1, Charset::ascii), ".");
    EXPECT_EQ(cut_end("abcdef", 0, Charset::utf8), "");
    EXPECT_EQ(cut_end("\u4e2d\u6587\u5b57", 4, Charset::utf8), "\u4e2d…");
    EXPECT_EQ(cut_end("e\u0301e\u0301e\u0301", 2, Charset::utf8), "e\u0301…");
    EXPECT_EQ(cut_middle("[2001:db8::1234:5678]:60609", 15, Charset::utf8), "[2001:d…]:60609");
    EXPECT_EQ(cut_middle("abcdefgh", 5, Charset::ascii), "a..gh");
}

RC_GTEST_FIXTURE_PROP(Text, CutTextFits, (const std::string &given)) {
    const auto width = *rc::gen::inRange<std::size_t>(0, 40);
    for (const Charset charset : {Charset::ascii, Charset::utf8}) {
        const std::string text = escape_text(given, charset);
        for (const std::string &cut :
             {cut_end(text, width, charset), cut_middle(text, width, charset)}) {
            RC_ASSERT(display_width(cut) <= width);
            RC_ASSERT(is_utf8(cut));
            RC_ASSERT(display_width(text) > width || cut == text);
        }
    }
}

TEST_F(Text, InAPlainLocaleNothingIsTakenForPrintable) {
    ASSERT_NE(::setlocale(LC_CTYPE, "C"), nullptr);
    EXPECT_EQ(escape_text("caf\u00e9", Charset::utf8), R"(caf\u00e9)");
}

TEST_F(Text, NounsAgreeWithTheirNumbers) {
    EXPECT_EQ(counted(0, "lease"), "0 leases");
    EXPECT_EQ(counted(1, "lease"), "1 lease");
    EXPECT_EQ(counted(2, "lease"), "2 leases");
}

} // namespace
} // namespace portd::client
