#include "interval.hpp"

#include <algorithm>
#include <limits>

namespace portd::server {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

std::int64_t add(std::int64_t time, std::int64_t span) {
    return time > Limits::max() - span ? Limits::max() : time + span;
}

std::int64_t subtract(std::int64_t time, std::int64_t span) {
    return time < Limits::min() + span ? Limits::min() : time - span;
}

} // namespace

std::variant<Interval, NoInterval> interval_of(const proto::HistoryRequest &request) {
    if (request.at_usec && (request.since_usec || request.until_usec))
        return NoInterval{"atUsec excludes sinceUsec and untilUsec"};
    if (request.within_usec && !request.at_usec)
        return NoInterval{"withinUsec needs atUsec"};
    if (request.since_usec && request.until_usec && *request.since_usec > *request.until_usec)
        return NoInterval{"sinceUsec is after untilUsec"};
    if (!request.at_usec)
        return Interval{request.since_usec, request.until_usec};
    const std::int64_t within = request.within_usec.value_or(0);
    return Interval{subtract(*request.at_usec, within), add(*request.at_usec, within)};
}

} // namespace portd::server
