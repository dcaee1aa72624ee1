// A file that remembers how far an export came, from one run to the next.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace portd::client {

// All errors name the file. Both functions throw std::system_error.

// Nothing if there is no such file yet. Throws UsageError, too.
std::optional<std::string> read_cursor(const std::filesystem::path &file);
// The file has the old cursor or the new one at any moment.
void write_cursor(const std::filesystem::path &file, const std::string &cursor);

// What is in the file is no cursor: throws UsageError, which says what to do.
[[noreturn]] void refuse_cursor(const std::filesystem::path &file);

} // namespace portd::client
