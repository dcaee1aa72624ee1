#include "client/coverage_text.hpp"

#include "client/format.hpp"
#include "client/lease_filter.hpp"

#include <algorithm>

namespace portd::client {
namespace {

constexpr std::size_t most_gap_remarks = 8;
constexpr std::string_view clock_set = "clockSet";
constexpr std::string_view unseen = "unseen";
constexpr std::size_t most_clock_remarks = 3;
constexpr std::int64_t worth_a_remark_us = 1'000'000;

// Of Gap in io.portd.Ports.
struct Cause {
    std::string_view word;
    const char *text;
};

constexpr Cause causes[] = {
    {"notRunning", "the daemon was not running"},
    {"changeover", "another version of the daemon, or one with other settings, was started"},
    {"overflow", "events came faster than they could be taken"},
    {"scanFailed", "the kernel's socket tables could not be read"},
    {"ringFull", "events came faster than they could be stored"},
    {"noMemory", "the kernel had no memory to remember a socket"},
    {"malformed", "an event could not be understood"},
    {unseen, "sockets ended whose opening had not been told"},
    {"storeFailed", "what was seen could not be stored"},
    {"expired", "history of that time is not kept any longer"},
    {"unreadable", "the file with the history of that time is damaged or missing"},
    {clock_set, "the clock never showed that time"},
};

// "nobody held tcp port 60609 at T", "nobody with pid 12 held any port", "no lease of port 60609
// matches all filters".
std::string nobody_held(const proto::HistoryRequest &request, bool withheld) {
    if (has_more_filters(request)) {
        const std::string port =
            request.port ? "port " + std::to_string(*request.port) : "any port";
        const std::string time = describe_asked_time(request);
        return "no lease of " + port + (time.empty() ? "" : " " + time) +
               (withheld ? " that you may see" : "") + " matches all filters";
    }
    const std::string visible = withheld ? " whose leases you may see" : "";
    const std::string with_pid = request.pid ? " with pid " + std::to_string(*request.pid) : "";
    const std::string protocol =
        request.protocol ? std::string(to_string(*request.protocol)) + " " : "";
    const std::string port = request.port ? protocol + "port " + std::to_string(*request.port)
                                          : "any " + protocol + "port";
    const std::string time = describe_asked_time(request);
    return "nobody" + visible + with_pid + " held " + port + (time.empty() ? "" : " " + time);
}

std::string capitalized(std::string sentence) {
    if (!sentence.empty() && sentence[0] >= 'a' && sentence[0] <= 'z')
        sentence[0] = static_cast<char>(sentence[0] - 'a' + 'A');
    return sentence;
}

bool contains(const proto::CoverageInterval &interval, std::int64_t at_usec) {
    return interval.since_usec <= at_usec && at_usec <= interval.until_usec;
}

bool contains(const proto::Gap &gap, std::int64_t at_usec) {
    return gap.since_usec.value_or(at_usec) <= at_usec &&
           at_usec <= gap.until_usec.value_or(at_usec);
}

// Whether the clock was set forward over the time that was asked for.
bool was_skipped(const proto::HistoryRequest &request, const proto::Coverage &coverage) {
    if (!request.at_usec)
        return !coverage.gaps.empty() &&
               std::ranges::all_of(coverage.gaps,
                                   [](const proto::Gap &gap) { return gap.cause == clock_set; });
    const std::int64_t at = *request.at_usec;
    return std::ranges::any_of(coverage.clock_steps,
                               [at](const proto::ClockStep &step) {
                                   return step.from_usec < at && at < step.to_usec;
                               }) &&
           std::ranges::none_of(coverage.intervals,
                                [at](const auto &interval) { return contains(interval, at); });
}

// " (the daemon was not running)", of the gap that matters.
std::string cause_of(const proto::Coverage &coverage, std::optional<std::int64_t> at_usec,
                     Charset charset) {
    for (const proto::Gap &gap : coverage.gaps)
        if (!at_usec || contains(gap, *at_usec))
            return " (" + describe_cause(gap, charset) + ")";
    return "";
}

// `times`: "" or "3 times ".
std::string gap_remark(const proto::Gap &gap, const std::string &times, Charset charset) {
    const bool lost_only = gap.cause == "overflow" || gap.cause == "storeFailed";
    return (lost_only ? "portd missed events " : "portd was not watching ") + times +
           describe_stretch(gap.since_usec, gap.until_usec) + ": " + describe_cause(gap, charset) +
           ".";
}

} // namespace

Watching judge(const proto::Coverage &coverage, std::optional<std::int64_t> at_usec) {
    if (coverage.complete)
        return Watching::throughout;
    const auto matters = [at_usec](const auto &stretch) {
        return !at_usec || contains(stretch, *at_usec);
    };
    if (std::none_of(coverage.intervals.begin(), coverage.intervals.end(), matters))
        return Watching::never;
    const bool has_gap = std::any_of(coverage.gaps.begin(), coverage.gaps.end(), matters);
    const bool has_snapshots =
        std::ranges::any_of(coverage.intervals, [&](const proto::CoverageInterval &interval) {
            return matters(interval) && interval.source == CaptureTier::procfs;
        });
    return has_gap || has_snapshots ? Watching::partly : Watching::throughout;
}

std::int64_t watched_usec(const proto::Coverage &coverage) {
    std::vector<proto::Gap> gaps = coverage.gaps;
    std::ranges::sort(gaps, {}, &proto::Gap::since_usec);
    std::int64_t sum = 0;
    for (const proto::CoverageInterval &interval : coverage.intervals) {
        std::int64_t reached = interval.since_usec;
        for (const proto::Gap &gap : gaps) {
            const auto since = std::min(gap.since_usec.value_or(reached), interval.until_usec);
            sum += std::max<std::int64_t>(since - reached, 0);
            reached = std::max(reached, gap.until_usec.value_or(interval.until_usec));
        }
        sum += std::max<std::int64_t>(interval.until_usec - reached, 0);
    }
    return sum;
}

std::string describe_cause(const proto::Gap &gap, Charset charset) {
    const auto known = std::ranges::find(causes, gap.cause, &Cause::word);
    std::string text = known != std::end(causes) ? known->text : escape_text(gap.cause, charset);
    if (gap.lost_events)
        text +=
            "; " + (gap.cause == unseen ? counted(*gap.lost_events, "socket")
                                        : counted(*gap.lost_events, "event") +
                                              (gap.lost_events == 1 ? " was" : " were") + " lost");
    return text;
}

std::string describe_stretch(std::optional<std::int64_t> since_usec,
                             std::optional<std::int64_t> until_usec) {
    if (!since_usec && !until_usec)
        return "at any time";
    if (!since_usec)
        return "before " + format_instant_in_zone(*until_usec);
    if (!until_usec)
        return "since " + format_instant_in_zone(*since_usec);
    if (*since_usec == *until_usec)
        return "at " + format_instant_in_zone(*since_usec);
    return "from " + format_instant_in_zone(*since_usec) + " to " +
           format_instant_in_zone(*until_usec);
}

std::vector<std::string> clock_remarks(const proto::Coverage &coverage) {
    std::vector<std::string> remarks;
    for (auto step = coverage.clock_steps.rbegin();
         step != coverage.clock_steps.rend() && remarks.size() < most_clock_remarks; ++step) {
        const bool forward = step->to_usec > step->from_usec;
        const auto [low, high] = std::minmax(step->from_usec, step->to_usec);
        const auto by = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
        if (by < static_cast<std::uint64_t>(worth_a_remark_us))
            continue;
        remarks.push_back("The clock was set " + std::string(forward ? "forward" : "back") +
                          " by " + format_span(static_cast<std::int64_t>(by)) + ", from " +
                          format_instant_in_zone(step->from_usec) + " to " +
                          format_instant_in_zone(step->to_usec) +
                          (forward ? ": it never showed the times between."
                                   : ": it showed the times between twice, and both are meant."));
    }
    return remarks;
}

std::vector<std::string> gap_remarks(const proto::Coverage &coverage, Charset charset) {
    std::vector<std::string> remarks;
    const std::size_t shown = std::min(coverage.gaps.size(), most_gap_remarks);
    for (std::size_t i = 0; i < shown; ++i)
        remarks.push_back(gap_remark(coverage.gaps[i], "", charset));
    if (const auto left = static_cast<std::int64_t>(coverage.gaps.size() - shown); left > 0)
        remarks.push_back((left == 1 ? "There is " : "There are ") +
                          counted(left, "more such gap") + "; --json lists them all.");
    return remarks;
}

std::vector<std::string> gap_remarks_by_cause(const proto::Coverage &coverage, Charset charset) {
    struct Sum {
        proto::Gap gap; // from the first one's begin to the last one's end
        std::int64_t count = 0;
    };
    std::vector<Sum> sums;
    for (const proto::Gap &gap : coverage.gaps) {
        const auto known = std::ranges::find(
            sums, gap.cause, [](const Sum &sum) -> const auto & { return sum.gap.cause; });
        if (known == sums.end()) {
            sums.push_back({gap, 1});
            continue;
        }
        ++known->count;
        known->gap.until_usec = gap.until_usec;
        if (known->gap.lost_events)
            *known->gap.lost_events += gap.lost_events.value_or(0);
    }
    std::vector<std::string> remarks;
    for (const Sum &sum : sums)
        remarks.push_back(
            gap_remark(sum.gap, sum.count > 1 ? counted(sum.count, "time") + " " : "", charset));
    return remarks;
}

std::optional<std::string> snapshot_remark(const proto::Coverage &coverage) {
    const auto watched_by = [&](CaptureTier tier) {
        return std::ranges::any_of(
            coverage.intervals, [tier](const auto &interval) { return interval.source == tier; });
    };
    if (watched_by(CaptureTier::procfs))
        return "It watched by procfs, which misses sockets that live between two snapshots.";
    if (watched_by(CaptureTier::sock_diag))
        return "It watched by sock_diag, which misses a port that a socket takes and leaves "
               "between two snapshots without being closed.";
    return std::nullopt;
}

std::string describe_asked_time(const proto::HistoryRequest &request) {
    if (request.at_usec)
        return "at " + format_instant_in_zone(*request.at_usec);
    if (!request.since_usec && !request.until_usec)
        return "";
    return describe_stretch(request.since_usec, request.until_usec);
}

std::string describe_empty(const proto::HistoryRequest &request, const proto::LeaseReply &last,
                           std::optional<std::int64_t> records_since_usec, Charset charset) {
    const proto::Coverage coverage = last.coverage.value_or(proto::Coverage{});
    const std::string nobody = nobody_held(request, last.withheld);
    const std::string asked_time = describe_asked_time(request);
    if (was_skipped(request, coverage))
        return "The clock never showed the time that was asked for: it was set forward over it.";
    switch (judge(coverage, request.at_usec)) {
    case Watching::throughout: {
        const bool ever = asked_time.empty() && !coverage.intervals.empty();
        return capitalized(nobody) +
               (ever ? " since " + format_instant_in_zone(coverage.intervals[0].since_usec) : "") +
               "; portd was watching.";
    }
    case Watching::partly:
        return "As far as portd was watching, " + nobody + ".";
    case Watching::never:
        break;
    }
    return "portd was not watching" + (asked_time.empty() ? "" : " " + asked_time) +
           cause_of(coverage, request.at_usec, charset) + "; it has " +
           (records_since_usec ? "records since " + format_instant_in_zone(*records_since_usec)
                               : "no records") +
           ".";
}

} // namespace portd::client
