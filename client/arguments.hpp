// The command line: what was typed, sorted into a verb and options, and mistakes explained.
#pragma once

#include "client/global_options.hpp"
#include "client/text.hpp"
#include "client/verb.hpp"

#include <span>
#include <string>
#include <variant>

namespace portd::client {

struct Arguments {
    const Verb *verb = nullptr;
    Typed typed;
    TypedGlobals globals;
};

// The answer to --help and --version.
struct PrintAndExit {
    std::string text;
};

// The first of the arguments is the program's own name. Throws UsageError.
std::variant<Arguments, PrintAndExit> parse_arguments(std::span<const char *const> arguments,
                                                      Charset charset);

} // namespace portd::client
