// UTF-8 by table 3-7 of the Unicode standard: neither overlong, nor a surrogate, nor beyond
// U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace portd::proto {

struct Character {
    char32_t code = 0;
    std::size_t bytes = 1;
    bool valid = false; // otherwise it is a byte that belongs to no character
};

// Of a text that is not empty.
Character first_character(std::string_view text);

// The text, with "\xff" for each byte that belongs to no character. Names of programs are bytes,
// and JSON has only characters: so they stay apart from each other, and readable.
std::string to_utf8(std::string_view text);

} // namespace portd::proto
