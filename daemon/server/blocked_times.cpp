#include "blocked_times.hpp"

#include "moment.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace portd::server {
namespace {

constexpr std::int64_t end_of_time = std::numeric_limits<std::int64_t>::max();

std::int64_t end_of(const proto::BlockedTime &time) {
    return time.until_usec.value_or(end_of_time);
}

// From the first moment at which the lease can have had the port to the last.
proto::BlockedTime time_of(const proto::Lease &lease, BindVerdict verdict, std::int64_t since_us) {
    proto::BlockedTime time;
    time.since_usec = std::max(earliest_usec(lease.opened).value_or(since_us), since_us);
    if (lease.freed)
        time.until_usec = latest_usec(*lease.freed);
    const bool is_exact = lease.opened.usec && (!lease.freed || lease.freed->usec);
    time.certain = is_exact && verdict == BindVerdict::blocks;
    time.leases = 1;
    time.local_address = lease.local_address;
    time.role = lease.role;
    time.user = lease.user;
    time.process = lease.opener;
    return time;
}

void join(proto::BlockedTime &time, proto::BlockedTime &&other) {
    if (other.since_usec < time.since_usec)
        std::swap(time, other);
    const std::int64_t end = std::max(end_of(time), end_of(other));
    time.until_usec = end == end_of_time ? std::nullopt : std::optional(end);
    time.certain = time.certain && other.certain;
    time.leases += other.leases;
}

} // namespace

void BlockedTimes::add(const proto::Lease &lease, BindVerdict verdict) {
    if (verdict == BindVerdict::does_not_block)
        return;
    proto::BlockedTime added = time_of(lease, verdict, since_us_);
    if (end_of(added) < added.since_usec)
        return;
    // The first that does not end before the added one begins, to the first that begins after it.
    const auto first = std::ranges::find_if(
        times_, [&](const proto::BlockedTime &time) { return end_of(time) >= added.since_usec; });
    auto last = first;
    while (last != times_.end() && last->since_usec <= end_of(added))
        join(added, std::move(*last++));
    times_.insert(times_.erase(first, last), std::move(added));
    if (times_.size() > most_times) {
        times_.erase(times_.begin());
        ++forgotten_;
    }
}

} // namespace portd::server
