// Sums of times that may be the ends of the scale: what does not fit becomes the nearer end. Pure.
#pragma once

#include <cstdint>
#include <limits>

namespace portd::model {

inline std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
    using Limits = std::numeric_limits<std::int64_t>;
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b < 0 ? Limits::min() : Limits::max();
}

inline std::int64_t saturating_difference(std::int64_t a, std::int64_t b) {
    using Limits = std::numeric_limits<std::int64_t>;
    std::int64_t difference = 0;
    if (!__builtin_sub_overflow(a, b, &difference))
        return difference;
    return b > 0 ? Limits::min() : Limits::max();
}

} // namespace portd::model
