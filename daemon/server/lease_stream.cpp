#include "lease_stream.hpp"

#include "proto/codec.hpp"
#include "replies.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {

namespace {

// Where a lease stands in the order of time.
std::int64_t opened_by_us(const proto::Lease &lease) {
    const proto::Moment &opened = lease.opened;
    return opened.usec ? *opened.usec : opened.latest_usec.value_or(0);
}

} // namespace

LeaseStream::LeaseStream(LeaseQuestion question, const Caller &caller)
    : question_(std::move(question)), caller_(caller), goes_back_(question_.newest.has_value()) {
    bind_failures_.exhausted = !question_.with_bind_failures;
    if (goes_back_) {
        question_.query.newest_first = true;
        question_.limit = question_.newest;
    }
    sent_ = question_.after.value_or(Cursor{});
    sent_.newest_first = question_.query.newest_first;
    leases_.after = sent_.lease;
    bind_failures_.after = sent_.bind_failure;
}

std::string LeaseStream::next(model::History &history, std::int64_t) {
    std::string out;
    try {
        fetch(history);
        if (goes_back_) {
            go_back();
        } else {
            append_fetched(out);
            if (is_exhausted())
                append_last(out, history);
        }
        if (silence_.is_too_long(out.empty()))
            out = framed_continued(encode(proto::LeaseReply{}));
    } catch (const std::exception &fault) {
        out += framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
        finished_ = true;
    }
    return out;
}

void LeaseStream::go_back() {
    while (leases_.is_known() && bind_failures_.is_known() && !is_exhausted())
        if (auto reply = lease_is_next() ? take_lease() : take_bind_failure()) {
            if (reply->cursor)
                older_ = std::move(reply->cursor);
            --*question_.limit;
        }
    if (is_exhausted() && leases_.is_known() && bind_failures_.is_known())
        turn();
}

// To those behind the first that were not passed over; where all were, to the beginning.
void LeaseStream::turn() {
    const auto restart = [](auto &fetched) {
        fetched.after.reset();
        if (!fetched.entries.empty())
            fetched.after = fetched.entries.front().place;
        fetched.entries.clear();
        fetched.exhausted = false;
    };
    restart(leases_);
    restart(bind_failures_);
    bind_failures_.exhausted = !question_.with_bind_failures;
    question_.query.newest_first = false;
    question_.limit = question_.newest;
    goes_back_ = false;
}

// One page of each that has run out.
void LeaseStream::fetch(model::History &history) {
    const auto keep = [](auto &fetched, auto &contents, const auto &page) {
        for (std::size_t i = 0; i < contents.size(); ++i)
            fetched.entries.push_back({std::move(contents[i]), page.places.at(i)});
        fetched.after = page.next;
        fetched.exhausted = !page.next;
    };
    if (!leases_.is_known()) {
        model::LeasePage page = history.page(question_.query, leases_.after, page_limit());
        keep(leases_, page.leases, page);
    }
    if (!bind_failures_.is_known()) {
        model::BindFailurePage page =
            history.bind_failures(question_.query, bind_failures_.after, page_limit());
        keep(bind_failures_, page.failures, page);
    }
}

void LeaseStream::append_fetched(std::string &out) {
    std::size_t entries = 0;
    while (leases_.is_known() && bind_failures_.is_known() && !is_exhausted()) {
        if (auto reply = lease_is_next() ? take_lease() : take_bind_failure())
            append(out, *std::move(reply));
        ++entries;
    }
    fit_page(entries, out.size());
}

// A lease that began at the instant of an attempt to bind comes before it.
bool LeaseStream::lease_is_next() const {
    if (leases_.entries.empty() || bind_failures_.entries.empty())
        return bind_failures_.entries.empty();
    const proto::Lease &lease = leases_.entries.front().content;
    const proto::BindFailure &attempt = bind_failures_.entries.front().content;
    const bool in_one_boot =
        lease.boot_id == attempt.boot_id && lease.opened.boot_usec && attempt.boot_usec;
    const std::int64_t opened_us = in_one_boot ? *lease.opened.boot_usec : opened_by_us(lease);
    const std::int64_t attempt_us = in_one_boot ? *attempt.boot_usec : attempt.at_usec;
    return question_.query.newest_first ? opened_us > attempt_us : opened_us <= attempt_us;
}

// A cursor tells when a lease was found: that of one that is cut is not told, and an answer that
// goes on behind a cursor has none of those.
std::optional<proto::LeaseReply> LeaseStream::take_lease() {
    auto [lease, place] = std::move(leases_.entries.front());
    leases_.entries.pop_front();
    proto::LeaseReply reply;
    reply.lease = visible(std::move(lease), caller_, question_.others);
    if (!reply.lease)
        return std::nullopt;
    if (reply.lease->incomplete) {
        question_.withheld = true;
    } else {
        sent_.lease = place;
        reply.cursor = to_text(sent_);
    }
    return reply;
}

std::optional<proto::LeaseReply> LeaseStream::take_bind_failure() {
    auto [failure, place] = std::move(bind_failures_.entries.front());
    bind_failures_.entries.pop_front();
    proto::LeaseReply reply;
    reply.bind_failure = visible(std::move(failure), caller_);
    if (!reply.bind_failure)
        return std::nullopt;
    question_.withheld = question_.withheld || reply.bind_failure->incomplete;
    sent_.bind_failure = place;
    reply.cursor = to_text(sent_);
    return reply;
}

void LeaseStream::append(std::string &out, proto::LeaseReply reply) {
    if (!question_.with_bind_failures || question_.newest)
        reply.cursor.reset();
    out += framed_entry(encode_text(reply));
    if (question_.limit)
        --*question_.limit;
}

bool LeaseStream::is_exhausted() const {
    return question_.limit == 0 || (leases_.is_over() && bind_failures_.is_over());
}

void LeaseStream::append_last(std::string &out, model::History &history) {
    proto::LeaseReply last;
    last.withheld = question_.withheld;
    last.cursor = older_;
    const std::optional<Interval> &asked = question_.coverage_of;
    last.coverage =
        asked ? history.coverage(asked->since_us, asked->until_us) : history.present_coverage();
    last.coverage->complete = last.coverage->complete && question_.recorded && !last.withheld;
    out += framed(success(encode(last)));
    finished_ = true;
}

// Leases differ in size by three orders of magnitude: it depends on their holders.
void LeaseStream::fit_page(std::size_t entries, std::size_t bytes) {
    if (bytes > 0)
        page_ = std::clamp<std::size_t>(entries * page_bytes / bytes, 1, largest_page);
}

std::size_t LeaseStream::page_limit() const {
    if (!question_.limit || goes_back_)
        return page_;
    return static_cast<std::size_t>(
        std::min<std::int64_t>(*question_.limit, static_cast<std::int64_t>(page_)));
}

} // namespace portd::server
