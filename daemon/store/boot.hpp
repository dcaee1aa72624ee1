// The boot to which rows belong, and its two times.
//
// Row time is what the store is ordered by: within a boot it is CLOCK_BOOTTIME plus a constant, and
// every boot begins after the one before. So it never goes back, and its differences are true,
// whatever is done to the wall clock. It is near the wall clock, but equal to it only as long as
// nobody sets that: store/wall_times.hpp turns one into the other.
#pragma once

#include <cstdint>
#include <string>

namespace portd::store {

// As it is when a run begins.
struct BootInfo {
    std::string boot_id; // /proc/sys/kernel/random/boot_id (random(4)), without a newline
    // CLOCK_REALTIME minus CLOCK_BOOTTIME.
    std::int64_t wall_offset_us = 0;
};

// As it is stored.
struct StoredBoot {
    std::string boot_id;
    std::int64_t base_offset_us = 0; // row time minus CLOCK_BOOTTIME
};

// The longest that the machine can have been off between two boots, if the clock says so. A clock
// that tells of more, or of less than nothing, was set meanwhile or has lost its battery: then the
// later boot is taken to follow at once.
//
// So the age of history is counted in time that passed for sure, and in absences that are not
// implausible. A clock that is years off makes nothing expire; after an absence that was truly
// longer than this, history is kept that much longer.
inline constexpr std::int64_t longest_absence_us = std::int64_t{31} * 86'400 * 1'000'000;

} // namespace portd::store
