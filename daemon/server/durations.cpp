#include "durations.hpp"

#include <algorithm>
#include <bit>

namespace portd::server {
namespace {

// 16 buckets for each doubling; below 32 each length has its own.
constexpr unsigned precision_bits = 4;

std::uint16_t bucket_of(std::int64_t usec) {
    const auto value = static_cast<std::uint64_t>(usec);
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= precision_bits + 1)
        return static_cast<std::uint16_t>(value);
    const unsigned shift = width - precision_bits - 1;
    return static_cast<std::uint16_t>((shift << precision_bits) + (value >> shift));
}

// The middle of the bucket.
std::int64_t length_of(std::uint16_t number) {
    constexpr unsigned in_octave = 1U << precision_bits;
    if (number < 2 * in_octave)
        return number;
    const unsigned shift = number / in_octave - 1;
    const std::uint64_t begin = std::uint64_t{number % in_octave + in_octave} << shift;
    return static_cast<std::int64_t>(begin + (std::uint64_t{1} << shift) / 2);
}

} // namespace

void Durations::add(std::uint16_t number, std::int64_t count) {
    const auto place = std::ranges::lower_bound(buckets_, number, {}, &Bucket::first);
    if (place != buckets_.end() && place->first == number)
        place->second += count;
    else
        buckets_.insert(place, {number, count});
}

void Durations::add(std::int64_t usec) {
    add(bucket_of(usec), 1);
    ++count_;
    longest_ = std::max(longest_, usec);
}

void Durations::add(const Durations &other) {
    for (const auto &[number, count] : other.buckets_)
        add(number, count);
    count_ += other.count_;
    longest_ = std::max(longest_, other.longest_);
}

std::int64_t Durations::quantile(std::int64_t permille) const {
    const std::int64_t rank = std::max<std::int64_t>((count_ * permille + 999) / 1000, 1);
    std::int64_t seen = 0;
    for (const auto &[number, count] : buckets_)
        if ((seen += count) >= rank)
            return std::min(length_of(number), longest_);
    return longest_;
}

} // namespace portd::server
