#include "why_stream.hpp"

#include "proto/codec.hpp"
#include "replies.hpp"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {

WhyStream::WhyStream(WhyQuestion question, const Caller &caller)
    : question_(std::move(question)),
      caller_(caller),
      diagnosis_(question_.bind, question_.since_us),
      progress_(question_.now_us) {
    if (question_.ports)
        diagnosis_.set_ports(*question_.ports, question_.port);
}

std::string WhyStream::next(model::History &history, std::int64_t now_us) {
    try {
        switch (stage_) {
        case Stage::open:
            look_at_open(history);
            break;
        case Stage::past:
            look_at_past(history);
            break;
        case Stage::failures:
            look_at_failures(history);
            break;
        case Stage::diagnosis:
            return diagnosis(history);
        case Stage::over:
            return "";
        }
        return progress_.due<proto::WhyReply>(now_us);
    } catch (const std::exception &fault) {
        stage_ = Stage::over;
        return framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
    }
}

model::LeaseQuery WhyStream::query() const {
    model::LeaseQuery query;
    query.port = question_.port;
    query.now_us = question_.now_us;
    query.visible_to_uid = caller_.limited_to();
    return query;
}

void WhyStream::look_at_open(model::History &history) {
    model::LeaseQuery open = query();
    open.open_only = true;
    auto page = history.page(open, lease_cursor_, page_entries);
    progress_.look_through(page.leases, caller_, OthersOpen::cut,
                           [&](proto::Lease lease) { diagnosis_.add_open(std::move(lease)); });
    lease_cursor_ = page.next;
    if (!page.next)
        stage_ = Stage::past;
}

// Of others it would tell when they had the port.
void WhyStream::look_at_past(model::History &history) {
    model::LeaseQuery past = query();
    past.protocol = question_.bind.protocol;
    past.network_namespace = static_cast<std::uint32_t>(question_.bind.network_namespace);
    past.since_us = question_.since_us;
    auto page = history.page(past, lease_cursor_, page_entries);
    progress_.look_through(page.leases, caller_, OthersOpen::withheld,
                           [&](proto::Lease lease) { diagnosis_.add_past(std::move(lease)); });
    lease_cursor_ = page.next;
    if (!page.next)
        stage_ = Stage::failures;
}

void WhyStream::look_at_failures(model::History &history) {
    model::LeaseQuery refused = query();
    refused.since_us = question_.since_us;
    refused.newest_first = true;
    auto page = history.bind_failures(refused, failure_cursor_, page_entries);
    progress_.look_through(page.failures, caller_,
                           [&](proto::BindFailure one) { diagnosis_.add(std::move(one)); });
    failure_cursor_ = page.next;
    if (!page.next)
        stage_ = Stage::diagnosis;
}

std::string WhyStream::diagnosis(model::History &history) {
    proto::WhyReply reply;
    reply.diagnosis = diagnosis_.finish();
    proto::Diagnosis &told = *reply.diagnosis;
    told.recorded = question_.recorded;
    told.withheld = caller_.sight == Sight::own;
    told.coverage = history.coverage(question_.since_us, std::nullopt);
    told.coverage.complete = told.coverage.complete && told.recorded && !told.withheld;
    stage_ = Stage::over;
    return framed(success(encode(reply)));
}

} // namespace portd::server
