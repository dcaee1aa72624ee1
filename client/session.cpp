#include "client/session.hpp"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <cerrno>

namespace portd::client {

void write_error(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno != EINTR)
            return;
        text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
}

void Session::remark(std::string_view text) {
    if (look().width) {
        output_.line(styled(text, Style::caution, look().color));
        return;
    }
    output_.flush();
    write_error(error_fd_, std::string(text) + "\n");
}

void Session::json_line(const nlohmann::json &object) {
    const bool on_terminal = look().width.has_value();
    output_.line(object.dump(-1, ' ', on_terminal, nlohmann::json::error_handler_t::replace));
}

void Session::error(std::string_view text) {
    write_error(error_fd_, "portd-ctl: " + std::string(text) + "\n");
}

} // namespace portd::client
