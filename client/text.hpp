// Text from outside made safe to print, and its width on a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace portd::client {

// What the terminal can show: only printable ASCII, or any printable UTF-8.
enum class Charset { ascii, utf8 };

// The text with everything that could move the cursor, recolour, reorder or hide what follows
// replaced by its escape: \x1b for a control byte or a byte that is not UTF-8, \u202e for a
// character. Escaped are control characters, format characters (among them all bidirectional
// controls), characters that wcwidth(3) calls unprintable, combining characters with nothing to
// combine with, and, for Charset::ascii, everything outside ASCII. A backslash stays as it is,
// since names of systemd units hold them: the result is safe to print, but does not tell ESC from
// the four characters "\x1b".
//
// wcwidth needs a UTF-8 LC_CTYPE; in another locale everything outside ASCII is escaped.
std::string escape_text(std::string_view text, Charset charset);

// 'text', escaped, for messages that repeat what was given.
std::string in_quotes(std::string_view text);

// "1 lease", "2 leases": a noun that takes an s.
std::string counted(std::int64_t count, std::string_view noun);

// Columns that an escaped text takes on a terminal.
std::size_t display_width(std::string_view escaped);

// An escaped text in at most `width` columns, with an ellipsis where something was left out. A
// width of 0 gives nothing.
std::string cut_end(std::string_view escaped, std::size_t width, Charset charset);
std::string cut_middle(std::string_view escaped, std::size_t width, Charset charset);

// An escaped text in lines of at most `width` columns, broken at blanks where there are any. Styles
// (table.hpp) take no columns, and only words without them are broken.
std::vector<std::string> wrap(std::string_view escaped, std::size_t width);

} // namespace portd::client
