// Private to the store: the SHA-256 of a sealed part, in a file beside it, as sha256sum(1) writes
// it. It is what tells that a part is, byte for byte, what was sealed: SQLite's own check cannot
// see a changed value. `sha256sum -c` in the state directory compares as well.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>

namespace portd::store {

std::filesystem::path checksum_path(const std::filesystem::path &sealed);

// Writes and syncs the checksum of `contents`, which is about to be named `sealed`, to where it
// belongs or into another file. Throws StoreFault.
void write_checksum(const std::filesystem::path &contents, const std::filesystem::path &sealed);
void write_checksum(const std::filesystem::path &contents, const std::filesystem::path &sealed,
                    const std::filesystem::path &file);
// Whether that file has the checksum of the part.
bool matches_checksum(const std::filesystem::path &sealed, const std::filesystem::path &file);

// What is wrong with the part, if it is not what was sealed. Nothing, too, if that cannot be told:
// the checksum is missing or unreadable as one, or `stop` became true. Throws FailedIo.
std::optional<std::string> difference_to_checksum(const std::filesystem::path &sealed,
                                                  const std::atomic<bool> *stop = nullptr);

} // namespace portd::store
