// A mistake in the command line; the message says what to do.
#pragma once

#include <string>

namespace portd::client {

struct UsageError {
    std::string message;
};

} // namespace portd::client
