// The boot to which rows belong.
#pragma once

#include <cstdint>
#include <string>

namespace portd::store {

struct BootInfo {
    std::string boot_id; // /proc/sys/kernel/random/boot_id (random(4)), without a newline
    // CLOCK_REALTIME minus CLOCK_BOOTTIME at the first start of portd in this boot. All times of
    // the boot are stored and given out with this offset.
    std::int64_t wall_offset_us = 0;
};

} // namespace portd::store
