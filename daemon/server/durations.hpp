// How long things took, as counts in buckets that grow with the length: quantiles of any number of
// lengths in little memory, each within 4 % of the true one. Pure.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace portd::server {

class Durations {
  public:
    void add(std::int64_t usec); // not negative
    void add(const Durations &other);

    std::int64_t count() const { return count_; }
    std::int64_t longest() const { return longest_; }
    // The length that `permille` of a thousand do not exceed, at least one of them; 0 if there are
    // none.
    std::int64_t quantile(std::int64_t permille) const;

  private:
    using Bucket = std::pair<std::uint16_t, std::int64_t>; // number, count

    void add(std::uint16_t number, std::int64_t count);

    std::vector<Bucket> buckets_; // those that have any, by number
    std::int64_t count_ = 0;
    std::int64_t longest_ = 0;
};

} // namespace portd::server
