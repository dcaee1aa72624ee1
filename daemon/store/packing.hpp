// Private to the store: how a file is made beside those that are there and put in its place, so
// that under its name there is at each moment one that is whole.
#pragma once

#include "store/database.hpp"

#include <filesystem>
#include <string>

#include <sys/types.h>

namespace portd::store {

inline constexpr const char *unfinished = ".unfinished";
inline constexpr mode_t database_mode = 0640; // SQLite gives what it puts beside the file the same

// What is made under that name is removed at the next start: see rotation.hpp.
std::filesystem::path unfinished_path(const std::filesystem::path &file);
// As text of SQL.
std::string quoted(const std::filesystem::path &path);
// Writes all that the database has into a new file, without free pages.
void pack_into(Database &database, const std::filesystem::path &file);
// Syncs the file and renames it.
void put_in_place(const std::filesystem::path &from, const std::filesystem::path &to);

} // namespace portd::store
