#include "store/wall_times.hpp"

#include "model/saturating.hpp"

#include <algorithm>
#include <iterator>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

// Infinity stays what it is, and what does not fit becomes it.
std::int64_t moved(std::int64_t time_us, std::int64_t by_us) {
    if (time_us == Limits::min() || time_us == Limits::max())
        return time_us;
    return model::saturating_sum(time_us, by_us);
}

std::int64_t moved_back(std::int64_t time_us, std::int64_t by_us) {
    if (by_us != Limits::min())
        return moved(time_us, -by_us);
    return moved(moved(time_us, Limits::max()), 1);
}

} // namespace

template <typename Act>
void WallTimes::each_setting(Act act) const {
    if (ahead_us_.empty()) {
        act(Stretch{}, std::int64_t{0});
        return;
    }
    for (auto setting = ahead_us_.begin(); setting != ahead_us_.end(); ++setting) {
        Stretch rows;
        if (setting != ahead_us_.begin())
            rows.since_us = setting->first;
        if (const auto next = std::next(setting); next != ahead_us_.end())
            rows.until_us = next->first - 1;
        act(rows, setting->second);
    }
}

std::int64_t WallTimes::last_set_us() const {
    return ahead_us_.empty() ? Limits::min() : ahead_us_.rbegin()->first;
}

bool WallTimes::is_set_by(const ClockSetting &now) const {
    if (ahead_us_.empty())
        return true;
    const std::int64_t step_us = moved_back(now.ahead_us, ahead_us_.rbegin()->second);
    return step_us >= least_step_us || step_us <= -least_step_us;
}

std::int64_t WallTimes::ahead_us(std::int64_t row_us) const {
    if (ahead_us_.empty())
        return 0;
    const auto next = ahead_us_.upper_bound(row_us);
    return next == ahead_us_.begin() ? next->second : std::prev(next)->second;
}

std::int64_t WallTimes::wall_us(std::int64_t row_us) const {
    return moved(row_us, ahead_us(row_us));
}

std::vector<Stretch> WallTimes::rows_of(std::optional<std::int64_t> since_us,
                                        std::optional<std::int64_t> until_us) const {
    std::vector<Stretch> found;
    each_setting([&](const Stretch &rows, std::int64_t ahead_us) {
        const Stretch asked{
            std::max(rows.since_us, moved_back(since_us.value_or(Limits::min()), ahead_us)),
            std::min(rows.until_us, moved_back(until_us.value_or(Limits::max()), ahead_us))};
        if (asked.since_us > asked.until_us)
            return;
        if (!found.empty() && found.back().until_us + 1 == asked.since_us)
            found.back().until_us = asked.until_us;
        else
            found.push_back(asked);
    });
    return found;
}

std::vector<Stretch> WallTimes::walls_of(const Stretch &rows) const {
    std::vector<Stretch> found;
    each_setting([&](const Stretch &of_setting, std::int64_t ahead_us) {
        const Stretch shown{std::max(rows.since_us, of_setting.since_us),
                            std::min(rows.until_us, of_setting.until_us)};
        if (shown.since_us <= shown.until_us)
            found.push_back({moved(shown.since_us, ahead_us), moved(shown.until_us, ahead_us)});
    });
    return found;
}

std::vector<proto::ClockStep> WallTimes::steps(std::optional<std::int64_t> since_us,
                                               std::optional<std::int64_t> until_us,
                                               std::size_t most) const {
    const Stretch asked{since_us.value_or(Limits::min()), until_us.value_or(Limits::max())};
    std::vector<proto::ClockStep> steps;
    std::optional<std::int64_t> before_us;
    for (const auto &[since, ahead] : ahead_us_) {
        const proto::ClockStep step{moved(since, before_us.value_or(ahead)), moved(since, ahead)};
        before_us = ahead;
        const auto [low, high] = std::minmax(step.from_usec, step.to_usec);
        if (low != high && low <= asked.until_us && high >= asked.since_us)
            steps.push_back(step);
    }
    if (steps.size() > most)
        steps.erase(steps.begin(), steps.end() - static_cast<std::ptrdiff_t>(most));
    return steps;
}

} // namespace portd::store
