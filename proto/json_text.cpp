#include "proto/json_text.hpp"

#include "proto/utf8.hpp"

#include <array>
#include <cstdio>

namespace portd::proto {
namespace {

bool is_plain(char byte) {
    const auto code = static_cast<unsigned char>(byte);
    return code >= 0x20 && code < 0x80 && code != '"' && code != '\\';
}

void append_escape(std::string &out, const char *format, char byte) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), format,
                  static_cast<unsigned>(static_cast<unsigned char>(byte)));
    out += text.data();
}

} // namespace

void append_quoted(std::string &out, std::string_view text) {
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
            append_escape(out, "\\\\x%02x", text.front());
        else if (character.bytes > 1)
            out += text.substr(0, character.bytes);
        else if (character.code < 0x20)
            append_escape(out, "\\u%04x", text.front());
        else
            (out += '\\') += text.front();
        text.remove_prefix(character.bytes);
    }
    out += '"';
}

} // namespace portd::proto
