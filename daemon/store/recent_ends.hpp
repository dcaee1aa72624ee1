// The leases that ended lately, in memory, so that whoever follows the ends need not look for them
// in the store. A fixed amount: the oldest give way. It only helps: where it does not reach back far
// enough, the store is searched.
//
// Written by the thread of the Writer, read by that of the Reader. What is added is in here before
// it is committed; what is rolled back stays, so a lease that is listed may not have ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

namespace portd::store {

class RecentEnds {
  public:
    static constexpr std::size_t most_ends = 1 << 15;
    // By how much the port of a stored lease can be free later than it was stored: a TIME_WAIT
    // entry for which there is no room is settled before its time.
    static constexpr std::int64_t foresight_us = 200'000'000;

    // From now on, ends that are stored need not be added.
    void forget();
    // From now on they are: what was stored before was stored by `since_us` (row time). Does
    // nothing if that was so already.
    void begin(std::int64_t since_us);
    // `at_us`: where the lease stands in the order of ends.
    void add(std::int64_t serial, std::int64_t at_us);

    // The serials of all that ended after the one moment and by the other, in their order; nothing
    // if some of them may be missing.
    std::optional<std::vector<std::int64_t>> between(std::int64_t after_us,
                                                     std::int64_t by_us) const;

  private:
    struct End {
        std::int64_t serial;
        std::int64_t at_us;
    };
    static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();

    mutable std::mutex mutex_;
    std::deque<End> ends_;
    std::int64_t all_after_us_ = none; // what ended after this is here
};

} // namespace portd::store
