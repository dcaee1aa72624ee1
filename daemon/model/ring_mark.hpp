// How far the kernel's events have been stored.
#pragma once

#include <cstdint>

namespace portd::model {

// Stored with the leases that the events before it made: what is behind it has not been stored.
struct RingMark {
    std::uint64_t generation = 0; // of the ring: a random number below 2^63
    std::uint64_t position = 0;   // bytes of the ring until the first event that is not stored
    std::uint64_t frame = 0;      // of the journal, with what else was known then

    bool operator==(const RingMark &) const = default;
};

} // namespace portd::model
