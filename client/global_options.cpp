#include "client/global_options.hpp"

#include "client/connection.hpp"
#include "client/option_reader.hpp"
#include "client/suggest.hpp"
#include "client/usage_error.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace portd::client {
namespace {

// Of --timeout: what both poll(2) and SO_SNDTIMEO can hold with ease.
constexpr std::int64_t longest_timeout_us = 7LL * 24 * 3'600 * 1'000'000;

// See clock_getres(2).
std::int64_t boot_usec() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
}

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

Format read_format(const TypedGlobals &typed, const std::optional<std::string> &form) {
    if (typed.json && form && *form != "json")
        throw UsageError{"--json excludes --output " + in_quotes(*form) + "; give one of them"};
    if (typed.json || form == "json")
        return Format::json;
    return form == "csv" ? Format::csv : Format::text;
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

} // namespace

Session::Settings read_settings(const TypedGlobals &typed, const std::optional<std::string> &form,
                                std::optional<TerminalSize> terminal, Charset charset) {
    Session::Settings settings;
    settings.now_usec = now_usec();
    settings.clock_offset_usec = settings.now_usec - boot_usec();
    settings.socket_path = read_socket(typed);
    settings.timeout = read_timeout(typed, settings.now_usec);
    settings.format = read_format(typed, form);
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

UtcZone::UtcZone() {
    if (const char *tz = std::getenv("TZ"))
        saved_ = tz;
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
}

UtcZone::~UtcZone() {
    if (saved_)
        ::setenv("TZ", saved_->c_str(), 1);
    else
        ::unsetenv("TZ");
    ::tzset();
}

} // namespace portd::client
