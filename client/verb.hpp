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
    incomplete = 4,  // not known; with --strict: what is shown may not be all
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
    std::optional<std::string> executable;
    std::optional<std::string> command;
    std::optional<std::string> user;
    std::optional<std::string> unit;
    std::optional<std::string> container;
    std::optional<std::string> network_namespace;
    std::optional<std::string> peer;
    std::optional<std::string> local;
    std::optional<std::string> role;
    std::optional<std::string> outcome;
    std::optional<std::string> shorter_than;
    std::optional<std::string> longer_than;
    std::optional<std::string> limit;
    std::optional<std::string> cursor;
    std::optional<std::string> output;
    std::optional<std::string> by;
    std::optional<std::string> over;
    std::optional<std::string> range;
    std::optional<std::string> sort;
    std::optional<std::string> state_dir;
    std::optional<std::string> file;
    std::optional<std::string> log_format;
    bool reverse = false;
    bool show_cursor = false;
    bool accepted = false;
    bool strict = false;
    std::optional<std::string> after_cursor;
    std::optional<std::string> cursor_file;
    std::optional<std::string> schema;
    bool follow = false;
};

// Found, or nothing; with --strict, incomplete where the answer was.
inline ExitStatus status_of(bool found, bool complete, const Typed &typed) {
    if (typed.strict && !complete)
        return ExitStatus::incomplete;
    return found ? ExitStatus::found : ExitStatus::nothing;
}

struct VerbOption {
    const char *names; // "--since", "-o,--output"
    const char *value; // what stands for the value in the help; nothing for a flag
    const char *meaning;
    std::variant<std::optional<std::string> Typed::*, bool Typed::*> target;
};

// Options that mean the same to several verbs.
inline constexpr VerbOption output_option{
    "-o,--output", "FORM", "short, wide, verbose, json or csv (default short)", &Typed::output};
inline constexpr VerbOption strict_option{
    "--strict", nullptr, "exit with 4 if the answer is incomplete", &Typed::strict};

// What the positional argument PORT is to a verb.
enum class PortArgument { none, optional, required };
// What FILE is.
enum class FileArgument { none, optional };

struct Verb {
    const char *name;
    const char *summary;
    PortArgument port;
    std::span<const VerbOption> options;
    const char *notes; // after the options in its help: what is shown, and examples
    ExitStatus (*run)(const Typed &typed, Session &session);
    FileArgument file = FileArgument::none;
};

extern const Verb history_verb;
extern const Verb who_verb;
extern const Verb list_verb;
extern const Verb watch_verb;
extern const Verb export_verb;
extern const Verb audit_verb;
extern const Verb explain_verb;
extern const Verb why_verb;
extern const Verb conflicts_verb;
extern const Verb pressure_verb;
extern const Verb map_verb;
extern const Verb status_verb;
extern const Verb metrics_verb;
extern const Verb attribute_verb;
extern const Verb verify_verb;
extern const Verb doctor_verb;

} // namespace portd::client
