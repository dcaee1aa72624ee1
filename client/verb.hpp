// What a verb of portd-ctl is: its options as a table, and a function that answers.
#pragma once

#include "client/session.hpp"

#include <optional>
#include <span>
#include <string>
#include <variant>

namespace portd::client {

enum class ExitStatus : int {
    found = 0,
    nothing = 1,     // asked correctly, and there is nothing to show
    usage = 2,       // asked wrongly
    unavailable = 3, // no daemon, or it refused, or the answer could not be written
};

// The options of all verbs as they were typed. Verbs read them with an OptionReader.
struct Typed {
    std::optional<std::string> port;
    std::optional<std::string> at;
    std::optional<std::string> within;
    std::optional<std::string> since;
    std::optional<std::string> until;
    std::optional<std::string> protocol;
    std::optional<std::string> pid;
    std::optional<std::string> limit;
    std::optional<std::string> output;
    bool reverse = false;
    bool accepted = false;
};

struct VerbOption {
    const char *names; // "--since", "-o,--output"
    const char *value; // what stands for the value in the help; nothing for a flag
    const char *meaning;
    std::variant<std::optional<std::string> Typed::*, bool Typed::*> target;
};

// What the positional argument PORT is to a verb.
enum class PortArgument { none, optional, required };

struct Verb {
    const char *name;
    const char *summary;
    PortArgument port;
    std::span<const VerbOption> options;
    const char *notes; // after the options in its help: what is shown, and examples
    ExitStatus (*run)(const Typed &typed, Session &session);
};

extern const Verb history_verb;
extern const Verb who_verb;
extern const Verb list_verb;
extern const Verb explain_verb;
extern const Verb status_verb;

} // namespace portd::client
