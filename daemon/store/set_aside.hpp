// Opening the database file, and putting a damaged one out of the way.
#pragma once

#include "store/database.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace portd::store {

class StateDirectory;

// A damaged file that was renamed, with its -wal and -shm, and is otherwise as it was.
struct SetAside {
    std::filesystem::path path;
    std::string reason;
};

// The file, in WAL mode, found sound, and of this version (store/upgrade.hpp). Without a word of
// how much is to be looked at, that follows from how the last run ended. Throws DamagedStore if it
// is not sound, ForeignStore if it is not this portd's (which is left untouched), and other faults
// if it cannot be opened.
std::unique_ptr<Database> open_sound(const StateDirectory &directory,
                                     const std::filesystem::path &file, const std::string &boot_id,
                                     std::optional<Database::Depth> depth);

// Renames the file to "<file>.damaged-<UTC time>". Throws StoreFault.
SetAside set_aside(const std::filesystem::path &file, const std::string &reason);

// The largest number of a part that was set aside; 0 if there is none.
std::int64_t last_number_set_aside(const std::filesystem::path &directory);

} // namespace portd::store
