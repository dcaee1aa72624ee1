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

// What is to be known of a part that has no predecessor it could be made of.
struct NewPart {
    std::int64_t least_number = 1;
    std::optional<std::int64_t> since_us; // what was before is in no part any more
    std::optional<StoredBoot> boot;       // that goes on
};

// The newest one, if it is written and has at least that number; otherwise a new one.
PartFile find_current_part(const StateDirectory &directory, const NewPart &made);

// The leases of this boot that are stored as open: the owner knows of them, or began without them.
enum class OwnOpen { go_on, end };

// Opens the part, enters the boot and ends the leases of other boots. Throws as open_sound().
OpenedStore open_store(const StateDirectory &directory, const PartFile &file, const BootInfo &boot,
                       std::optional<Database::Depth> depth = {}, OwnOpen own = OwnOpen::go_on);

// Ends the leases that the part has as open, whatever their boot: nobody will tell of them.
void end_open_leases(Database &database);

} // namespace portd::store
