// Private to the store: coverage is worked out in row time, and told in wall time. Pure.
#pragma once

#include "proto/messages.hpp"
#include "store/wall_times.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace portd::store {

// The row time to look at for a wall time that was asked for. Nobody can have watched the future:
// it is left out, unless nothing else was asked for.
std::vector<Stretch> asked_rows(const WallTimes &walls, std::optional<std::int64_t> since_us,
                                std::optional<std::int64_t> until_us,
                                std::optional<std::int64_t> now_us);

// What is known of several stretches of row time, as one answer. An interval or a gap in which the
// clock was set is told in pieces; how many events were lost in which piece nobody knows.
proto::Coverage in_wall_time(const std::vector<proto::Coverage> &answers, const WallTimes &walls);

// The answer about a time that the clock never showed.
proto::Coverage never_shown(std::optional<std::int64_t> since_us,
                            std::optional<std::int64_t> until_us);

std::vector<proto::Gap> pieces_of(const proto::Gap &gap, const WallTimes &walls);

} // namespace portd::store
