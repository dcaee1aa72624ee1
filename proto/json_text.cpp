#include "proto/json_text.hpp"

#include "proto/utf8.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>

namespace portd::proto {
namespace {

bool is_plain(char byte) {
    const auto code = static_cast<unsigned char>(byte);
    return code >= 0x20 && code < 0x7f && code != '"' && code != '\\';
}

// As to_utf8() has it, of which the backslash is escaped in turn.
void append_byte(std::string &out, char byte) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "\\\\x%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(byte)));
    out += text.data();
}

// In UTF-16, as JSON has it.
void append_escape(std::string &out, char32_t code) {
    std::array<char, 16> text{};
    if (code > 0xffff)
        std::snprintf(text.data(), text.size(), "\\u%04x\\u%04x",
                      static_cast<unsigned>(0xd7c0 + (code >> 10U)),
                      static_cast<unsigned>(0xdc00 + (code & 0x3ffU)));
    else
        std::snprintf(text.data(), text.size(), "\\u%04x", static_cast<unsigned>(code));
    out += text.data();
}

} // namespace

void append_quoted(std::string &out, std::string_view text, Escaped escaped) {
    out += '"';
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && is_plain(text[plain]))
            ++plain;
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty())
            break;
        const Character character = first_character(text);
        if (!character.valid)
            append_byte(out, text.front());
        else if (character.code < 0x20)
            append_escape(out, character.code);
        else if (character.code >= 0x7f && escaped == Escaped::all_but_ascii)
            append_escape(out, character.code);
        else if (character.code >= 0x7f)
            out += text.substr(0, character.bytes);
        else
            (out += '\\') += text.front();
        text.remove_prefix(character.bytes);
    }
    out += '"';
}

void append_integer(std::string &out, std::int64_t value) {
    std::array<char, 20> digits{}; // and the sign
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

} // namespace portd::proto
