// Private to the store: what a Writer does before its first commit.
#pragma once

#include "store/boot.hpp"
#include "store/database.hpp"
#include "store/part.hpp"
#include "store/part_files.hpp"
#include "store/state_directory.hpp"
#include "store/wall_times.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace portd::store {

// The part that is written.
struct OpenedStore {
    PartFile file;
    std::unique_ptr<Database> database;
    std::unique_ptr<Part> part;
    std::int64_t boot = 0; // row of this boot
    StoredBoot info;
    WallTimes walls;
    std::optional<std::int64_t> watched_until_us; // in this boot, in row time
    std::optional<std::int64_t> watched_until_any_boot_us;
    std::int64_t leases = 0;
    std::int64_t last_serial = 0;
    std::int64_t last_bind_failure = 0;
};

// Where there is none yet, makes one.
PartFile find_current_part(const StateDirectory &directory);
// Opens the part, enters the boot and ends the leases of other boots. Throws as open_sound().
OpenedStore open_store(const StateDirectory &directory, const PartFile &file, const BootInfo &boot);

} // namespace portd::store
