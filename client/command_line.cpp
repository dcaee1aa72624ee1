#include "client/command_line.hpp"

#include "client/arguments.hpp"
#include "client/connection.hpp"
#include "client/output.hpp"
#include "client/terminal.hpp"
#include "client/usage_error.hpp"

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace portd::client {
namespace {

constexpr ExitStatus broken_pipe = static_cast<ExitStatus>(128 + 13); // as a shell shows SIGPIPE

ExitStatus run_verb(const Arguments &arguments, Charset charset, Streams streams) {
    const auto terminal = terminal_size(streams.output);
    Session::Settings settings =
        read_settings(arguments.globals, arguments.typed.output, terminal, charset);
    Output output(streams.output, choose_pager(arguments.globals, terminal));
    Session session(std::move(settings), output, streams.error);
    try {
        const ExitStatus status = arguments.verb->run(arguments.typed, session);
        output.finish();
        return status;
    } catch (const OutputClosed &) {
        if (!output.has_pager())
            return broken_pipe;
        // Its reader has seen enough, unless it could not be run.
        output.finish();
        return ExitStatus::found;
    } catch (const RefusedValue &error) {
        output.finish();
        session.error(error.what());
        return ExitStatus::usage;
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

ExitStatus parse_and_run(std::span<const char *const> typed, Streams streams) {
    const Charset charset = use_locale_charset();
    const auto parsed = parse_arguments(typed, charset);
    if (const auto *text = std::get_if<PrintAndExit>(&parsed))
        return print(text->text, streams);
    const auto &arguments = std::get<Arguments>(parsed);
    std::optional<UtcZone> utc;
    if (arguments.globals.utc)
        utc.emplace();
    return run_verb(arguments, charset, streams);
}

} // namespace

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
