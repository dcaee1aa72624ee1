// The command line of portd(8).
#pragma once

#include "settings.hpp"

#include <variant>

namespace portd {

// The text to print (--help, --version) instead of running.
struct PrintAndExit {
    std::string text;
};

// Defaults, then the settings files, then the options. Throws SettingsError for what cannot be
// used.
std::variant<Settings, PrintAndExit> parse_command_line(int argc, const char *const *argv);

} // namespace portd
