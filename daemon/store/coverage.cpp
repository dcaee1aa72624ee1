#include "store/coverage.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

namespace portd::store {
namespace {

constexpr std::int64_t before_all = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t after_all = std::numeric_limits<std::int64_t>::max();

struct Span {
    std::int64_t since = 0;
    std::int64_t until = 0;

    bool is_instant() const { return since == until; }
};

Span span_of(const proto::CoverageInterval &interval) {
    return {interval.since_usec, interval.until_usec};
}

Span span_of(const proto::Gap &gap) {
    return {gap.since_usec.value_or(before_all), gap.until_usec.value_or(after_all)};
}

// Whether they have something in common; between two that have a length, an end is not enough.
bool overlap(Span a, Span b) {
    const std::int64_t since = std::max(a.since, b.since);
    const std::int64_t until = std::min(a.until, b.until);
    return a.is_instant() || b.is_instant() ? since <= until : since < until;
}

std::vector<proto::CoverageInterval> cut(std::vector<proto::CoverageInterval> intervals,
                                         Span asked) {
    std::erase_if(intervals, [&](const auto &one) { return !overlap(span_of(one), asked); });
    std::ranges::sort(intervals, {}, [](const proto::CoverageInterval &one) {
        return std::tuple(one.source, one.since_usec);
    });
    std::vector<proto::CoverageInterval> cut;
    for (proto::CoverageInterval one : intervals) {
        one.since_usec = std::max(one.since_usec, asked.since);
        one.until_usec = std::min(one.until_usec, asked.until);
        if (!cut.empty() && cut.back().source == one.source &&
            one.since_usec <= cut.back().until_usec)
            cut.back().until_usec = std::max(cut.back().until_usec, one.until_usec);
        else
            cut.push_back(one);
    }
    std::ranges::sort(cut, {}, [](const proto::CoverageInterval &one) {
        return std::tuple(one.since_usec, one.until_usec, one.source);
    });
    return cut;
}

// Those of one cause that meet become one.
std::vector<proto::Gap> join(std::vector<proto::Gap> gaps) {
    std::ranges::sort(gaps, {}, [](const proto::Gap &gap) {
        return std::tuple(gap.cause, span_of(gap).since, span_of(gap).until);
    });
    std::vector<proto::Gap> joined;
    for (proto::Gap &gap : gaps) {
        if (joined.empty() || joined.back().cause != gap.cause ||
            span_of(joined.back()).until < span_of(gap).since) {
            joined.push_back(std::move(gap));
            continue;
        }
        proto::Gap &last = joined.back();
        if (span_of(last).until < span_of(gap).until)
            last.until_usec = gap.until_usec;
        if (last.lost_events && gap.lost_events)
            *last.lost_events += *gap.lost_events;
        else
            last.lost_events.reset();
    }
    std::ranges::sort(joined, {}, [](const proto::Gap &gap) {
        return std::tuple(span_of(gap).since, span_of(gap).until, gap.cause);
    });
    return joined;
}

// The parts of `asked` outside all of `known`.
std::vector<Span> left_over(std::vector<Span> known, Span asked) {
    std::ranges::sort(known, {}, &Span::since);
    if (asked.is_instant()) {
        const bool found = std::ranges::any_of(known, [&](Span span) {
            return span.since <= asked.since && asked.since <= span.until;
        });
        return found ? std::vector<Span>{} : std::vector<Span>{asked};
    }
    std::vector<Span> rest;
    std::int64_t reached = asked.since;
    for (const Span &span : known) {
        if (span.since > reached && reached < asked.until)
            rest.push_back({reached, std::min(span.since, asked.until)});
        reached = std::max(reached, span.until);
    }
    if (reached < asked.until)
        rest.push_back({reached, asked.until});
    return rest;
}

// What was there and cannot be read belongs to the record.
std::int64_t begin_of_record(const CoverageRecords &records, std::int64_t until) {
    std::int64_t begin = records.first_us.value_or(until);
    for (const proto::Gap &gap : records.gaps)
        if (gap.cause == unreadable && (gap.since_usec || gap.until_usec))
            begin = std::min(begin, gap.since_usec ? *gap.since_usec : *gap.until_usec - 1);
    return begin;
}

Span asked_span(const CoverageRecords &records, std::optional<std::int64_t> since,
                std::int64_t until) {
    Span asked{std::min(since ? *since : begin_of_record(records, until), until), until};
    const std::optional<std::int64_t> last = records.last_us;
    const std::optional<Present> &present = records.present;
    if (!last || !present || present->unstored_since_us || *last < present->run_since_us ||
        asked.until <= *last)
        return asked;
    // Unsigned: the difference of any two int64 fits.
    const auto lag = static_cast<std::uint64_t>(asked.until) - static_cast<std::uint64_t>(*last);
    if (lag <= static_cast<std::uint64_t>(std::max<std::int64_t>(present->longest_lag_us, 0))) {
        asked.until = *last;
        asked.since = std::min(asked.since, *last);
    }
    return asked;
}

void expire(CoverageRecords &records, std::int64_t until_us) {
    std::erase_if(records.intervals, [&](const auto &one) { return one.until_usec < until_us; });
    std::erase_if(records.gaps,
                  [&](const auto &gap) { return gap.until_usec && *gap.until_usec < until_us; });
    for (proto::CoverageInterval &interval : records.intervals)
        interval.since_usec = std::max(interval.since_usec, until_us);
    records.first_us = std::max(records.first_us.value_or(until_us), until_us);
}

} // namespace

std::optional<proto::Gap> Present::unstored() const {
    if (!unstored_since_us)
        return std::nullopt;
    return proto::Gap{unstored_since_us, std::nullopt, std::string(store_failed), lost_events};
}

proto::Coverage assemble_coverage(CoverageRecords records, std::optional<std::int64_t> since_us,
                                  std::int64_t until_us) {
    if (records.expired_until_us)
        expire(records, *records.expired_until_us);
    if (const auto gap = records.present ? records.present->unstored() : std::nullopt)
        records.gaps.push_back(*gap);
    const Span asked = asked_span(records, since_us, until_us);
    proto::Coverage answer;
    answer.intervals = cut(std::move(records.intervals), asked);
    std::vector<proto::Gap> gaps = std::move(records.gaps);
    std::erase_if(gaps, [&](const auto &gap) { return !overlap(span_of(gap), asked); });

    std::vector<Span> known;
    for (const proto::CoverageInterval &interval : answer.intervals)
        known.push_back(span_of(interval));
    for (const proto::Gap &gap : gaps)
        known.push_back(span_of(gap));
    for (const Span &span : left_over(std::move(known), asked)) {
        const bool before_records = !records.first_us || span.until <= *records.first_us;
        const bool has_expired = before_records && records.expired_until_us;
        proto::Gap gap{span.since, span.until, std::string(has_expired ? expired : not_running),
                       std::nullopt};
        if (before_records && span.since == asked.since)
            gap.since_usec.reset();
        gaps.push_back(std::move(gap));
    }
    answer.gaps = join(std::move(gaps));
    const bool samples_only = std::ranges::any_of(answer.intervals, [](const auto &interval) {
        return interval.source == CaptureTier::procfs;
    });
    answer.complete = answer.gaps.empty() && !samples_only;
    return answer;
}

} // namespace portd::store
