// What portd can say of the time that was asked for, in sentences. Pure.
//
// "Nobody held the port" is said only where portd watched the whole time and withheld nothing; an
// empty answer is otherwise said to be one of not knowing.
#pragma once

#include "client/text.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::client {

// `partly` is also procfs, which sees only what lives while it looks.
enum class Watching { throughout, partly, never };
// Of the covered interval; with an instant, of that instant alone, which the interval may surround.
Watching judge(const proto::Coverage &coverage, std::optional<std::int64_t> at_usec = std::nullopt);

// How long portd was watching: the intervals without what gaps take of them, where events were
// lost. What the clock showed twice counts twice.
std::int64_t watched_usec(const proto::Coverage &coverage);

// "the daemon was not running"; an unknown cause is shown as its word.
std::string describe_cause(const proto::Gap &gap, Charset charset);

// "from A to B", "before B", "since A", "at any time".
std::string describe_stretch(std::optional<std::int64_t> since_usec,
                             std::optional<std::int64_t> until_usec);

// One sentence for each time that the clock was set over times of the interval, at most three.
std::vector<std::string> clock_remarks(const proto::Coverage &coverage);

// One sentence for each gap, at most eight and then how many more there are.
std::vector<std::string> gap_remarks(const proto::Coverage &coverage, Charset charset);

// The same in a sentence for each cause, however many gaps it has: beside an answer that is about
// now.
std::vector<std::string> gap_remarks_by_cause(const proto::Coverage &coverage, Charset charset);

// What the source of that time cannot see, where it is one that looks from time to time; else
// nothing.
std::optional<std::string> snapshot_remark(const proto::Coverage &coverage);

inline constexpr const char *withheld_remark =
    "Leases of other users are not shown, or only in part; run as root or join group portd.";

// "at T", "from A to B", …: the time that a request asks for.
std::string describe_asked_time(const proto::HistoryRequest &request);

// The sentence for an answer without leases. `records_since_usec`: the first moment that portd has
// a record of, where that is known.
std::string describe_empty(const proto::HistoryRequest &request, const proto::LeaseReply &last,
                           std::optional<std::int64_t> records_since_usec, Charset charset);

} // namespace portd::client
