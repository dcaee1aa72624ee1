#include "client/command_line.hpp"

#include "client/connection.hpp"
#include "client/option_reader.hpp"
#include "client/output.hpp"
#include "client/suggest.hpp"
#include "client/terminal.hpp"

#include <CLI/CLI.hpp>

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portd::client {
namespace {

constexpr const char *default_socket = "/run/portd/io.portd.Ports";
constexpr const char *default_timeout = "30s";
// Of --timeout: what both poll(2) and SO_SNDTIMEO can hold with ease.
constexpr std::int64_t longest_timeout_us = 7LL * 24 * 3'600 * 1'000'000;

constexpr std::array<const Verb *, 5> all_verbs{&history_verb, &who_verb, &list_verb, &explain_verb,
                                                &status_verb};

constexpr const char *exit_statuses = R"(
Exit status:
  0  found
  1  asked correctly, and there is nothing to show
  2  asked wrongly
  3  portd does not run, refused, or the answer could not be read or written

Environment:
  PORTD_SOCKET  the socket, where --socket is not given
  PAGER         shows long answers on a terminal (default: less -FRSX)
  NO_COLOR      if not empty: no color

Examples:
  portd-ctl history 60609 --at '2026-11-22 03:12:05'
  portd-ctl who 8080
  portd-ctl explain 60609
  portd-ctl list --json | jq .opener
)";

constexpr const char *global_options_pointer = R"(
Global options, before or after the verb: --socket, --timeout, --json, --utc,
--color, --no-pager; see portd-ctl --help.

Exit status: 0 found, 1 nothing to show, 2 asked wrongly, 3 portd does not run or
refused.
)";

// The global options as they were typed.
struct TypedGlobals {
    std::optional<std::string> socket;
    std::optional<std::string> timeout;
    std::optional<std::string> color;
    bool json = false;
    bool utc = false;
    bool no_pager = false;
    bool version = false;
};

// A mistake in the command line; the message says what to do.
struct UsageError {
    std::string message;
};

// ---- Parsing

// CLI11's own conversions take an empty text for an absent one, which would widen a question.
CLI::Option *add_text(CLI::App &app, const std::string &names, std::optional<std::string> &target,
                      const char *value, const std::string &meaning) {
    return app
        .add_option_function<std::string>(
            names, [&target](const std::string &text) { target = text; }, meaning)
        ->type_name(value);
}

void add_globals(CLI::App &app, TypedGlobals &globals) {
    add_text(app, "--socket", globals.socket, "PATH",
             std::string("socket of portd (default ") + default_socket + ")");
    add_text(app, "--timeout", globals.timeout, "SPAN",
             std::string("how long to wait for an answer (default ") + default_timeout + ")");
    app.add_flag("--json", globals.json, "print the objects of the wire, one on a line");
    app.add_flag("--utc", globals.utc, "times are in UTC, those you give and those you get");
    add_text(app, "--color", globals.color, "auto|always|never", "use color (default auto)");
    app.add_flag("--no-pager", globals.no_pager, "do not use a pager");
    app.add_flag("--version", globals.version, "print the version");
}

void add_verb(CLI::App &app, const Verb &verb, Typed &typed) {
    CLI::App *command = app.add_subcommand(verb.name, verb.summary);
    command->group("Verbs");
    if (verb.port != PortArgument::none)
        add_text(*command, "PORT", typed.port, "", "the local port, 1 to 65535");
    for (const VerbOption &option : verb.options) {
        if (const auto *text = std::get_if<std::optional<std::string> Typed::*>(&option.target))
            add_text(*command, option.names, typed.*(*text), option.value, option.meaning);
        else
            command->add_flag(option.names, typed.*(std::get<bool Typed::*>(option.target)),
                              option.meaning);
    }
    command->footer(std::string(verb.notes) + global_options_pointer);
}

std::vector<std::string> option_names(const CLI::App &app) {
    std::vector<std::string> names;
    for (const CLI::Option *option : app.get_options())
        for (const std::string &name : option->get_lnames())
            names.push_back("--" + name);
    return names;
}

std::string unknown_option(const CLI::App &root, const CLI::App *command, std::string typed) {
    typed = typed.substr(0, typed.find('='));
    std::vector<std::string> known = option_names(root);
    if (command)
        for (const std::string &name : option_names(*command))
            known.push_back(name);
    const auto meant = nearest_word(typed, known);
    if (meant && *meant != typed)
        return "unknown option " + in_quotes(typed) + "; did you mean '" + *meant + "'?";

    for (const CLI::App *other : root.get_subcommands({})) {
        const auto names = option_names(*other);
        const bool has_it = std::find(names.begin(), names.end(), typed) != names.end();
        if (has_it && other != command)
            return "unknown option " + in_quotes(typed) + (command ? " here" : " without a verb") +
                   "; '" + other->get_name() + "' has it";
    }
    return "unknown option " + in_quotes(typed) + "; see portd-ctl " +
           (command ? command->get_name() + " " : "") + "--help";
}

std::string unknown_verb(const std::string &typed) {
    std::vector<std::string> known;
    std::string all;
    for (const Verb *verb : all_verbs) {
        known.emplace_back(verb->name);
        all += (all.empty() ? "" : ", ") + known.back();
    }
    const auto meant = nearest_word(typed, known);
    return "unknown verb " + in_quotes(typed) + "; " +
           (meant ? "did you mean '" + *meant + "'?" : "there are " + all);
}

// What no verb and no option took.
void check_leftovers(const CLI::App &root, const CLI::App *command) {
    const std::vector<std::string> left = root.remaining(true);
    for (const std::string &argument : left)
        if (argument.size() > 1 && argument[0] == '-' && argument != "--")
            throw UsageError{unknown_option(root, command, argument)};
    for (const std::string &argument : left) {
        if (argument == "--")
            continue;
        if (!command)
            throw UsageError{unknown_verb(argument)};
        throw UsageError{in_quotes(argument) + " is one argument too many; see portd-ctl " +
                         command->get_name() + " --help"};
    }
}

// "--at=" would make CLI11 take the next argument for the value.
void check_empty_values(std::span<const char *const> arguments) {
    for (const std::string_view argument :
         arguments.subspan(std::min<std::size_t>(1, arguments.size())))
        if (argument.starts_with("--") && argument.ends_with('=') &&
            argument.find('=') == argument.size() - 1)
            throw UsageError{in_quotes(argument) + " has no value; write one after the '='"};
}

// ---- The environment of a run

// While it lives, local time is UTC.
class UtcZone {
  public:
    UtcZone() {
        if (const char *tz = std::getenv("TZ"))
            saved_ = tz;
        ::setenv("TZ", "UTC0", 1);
        ::tzset();
    }
    ~UtcZone() {
        if (saved_)
            ::setenv("TZ", saved_->c_str(), 1);
        else
            ::unsetenv("TZ");
        ::tzset();
    }
    UtcZone(const UtcZone &) = delete;
    UtcZone &operator=(const UtcZone &) = delete;

  private:
    std::optional<std::string> saved_;
};

std::int64_t now_usec() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string read_socket(const TypedGlobals &typed) {
    std::string path = default_socket;
    if (const char *variable = std::getenv("PORTD_SOCKET"); variable && *variable != '\0')
        path = variable;
    path = typed.socket.value_or(path);
    if (path.empty() || path.size() > longest_socket_path)
        throw UsageError{"--socket " + in_quotes(path) + ": give a path of 1 to " +
                         std::to_string(longest_socket_path) + " bytes"};
    return path;
}

ColorMode read_color(const TypedGlobals &typed) {
    static const std::array<std::string, 3> words{"auto", "always", "never"};
    const std::string text = typed.color.value_or(words[0]);
    if (text == words[0])
        return ColorMode::automatic;
    if (text == words[1])
        return ColorMode::always;
    if (text == words[2])
        return ColorMode::never;
    const auto meant = nearest_word(text, words);
    throw UsageError{"--color " + in_quotes(text) + ": give auto, always or never" +
                     (meant ? "; did you mean '" + *meant + "'?" : "")};
}

std::chrono::microseconds read_timeout(const TypedGlobals &typed, std::int64_t now) {
    OptionReader reader(now);
    const auto span = reader.span("--timeout", typed.timeout.value_or(default_timeout));
    if (reader.error())
        throw UsageError{*reader.error()};
    if (*span == 0)
        throw UsageError{"--timeout " + in_quotes(*typed.timeout) + ": give a span above 0"};
    return std::chrono::microseconds(std::min(*span, longest_timeout_us));
}

Session::Settings read_settings(const TypedGlobals &typed, std::optional<TerminalSize> terminal,
                                Charset charset) {
    Session::Settings settings;
    settings.now_usec = now_usec();
    settings.socket_path = read_socket(typed);
    settings.timeout = read_timeout(typed, settings.now_usec);
    settings.format = typed.json ? Format::json : Format::text;
    settings.look.charset = charset;
    settings.look.color = choose_color(read_color(typed), terminal.has_value());
    if (terminal)
        settings.look.width = terminal->columns;
    return settings;
}

std::optional<Output::Pager> choose_pager(const TypedGlobals &typed,
                                          std::optional<TerminalSize> terminal) {
    const auto command = terminal && !typed.no_pager ? pager_command() : std::nullopt;
    return command ? std::optional(Output::Pager{*command, terminal->rows}) : std::nullopt;
}

// ---- Running

constexpr ExitStatus broken_pipe = static_cast<ExitStatus>(128 + 13); // as a shell shows SIGPIPE

ExitStatus run_verb(const Verb &verb, const Typed &typed, const TypedGlobals &globals,
                    Charset charset, Streams streams) {
    const auto terminal = terminal_size(streams.output);
    Session::Settings settings = read_settings(globals, terminal, charset);
    Output output(streams.output, choose_pager(globals, terminal));
    Session session(std::move(settings), output, streams.error);
    try {
        const ExitStatus status = verb.run(typed, session);
        output.finish();
        return status;
    } catch (const OutputClosed &) {
        if (!output.has_pager())
            return broken_pipe;
        // Its reader has seen enough, unless it could not be run.
        output.finish();
        return ExitStatus::found;
    } catch (const ServiceError &error) {
        output.finish();
        session.error(error.what());
        return ExitStatus::unavailable;
    }
}

ExitStatus print(std::string_view text, Streams streams) {
    Output output(streams.output, std::nullopt);
    output.line(text);
    output.finish();
    return ExitStatus::found;
}

void describe_program(CLI::App &app) {
    app.name("portd-ctl");
    app.description("Tells which processes held which ports, and when.");
    app.footer(exit_statuses);
    app.get_formatter()->column_width(28);
    app.get_formatter()->label("SUBCOMMAND", "VERB");
    // Global options may come after the verb, and what nobody takes is reported with a suggestion.
    app.fallthrough();
    app.allow_extras();
    app.require_subcommand(0, 1);
}

const Verb *find_verb(const CLI::App &app) {
    const auto commands = app.get_subcommands();
    if (commands.empty())
        return nullptr;
    const auto found = std::find_if(all_verbs.begin(), all_verbs.end(), [&](const Verb *verb) {
        return verb->name == commands.front()->get_name();
    });
    return *found;
}

ExitStatus parse_and_run(std::span<const char *const> arguments, Streams streams) {
    const Charset charset = use_locale_charset();
    CLI::App app;
    Typed typed;
    TypedGlobals globals;
    describe_program(app);
    add_globals(app, globals);
    for (const Verb *verb : all_verbs)
        add_verb(app, *verb, typed);

    check_empty_values(arguments);
    try {
        app.parse(static_cast<int>(arguments.size()), arguments.data());
    } catch (const CLI::CallForHelp &) {
        std::string help = app.help();
        help.erase(help.find_last_not_of('\n') + 1);
        return print(help, streams);
    } catch (const CLI::ParseError &error) {
        throw UsageError{escape_text(error.what(), charset)};
    }
    const Verb *verb = find_verb(app);
    check_leftovers(app, verb ? app.get_subcommands().front() : nullptr);
    if (globals.version)
        return print("portd-ctl " PORTD_VERSION, streams);
    if (!verb)
        throw UsageError{"a verb is missing; see portd-ctl --help"};
    if (verb->port == PortArgument::required && !typed.port)
        throw UsageError{std::string(verb->name) + " needs a PORT, such as portd-ctl " +
                         verb->name + " 60609"};

    std::optional<UtcZone> utc;
    if (globals.utc)
        utc.emplace();
    return run_verb(*verb, typed, globals, charset, streams);
}

} // namespace

std::span<const Verb *const> verbs() {
    return all_verbs;
}

ExitStatus run_command_line(std::span<const char *const> arguments, Streams streams) {
    try {
        return parse_and_run(arguments, streams);
    } catch (const UsageError &error) {
        write_error(streams.error, "portd-ctl: " + error.message + "\n");
        return ExitStatus::usage;
    } catch (const OutputClosed &) {
        return broken_pipe;
    } catch (const std::exception &error) {
        write_error(streams.error, std::string("portd-ctl: ") + error.what() + "\n");
        return ExitStatus::unavailable;
    }
}

} // namespace portd::client
