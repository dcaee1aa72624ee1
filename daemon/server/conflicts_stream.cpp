#include "conflicts_stream.hpp"

#include "proto/answers.hpp"
#include "replies.hpp"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {

ConflictsStream::ConflictsStream(ConflictsQuestion question, const Caller &caller)
    : question_(std::move(question)),
      caller_(caller),
      table_(question_.ports, question_.network_namespace),
      progress_(question_.now_us) {}

std::string ConflictsStream::next(model::History &history, std::int64_t now_us) {
    try {
        switch (stage_) {
        case Stage::open:
            look_at_open(history);
            break;
        case Stage::failures:
            look_at_failures(history);
            break;
        case Stage::past:
            look_at_past(history);
            break;
        case Stage::conflicts:
            return conflicts(history);
        case Stage::over:
            return "";
        }
        return progress_.due<proto::ConflictsReply>(now_us);
    } catch (const std::exception &fault) {
        stage_ = Stage::over;
        return framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
    }
}

model::LeaseQuery ConflictsStream::query() const {
    model::LeaseQuery query;
    query.network_namespace = static_cast<std::uint32_t>(question_.network_namespace);
    query.now_us = question_.now_us;
    query.visible_to_uid = caller_.limited_to();
    return query;
}

// What is cut does not tell who chose the port.
void ConflictsStream::look_at_open(model::History &history) {
    model::LeaseQuery open = query();
    open.open_only = true;
    auto page = history.page(open, lease_cursor_, page_entries);
    progress_.look_through(page.leases, caller_, OthersOpen::withheld,
                           [&](proto::Lease lease) { table_.add_open(std::move(lease)); });
    lease_cursor_ = page.next;
    if (!page.next)
        stage_ = Stage::failures;
}

void ConflictsStream::look_at_failures(model::History &history) {
    model::LeaseQuery refused = query();
    refused.since_us = question_.since_us;
    auto page = history.bind_failures(refused, failure_cursor_, page_entries);
    progress_.look_through(page.failures, caller_,
                           [&](proto::BindFailure one) { table_.add(std::move(one)); });
    failure_cursor_ = page.next;
    if (page.next)
        return;
    left_ = table_.ports();
    stage_ = left_.empty() ? Stage::conflicts : Stage::past;
}

// One port after the other.
void ConflictsStream::look_at_past(model::History &history) {
    model::LeaseQuery past = query();
    past.port = static_cast<std::uint16_t>(left_.back().first);
    past.protocol = left_.back().second;
    past.since_us = question_.since_us;
    if (*past.protocol == Protocol::tcp)
        past.role = Role::client;
    auto page = history.page(past, lease_cursor_, page_entries);
    progress_.look_through(page.leases, caller_, OthersOpen::withheld,
                           [&](proto::Lease lease) { table_.add_past(std::move(lease)); });
    lease_cursor_ = page.next;
    if (!page.next)
        left_.pop_back();
    if (left_.empty())
        stage_ = Stage::conflicts;
}

std::string ConflictsStream::conflicts(model::History &history) {
    std::string out;
    proto::ConflictsSummary summary;
    for (proto::PortConflict &conflict : table_.conflicts()) {
        proto::ConflictsReply reply;
        reply.conflict = std::move(conflict);
        out += framed_continued(encode(reply));
        ++summary.conflicts;
    }
    summary.network_namespace = question_.network_namespace;
    summary.range_low = question_.ports.local_range.low;
    summary.range_high = question_.ports.local_range.high;
    summary.reserved_ports = model::port_list_text(question_.ports.reserved);
    summary.since_usec = question_.since_us;
    summary.reserved = table_.reserved();
    summary.choice_unknown = table_.choice_unknown();
    summary.withheld = caller_.sight == Sight::own;
    summary.coverage = history.coverage(question_.since_us, std::nullopt);
    summary.coverage.complete = summary.coverage.complete && !summary.withheld;
    proto::ConflictsReply last;
    last.summary = std::move(summary);
    stage_ = Stage::over;
    return out + framed(success(encode(last)));
}

} // namespace portd::server
