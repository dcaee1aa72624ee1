// Runs portd-ctl: from its arguments to its exit status.
#pragma once

#include "client/verb.hpp"

#include <span>

namespace portd::client {

struct Streams {
    int output = 1; // file descriptors
    int error = 2;
};

// Runs portd-ctl with the arguments, the first of which is its own name. Reads the environment:
// PORTD_SOCKET, PORTD_PAGER, PAGER, LESS, NO_COLOR, TERM, COLUMNS, LINES, TZ and the locale. Throws
// nothing.
ExitStatus run_command_line(std::span<const char *const> arguments, Streams streams);

} // namespace portd::client
