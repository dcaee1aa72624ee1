#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace portd::store {

// How much history is kept.
struct Limits {
    std::int64_t max_bytes = std::int64_t{2} << 30;
    std::chrono::microseconds max_age = std::chrono::hours(90 * 24);
    // So many leases at the least, and at the most twice as many, wait to be indexed.
    std::int64_t waiting_leases = 65'536;

    // A part is this large or this old when the next one is begun.
    std::int64_t part_bytes() const {
        return std::clamp(max_bytes / 16, std::int64_t{1} << 20, std::int64_t{256} << 20);
    }
    std::chrono::microseconds part_age() const { return max_age / 30; }
};

} // namespace portd::store
