#include "client/session.hpp"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace portd::client {

void write_error(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno != EINTR)
            return;
        text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
}

void Session::print_wrapped(std::string_view text, Style style) {
    for (const std::string &line :
         look().width ? wrap(text, *look().width) : std::vector{std::string(text)})
        output_.line(styled(line, style, look().color));
}

void Session::sentence(std::string_view text) {
    wants_csv() ? remark(text) : print_wrapped(text, Style::plain);
}

void Session::remark(std::string_view text) {
    if (look().width && !wants_csv())
        return print_wrapped(text, Style::caution);
    output_.flush();
    write_error(error_fd_, std::string(text) + "\n");
}

void Session::hanging(std::string_view lead, std::size_t columns, std::string_view text) {
    constexpr std::size_t narrowest = 20;
    std::string before(lead);
    for (const std::string &part :
         look().width ? wrap(text, std::max(*look().width, columns + narrowest) - columns)
                      : std::vector{std::string(text)}) {
        output_.line(before + part);
        before.assign(columns, ' ');
    }
}

void Session::json_line(const nlohmann::json &object) {
    constexpr bool only_ascii = true;
    output_.line(object.dump(-1, ' ', only_ascii, nlohmann::json::error_handler_t::replace));
}

Progress Session::progress() const {
    return Progress(error_fd_, ::isatty(error_fd_) == 1 && !output_.has_pager());
}

void Session::table(std::vector<Column> columns, std::span<const Row> rows) {
    const Table table(std::move(columns), rows, look().width, look().charset);
    output_.line(table.heading(look().color));
    for (const Row &row : rows)
        output_.line(table.line(row, look().color));
}

void Session::error(std::string_view text) {
    write_error(error_fd_, "portd-ctl: " + std::string(text) + "\n");
}

} // namespace portd::client
