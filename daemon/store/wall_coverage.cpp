#include "store/wall_coverage.hpp"

#include <algorithm>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

std::optional<std::int64_t> finite(std::int64_t us) {
    return us == Limits::min() || us == Limits::max() ? std::nullopt : std::optional(us);
}

} // namespace

std::vector<Stretch> asked_rows(const WallTimes &walls, std::optional<std::int64_t> since_us,
                                std::optional<std::int64_t> until_us,
                                std::optional<std::int64_t> now_us) {
    std::vector<Stretch> rows = walls.rows_of(since_us, until_us);
    if (!now_us || rows.empty())
        return rows;
    const std::int64_t first_us = rows.front().since_us;
    std::erase_if(rows, [&](const Stretch &one) { return one.since_us > *now_us; });
    if (rows.empty())
        return {{first_us, first_us}};
    rows.back().until_us = std::min(rows.back().until_us, *now_us);
    return rows;
}

std::vector<proto::Gap> pieces_of(const proto::Gap &gap, const WallTimes &walls) {
    const auto pieces = walls.walls_of(
        {gap.since_usec.value_or(Limits::min()), gap.until_usec.value_or(Limits::max())});
    std::vector<proto::Gap> gaps;
    for (const Stretch &piece : pieces)
        gaps.push_back({finite(piece.since_us), finite(piece.until_us), gap.cause,
                        pieces.size() == 1 ? gap.lost_events : std::nullopt});
    return gaps;
}

proto::Coverage in_wall_time(const std::vector<proto::Coverage> &answers, const WallTimes &walls) {
    proto::Coverage told;
    told.complete = true;
    std::vector<proto::Gap> gaps;
    for (const proto::Coverage &answer : answers) {
        told.complete = told.complete && answer.complete;
        for (const proto::CoverageInterval &one : answer.intervals)
            for (const Stretch &piece : walls.walls_of({one.since_usec, one.until_usec}))
                told.intervals.push_back({piece.since_us, piece.until_us, one.source});
        // A gap is given whole with each stretch that it touches.
        for (const proto::Gap &gap : answer.gaps)
            if (std::ranges::find(gaps, gap) == gaps.end())
                gaps.push_back(gap);
    }
    for (const proto::Gap &gap : gaps)
        for (proto::Gap &piece : pieces_of(gap, walls))
            told.gaps.push_back(std::move(piece));
    return told;
}

proto::Coverage never_shown(std::optional<std::int64_t> since_us,
                            std::optional<std::int64_t> until_us) {
    proto::Coverage told;
    told.gaps.push_back({since_us, until_us, "clockSet", std::nullopt});
    return told;
}

} // namespace portd::store
