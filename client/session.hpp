// What every verb works with: the global options, the way to the daemon, and the ways out.
#pragma once

#include "client/connection.hpp"
#include "client/output.hpp"
#include "client/progress.hpp"
#include "client/table.hpp"
#include "client/text.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portd::client {

enum class Format { text, csv, json };

// How text is to look.
struct Look {
    Charset charset = Charset::ascii;
    Color color = Color::off;
    std::optional<std::size_t> width; // of the terminal; absent: there is none
};

// Answers go to the output. What qualifies an answer, or says why there is none, is a remark: on a
// terminal it follows the answer, so that a pager shows it too; else it goes to the error output,
// and the answer stays clean for a pipe. With CSV every sentence goes there.
class Session {
  public:
    struct Settings {
        std::string socket_path;
        std::chrono::microseconds timeout;
        Format format = Format::text;
        Look look;
        std::int64_t now_usec = 0;
        std::optional<std::int64_t> clock_offset_usec{}; // ahead of CLOCK_BOOTTIME
    };

    Session(Settings settings, Output &output, int error_fd)
        : settings_(std::move(settings)), output_(output), error_fd_(error_fd) {}

    const Settings &settings() const { return settings_; }
    const Look &look() const { return settings_.look; }
    Charset charset() const { return settings_.look.charset; }
    std::int64_t now_usec() const { return settings_.now_usec; }
    std::optional<std::int64_t> clock_offset_usec() const { return settings_.clock_offset_usec; }
    bool wants_json() const { return settings_.format == Format::json; }
    bool wants_csv() const { return settings_.format == Format::csv; }
    Output &output() { return output_; }

    Connection connect() const { return {settings_.socket_path, settings_.timeout}; }

    // An answer in words.
    void sentence(std::string_view text);
    void remark(std::string_view text);
    // A line of which all is an answer: the lead, of that many columns, then the text, which goes on
    // below itself where it does not fit the terminal.
    void hanging(std::string_view lead, std::size_t columns, std::string_view text);
    // The object on one line. Everything outside ASCII is escaped, by JSON's own means: what is
    // piped comes to a terminal in the end.
    void json_line(const nlohmann::json &object);
    // The heading and the rows, laid out for the width of the terminal.
    void table(std::vector<Column> columns, std::span<const Row> rows);
    // "portd-ctl: …" on the error output.
    void error(std::string_view text);
    // For work that takes long while nothing is printed on the terminal.
    Progress progress() const;

  private:
    void print_wrapped(std::string_view text, Style style);

    Settings settings_;
    Output &output_;
    int error_fd_;
};

// Writes a whole text to a descriptor, as far as it goes: there is nowhere to report a failure of
// the error output.
void write_error(int fd, std::string_view text);

} // namespace portd::client
