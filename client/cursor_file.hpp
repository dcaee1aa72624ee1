// A file that remembers how far an export came, from one run to the next.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace portd::client {

// Both throw std::system_error or std::runtime_error, which name the file.

// Nothing if there is no such file yet.
std::optional<std::string> read_cursor(const std::filesystem::path &file);
// The file has the old cursor or the new one at any moment.
void write_cursor(const std::filesystem::path &file, const std::string &cursor);

} // namespace portd::client
