#include "pressure_stream.hpp"

#include "proto/answers.hpp"
#include "replies.hpp"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {
namespace {

// Of less, nothing can be said about how use grows.
constexpr std::int64_t least_window_us = 1'000'000;

// Since when somebody has been watching. What was not seen while a few events were lost is found by
// looking, and no reason to begin anew.
std::int64_t watched_since(const proto::Coverage &coverage, std::int64_t since_us,
                           std::int64_t now_us) {
    for (const proto::Gap &gap : coverage.gaps)
        if (!gap.lost_events)
            since_us = std::max(since_us, gap.until_usec.value_or(now_us));
    return since_us;
}

} // namespace

PressureStream::PressureStream(PressureQuestion question, const Caller &caller)
    : question_(std::move(question)), caller_(caller), progress_(question_.settings.now_us) {}

std::string PressureStream::next(model::History &history, std::int64_t now_us) {
    try {
        switch (stage_) {
        case Stage::coverage:
            look_at_coverage(history);
            break;
        case Stage::open:
            look_at_open(history);
            break;
        case Stage::window:
            look_at_window(history);
            break;
        case Stage::pools:
            return pools();
        case Stage::over:
            return "";
        }
        return progress_.due<proto::PressureReply>(now_us);
    } catch (const std::exception &fault) {
        stage_ = Stage::over;
        return framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
    }
}

// What was there when watching began is no growth.
void PressureStream::look_at_coverage(model::History &history) {
    PoolTable::Settings &settings = question_.settings;
    const std::int64_t asked_since_us = settings.now_us - settings.window_us;
    coverage_ = history.coverage(asked_since_us, std::nullopt);
    settings.window_us =
        settings.now_us - watched_since(coverage_, asked_since_us, settings.now_us);
    settings.knows_past = settings.knows_past && settings.window_us >= least_window_us;
    table_.emplace(settings);
    stage_ = Stage::open;
}

model::LeaseQuery PressureStream::query() const {
    model::LeaseQuery query;
    query.protocol = question_.protocol;
    if (question_.network_namespace)
        query.network_namespace = static_cast<std::uint32_t>(*question_.network_namespace);
    query.now_us = question_.settings.now_us;
    query.visible_to_uid = caller_.limited_to();
    return query;
}

void PressureStream::look_at_open(model::History &history) {
    model::LeaseQuery open = query();
    open.open_only = true;
    auto page = history.page(open, cursor_, page_entries);
    progress_.look_through(page.leases, caller_, OthersOpen::cut,
                           [&](proto::Lease lease) { table_->count(std::move(lease)); });
    cursor_ = page.next;
    if (page.next)
        return;
    table_->choose();
    stage_ = Stage::window;
}

// Of others, those that are open: that they are, the kernel shows to all.
void PressureStream::look_at_window(model::History &history) {
    model::LeaseQuery window = query();
    if (question_.settings.knows_past)
        window.since_us = question_.settings.now_us - question_.settings.window_us;
    else
        window.open_only = true;
    auto page = history.page(window, cursor_, page_entries);
    progress_.look_through(page.leases, caller_, OthersOpen::cut,
                           [&](proto::Lease lease) { table_->add(std::move(lease)); });
    cursor_ = page.next;
    if (!page.next)
        stage_ = Stage::pools;
}

std::string PressureStream::pools() {
    std::string out;
    for (proto::PoolPressure &pool : table_->pools()) {
        proto::PressureReply reply;
        reply.pool = std::move(pool);
        out += framed_continued(encode(reply));
    }
    const PoolTable::Settings &settings = question_.settings;
    proto::PressureSummary summary;
    summary.network_namespace = question_.settings.own_namespace;
    const auto asked = question_.network_namespace.value_or(question_.settings.own_namespace);
    if (const auto ports = settings.ports->find(static_cast<std::uint32_t>(asked));
        ports != settings.ports->end()) {
        summary.range_low = ports->second.local_range.low;
        summary.range_high = ports->second.local_range.high;
        summary.reserved_ports = model::port_list_text(ports->second.reserved);
    }
    summary.window_usec = settings.window_us;
    summary.other_destinations = table_->other_destinations();
    summary.withheld = caller_.sight == Sight::own;
    summary.coverage = std::move(coverage_);
    summary.coverage.complete = summary.coverage.complete && !summary.withheld;
    proto::PressureReply last;
    last.summary = std::move(summary);
    stage_ = Stage::over;
    return out + framed(success(encode(last)));
}

} // namespace portd::server
