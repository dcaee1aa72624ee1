// What stands behind an output: a terminal of some size, or a file or pipe.
#pragma once

#include "client/table.hpp"
#include "client/text.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace portd::client {

struct TerminalSize {
    std::size_t columns = 80;
    std::size_t rows = 24;
};

// The size of the terminal behind the descriptor, nothing if there is none. COLUMNS and LINES in
// the environment go before what the terminal says (TIOCGWINSZ, ioctl_tty(2)).
std::optional<TerminalSize> terminal_size(int fd);

enum class ColorMode { automatic, always, never };

// `automatic`: on a terminal, unless NO_COLOR is set and not empty (no-color.org) or TERM is
// "dumb".
Color choose_color(ColorMode mode, bool is_terminal);

// Sets the process's LC_CTYPE from the environment; whether that is UTF-8.
Charset use_locale_charset();

// The command for sh(1) that shows long output: PORTD_PAGER, else PAGER, else less if it is
// installed. Nothing if the first of them that is set is empty or "cat", or there is no less.
std::optional<std::string> pager_command();

} // namespace portd::client
