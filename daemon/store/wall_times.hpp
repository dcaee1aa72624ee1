// Private to the store: what the wall clock showed, and when. Pure.
//
// The wall clock is row time plus a number that changes only when the clock is set: CLOCK_BOOTTIME
// and CLOCK_REALTIME are slewed alike (adjtimex(2); kernel/time/timekeeping.c derives both from the
// same steps), and suspend adds to both. So the whole history of the clock is a short list of
// settings: from that moment of row time on, the clock was ahead of it by so much. Before the first
// setting the first one holds, after the last one the last.
//
// A moment of row time has one wall time. A wall time has one moment, or several if the clock was
// set back over it, or none if it was set forward over it.
#pragma once

#include "proto/messages.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

namespace portd::store {

// A clock that was set by less is taken as not set: a reading of both clocks is exact to some
// microseconds only, and nobody tells two events apart by a smaller error. What is left out does
// not add up, as each reading is compared with the setting that is in force.
inline constexpr std::int64_t least_step_us = 1'000;

struct ClockSetting {
    std::int64_t since_us = 0; // row time
    std::int64_t ahead_us = 0; // wall time minus row time

    bool operator==(const ClockSetting &) const = default;
};

// Both ends included, in row time or in wall time; the extremes of the type stand for no bound.
struct Stretch {
    std::int64_t since_us = std::numeric_limits<std::int64_t>::min();
    std::int64_t until_us = std::numeric_limits<std::int64_t>::max();

    bool contains(std::int64_t us) const { return since_us <= us && us <= until_us; }
    bool operator==(const Stretch &) const = default;
};

class WallTimes {
  public:
    // One that begins at the same moment as another replaces it.
    void add(const ClockSetting &setting) { ahead_us_[setting.since_us] = setting.ahead_us; }
    void clear() { ahead_us_.clear(); }
    // The beginning of the last setting.
    std::int64_t last_set_us() const;
    // Whether the clock was set, if that is what it shows now.
    bool is_set_by(const ClockSetting &now) const;

    std::int64_t ahead_us(std::int64_t row_us) const;
    std::int64_t wall_us(std::int64_t row_us) const;

    // The row time in which the clock showed a time of [since, until]: in order, apart from each
    // other, and empty if it never did.
    std::vector<Stretch> rows_of(std::optional<std::int64_t> since_us,
                                 std::optional<std::int64_t> until_us) const;
    // What the clock showed during the stretch of row time, cut where it was set.
    std::vector<Stretch> walls_of(const Stretch &rows) const;
    // Where it was set, if a time that it skipped or showed again is in the wall time
    // [since, until]; at most so many, and if there are more, the last ones.
    std::vector<proto::ClockStep> steps(std::optional<std::int64_t> since_us,
                                        std::optional<std::int64_t> until_us,
                                        std::size_t most) const;

  private:
    // Calls act(stretch of row time, ahead) for each setting in turn.
    template <typename Act>
    void each_setting(Act act) const;

    std::map<std::int64_t, std::int64_t> ahead_us_; // by the moment since when
};

} // namespace portd::store
