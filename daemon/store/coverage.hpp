// What portd can say about an interval, from the intervals in which it watched and the gaps that it
// wrote down. In row time (store/boot.hpp). Pure.
//
// Intervals and gaps are closed on a continuous line: [0, 10] and [10, 20] leave nothing out
// between them, [0, 10] and [11, 20] leave out what is between 10 and 11. An absent bound of a gap
// is infinitely far.
#pragma once

#include "proto/messages.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace portd::store {

// Cause of a gap that nobody wrote down (the words are in proto/io.portd.Ports.varlink).
inline constexpr std::string_view not_running = "notRunning";
// Of one that the store makes: its file was set aside, or is gone, or cannot be read.
inline constexpr std::string_view unreadable = "unreadable";
// Of one that lasts: what is seen cannot be stored.
inline constexpr std::string_view store_failed = "storeFailed";

// The present of a daemon that is watching: what it saw last is not in the store yet, and that is
// no gap.
struct Present {
    std::int64_t run_since_us = 0;   // when the coverage of this run began
    std::int64_t longest_lag_us = 0; // between two commits, in ordinary operation
    // While nothing can be stored: what was seen since then is not in the store.
    std::optional<std::int64_t> unstored_since_us = {};
    std::optional<std::int64_t> lost_events = {}; // and this much of it is gone

    // The gap that lasts.
    std::optional<proto::Gap> unstored() const;
    std::function<std::int64_t()> now_us = {};
};

// Cause of the gap before the history that is kept.
inline constexpr std::string_view expired = "expired";

struct CoverageRecords {
    std::vector<proto::CoverageInterval> intervals; // those that touch the asked interval
    std::vector<proto::Gap> gaps;                   // those that touch it
    std::optional<std::int64_t> first_us;           // start of the first interval on record
    std::optional<std::int64_t> last_us;            // end of the last interval on record
    // Before this, history was dropped for its age or size.
    std::optional<std::int64_t> expired_until_us;
    std::optional<Present> present;
};

// About [since, until]; an absent `since` is the first record.
//
//  * Intervals are cut to what was asked; those of one source that meet become one.
//  * Gaps on record are given whole, so that a count of lost events stays true. Those of one cause
//  that
//    meet become one; its count is known if all of theirs were.
//  * What no interval covers and no gap accounts for is a gap with the cause `not_running`, cut to
//  what
//    was asked. Before the first record its `since` is absent.
//  * If `until` is after the last interval, that interval belongs to the present run, and no more
//  than
//    the lag lies between, then the answer is as of the end of that interval. While nothing can be
//    stored, it is not: then that is a gap that lasts.
//  * Complete: covered from end to end, no gap, and nowhere by procfs alone, which misses what
//    lives between two samples.
proto::Coverage assemble_coverage(CoverageRecords records, std::optional<std::int64_t> since_us,
                                  std::int64_t until_us);

} // namespace portd::store
