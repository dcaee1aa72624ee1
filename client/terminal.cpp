#include "client/terminal.hpp"

#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace portd::client {
namespace {

std::string_view environment(const char *name) {
    const char *value = std::getenv(name);
    return value ? std::string_view(value) : std::string_view();
}

// A positive number from the environment, else the fallback.
std::size_t size_from(const char *name, std::size_t fallback) {
    const std::string_view text = environment(name);
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    return is_number && value > 0 && value <= 10'000 ? value : fallback;
}

bool is_installed(std::string_view program) {
    std::string_view path = environment("PATH");
    while (!path.empty()) {
        const std::size_t colon = path.find(':');
        const std::string file = std::string(path.substr(0, colon)).append("/").append(program);
        if (::access(file.c_str(), X_OK) == 0)
            return true;
        path.remove_prefix(colon == std::string_view::npos ? path.size() : colon + 1);
    }
    return false;
}

} // namespace

std::optional<TerminalSize> terminal_size(int fd) {
    if (::isatty(fd) == 0)
        return std::nullopt;
    TerminalSize size;
    winsize window{};
    if (::ioctl(fd, TIOCGWINSZ, &window) == 0) {
        size.columns = window.ws_col > 0 ? window.ws_col : size.columns;
        size.rows = window.ws_row > 0 ? window.ws_row : size.rows;
    }
    return TerminalSize{size_from("COLUMNS", size.columns), size_from("LINES", size.rows)};
}

Color choose_color(ColorMode mode, bool is_terminal) {
    switch (mode) {
    case ColorMode::always:
        return Color::on;
    case ColorMode::never:
        return Color::off;
    case ColorMode::automatic:
        break;
    }
    const bool refused = !environment("NO_COLOR").empty() || environment("TERM") == "dumb";
    return is_terminal && !refused ? Color::on : Color::off;
}

Charset use_locale_charset() {
    const bool known = ::setlocale(LC_CTYPE, "") != nullptr;
    return known && std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0 ? Charset::utf8
                                                                      : Charset::ascii;
}

std::optional<std::string> pager_command() {
    for (const char *name : {"PORTD_PAGER", "PAGER"})
        if (const char *pager = std::getenv(name)) {
            if (*pager == '\0' || std::strcmp(pager, "cat") == 0)
                return std::nullopt;
            return pager;
        }
    return is_installed("less") ? std::optional<std::string>("less") : std::nullopt;
}

} // namespace portd::client
