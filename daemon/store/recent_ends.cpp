#include "store/recent_ends.hpp"

#include <algorithm>

namespace portd::store {

void RecentEnds::forget() {
    const std::scoped_lock lock(mutex_);
    ends_.clear();
    all_after_us_ = none;
}

void RecentEnds::begin(std::int64_t since_us) {
    const std::scoped_lock lock(mutex_);
    if (all_after_us_ == none)
        all_after_us_ = since_us + foresight_us;
}

void RecentEnds::add(std::int64_t serial, std::int64_t at_us) {
    const std::scoped_lock lock(mutex_);
    if (all_after_us_ == none)
        return;
    if (ends_.size() == most_ends) {
        all_after_us_ = std::max(all_after_us_, ends_.front().at_us);
        ends_.pop_front();
    }
    ends_.push_back({serial, at_us});
}

std::optional<std::vector<std::int64_t>> RecentEnds::between(std::int64_t after_us,
                                                             std::int64_t by_us) const {
    std::vector<std::int64_t> serials;
    {
        const std::scoped_lock lock(mutex_);
        if (all_after_us_ == none || after_us < all_after_us_)
            return std::nullopt;
        for (const End &end : ends_)
            if (end.at_us > after_us && end.at_us <= by_us)
                serials.push_back(end.serial);
    }
    std::ranges::sort(serials);
    serials.erase(std::unique(serials.begin(), serials.end()), serials.end());
    return serials;
}

} // namespace portd::store
