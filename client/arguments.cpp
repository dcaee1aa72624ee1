#include "client/arguments.hpp"

#include "client/suggest.hpp"
#include "client/usage_error.hpp"
#include "client/verbs.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string_view>
#include <vector>

namespace portd::client {
namespace {

constexpr const char *exit_statuses = R"(
Exit status:
  0  found
  1  asked correctly, and there is nothing to show
  2  asked wrongly
  3  portd does not run, refused, or the answer could not be read or written
  4  with --strict: the answer is incomplete, because portd was not watching all
     of the time, does not record the port, or may not show you everything

Environment:
  PORTD_SOCKET  the socket, where --socket is not given
  PORTD_PAGER   shows long answers on a terminal; else PAGER, else less
  LESS          options of less (default FRSXMK)
  NO_COLOR      if not empty: no color
  COLUMNS       width of the terminal; where there is none, nothing is cut

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
refused, 4 incomplete (with --strict).
)";

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
    app.add_flag("-V,--version", globals.version, "print the version");
}

void add_verb(CLI::App &app, const Verb &verb, Typed &typed) {
    CLI::App *command = app.add_subcommand(verb.name, verb.summary);
    command->group("Verbs");
    if (verb.port != PortArgument::none)
        add_text(*command, "PORT", typed.port, "", "the local port, 1 to 65535");
    if (verb.file != FileArgument::none)
        add_text(*command, "FILE", typed.file, "", "the log; none, or -: the standard input");
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
    for (const Verb *verb : verbs()) {
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

// In the help alone: where PORT is missing, unknown_option() and run know better what to say.
void show_required(CLI::App &app) {
    for (const Verb *verb : verbs())
        if (verb->port == PortArgument::required)
            app.get_subcommand(verb->name)->get_option("PORT")->required();
}

// "help [VERB]" as "[VERB] --help".
std::vector<const char *> help_as_option(std::span<const char *const> arguments) {
    std::vector<const char *> asked(arguments.begin(), arguments.end());
    if (asked.size() > 1 && std::string_view(asked[1]) == "help") {
        asked.erase(asked.begin() + 1);
        asked.push_back("--help");
    }
    return asked;
}

} // namespace

std::variant<Arguments, PrintAndExit> parse_arguments(std::span<const char *const> arguments,
                                                      Charset charset) {
    CLI::App app;
    Arguments parsed;
    describe_program(app);
    add_globals(app, parsed.globals);
    for (const Verb *verb : verbs())
        add_verb(app, *verb, parsed.typed);

    check_empty_values(arguments);
    const auto asked = help_as_option(arguments);
    try {
        app.parse(static_cast<int>(asked.size()), asked.data());
    } catch (const CLI::CallForHelp &) {
        show_required(app);
        std::string help = app.help();
        help.erase(help.find_last_not_of('\n') + 1);
        return PrintAndExit{std::move(help)};
    } catch (const CLI::ParseError &error) {
        throw UsageError{escape_text(error.what(), charset)};
    }
    const auto commands = app.get_subcommands();
    const CLI::App *command = commands.empty() ? nullptr : commands.front();
    check_leftovers(app, command);
    if (parsed.globals.version)
        return PrintAndExit{"portd-ctl " PORTD_VERSION};
    if (!command)
        throw UsageError{"a verb is missing; see portd-ctl --help"};
    parsed.verb = find_verb(command->get_name());
    if (parsed.verb->port == PortArgument::required && !parsed.typed.port)
        throw UsageError{std::string(parsed.verb->name) + " needs a PORT, such as portd-ctl " +
                         parsed.verb->name + " 60609"};
    return parsed;
}

} // namespace portd::client
