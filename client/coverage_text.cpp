#include "client/coverage_text.hpp"

#include "client/format.hpp"

#include <algorithm>

namespace portd::client {
namespace {

constexpr std::size_t most_gap_remarks = 8;

// "nobody held tcp port 60609 at T", "nobody with pid 12 held any port".
std::string nobody_held(const proto::HistoryRequest &request, bool withheld) {
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

std::string first_cause(const proto::Coverage &coverage, Charset charset) {
    return coverage.gaps.empty() ? "" : " (" + describe_cause(coverage.gaps[0], charset) + ")";
}

} // namespace

Watching judge(const proto::Coverage &coverage) {
    if (coverage.complete || (!coverage.intervals.empty() && coverage.gaps.empty()))
        return Watching::throughout;
    return coverage.intervals.empty() ? Watching::never : Watching::partly;
}

std::string describe_cause(const proto::Gap &gap, Charset charset) {
    const std::string lost =
        gap.lost_events ? "; " + std::to_string(*gap.lost_events) + " events were lost" : "";
    if (gap.cause == "notRunning")
        return "the daemon was not running" + lost;
    if (gap.cause == "overflow")
        return "events came faster than they could be taken" + lost;
    if (gap.cause == "scanFailed")
        return "the kernel's socket tables could not be read" + lost;
    return escape_text(gap.cause, charset) + lost;
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

std::vector<std::string> gap_remarks(const proto::Coverage &coverage, Charset charset) {
    std::vector<std::string> remarks;
    const std::size_t shown = std::min(coverage.gaps.size(), most_gap_remarks);
    for (std::size_t i = 0; i < shown; ++i) {
        const proto::Gap &gap = coverage.gaps[i];
        const bool lost_only = gap.cause == "overflow";
        remarks.push_back((lost_only ? "portd missed events " : "portd was not watching ") +
                          describe_stretch(gap.since_usec, gap.until_usec) + ": " +
                          describe_cause(gap, charset) + ".");
    }
    if (coverage.gaps.size() > shown)
        remarks.push_back("There are " + std::to_string(coverage.gaps.size() - shown) +
                          " more such gaps; --json lists them all.");
    return remarks;
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
    switch (judge(coverage)) {
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
           first_cause(coverage, charset) + "; it has " +
           (records_since_usec ? "records since " + format_instant_in_zone(*records_since_usec)
                               : "no records") +
           ".";
}

} // namespace portd::client
