// Opening the database file, and putting a damaged one out of the way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace portd::store {

class Database;
class StateDirectory;

// A damaged file that was renamed, with its -wal and -shm, and is otherwise as it was.
struct SetAside {
    std::filesystem::path path;
    std::string reason;
};

// The file, in WAL mode and found sound. Throws DamagedStore if it is not sound; std::runtime_error
// if it is another application's or a newer portd's (which is left untouched), or cannot be opened.
std::unique_ptr<Database> open_sound(const StateDirectory &directory,
                                     const std::filesystem::path &file, const std::string &boot_id);

// Renames the file to "<file>.damaged-<UTC time>". Throws std::system_error.
SetAside set_aside(const std::filesystem::path &file, const std::string &reason);

// The largest number of a part that was set aside; 0 if there is none.
std::int64_t last_number_set_aside(const std::filesystem::path &directory);

} // namespace portd::store
