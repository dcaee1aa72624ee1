#include "audit_stream.hpp"

#include "proto/codec.hpp"
#include "replies.hpp"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {

AuditStream::AuditStream(AuditQuestion question, const Caller &caller, std::int64_t now_us)
    : question_(std::move(question)), caller_(caller), table_(question_.by), progress_(now_us) {}

std::string AuditStream::next(model::History &history, std::int64_t now_us) {
    try {
        if (leases_over_ && failures_over_)
            return groups(history);
        leases_over_ ? look_at_bind_failures(history) : look_at_leases(history);
        return progress_.due<proto::AuditReply>(now_us);
    } catch (const std::exception &fault) {
        finished_ = true;
        return framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
    }
}

void AuditStream::look_at_leases(model::History &history) {
    auto page = history.page(question_.query, lease_cursor_, page_entries);
    progress_.look_through(page.leases, caller_, OthersOpen::withheld,
                           [&](proto::Lease lease) { table_.add(std::move(lease)); });
    lease_cursor_ = page.next;
    leases_over_ = !page.next;
}

void AuditStream::look_at_bind_failures(model::History &history) {
    auto page = history.bind_failures(question_.query, failure_cursor_, page_entries);
    progress_.look_through(page.failures, caller_,
                           [&](proto::BindFailure one) { table_.add(std::move(one)); });
    failure_cursor_ = page.next;
    failures_over_ = !page.next;
}

std::string AuditStream::groups(model::History &history) {
    if (!summary_)
        summary_ = table_.summary(question_.order, question_.limit);
    std::string out;
    for (std::size_t i = 0; i < groups_at_once && told_groups_ < summary_->groups.size(); ++i) {
        proto::AuditReply reply;
        reply.group = std::move(summary_->groups[told_groups_++]);
        out += framed_continued(encode(reply));
    }
    if (told_groups_ == summary_->groups.size()) {
        out += framed(success(encode(last(history))));
        finished_ = true;
    }
    return out;
}

proto::AuditReply AuditStream::last(model::History &history) {
    proto::AuditReply reply;
    reply.other = std::move(summary_->other);
    reply.groups_in_other = summary_->groups_in_other;
    reply.withheld = caller_.sight == Sight::own;
    reply.coverage = history.coverage(question_.interval.since_us, question_.interval.until_us);
    reply.coverage->complete = reply.coverage->complete && question_.recorded && !reply.withheld;
    return reply;
}

} // namespace portd::server
