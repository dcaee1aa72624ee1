// How many entries to fetch at once, so that they take about so many bytes: leases differ in size
// by three orders of magnitude, which depends on their holders.
#pragma once

#include <algorithm>
#include <cstddef>

namespace portd::server {

class PageSize {
  public:
    static constexpr std::size_t most_entries = 256;
    static constexpr std::size_t bytes_aimed_at = 1 << 18;

    std::size_t entries() const { return entries_; }
    // So many of the last page took so many bytes.
    void fit(std::size_t entries, std::size_t bytes) {
        if (bytes > 0)
            entries_ = std::clamp<std::size_t>(entries * bytes_aimed_at / bytes, 1, most_entries);
    }

  private:
    std::size_t entries_ = 32;
};

} // namespace portd::server
