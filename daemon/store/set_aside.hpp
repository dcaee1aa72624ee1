// Opening the database file, and putting a damaged one out of the way.
#pragma once

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

// portd.db of the directory, made if it is missing, in WAL mode and found sound. Throws
// DamagedStore if it is not sound; std::runtime_error if it is another application's or a newer
// portd's (which is left untouched), or cannot be opened.
std::unique_ptr<Database> open_sound(const StateDirectory &directory, const std::string &boot_id);

// Renames the file to "<file>.damaged-<UTC time>". Throws std::system_error.
SetAside set_aside(const std::filesystem::path &file, const std::string &reason);

} // namespace portd::store
