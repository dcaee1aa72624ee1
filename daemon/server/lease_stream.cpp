#include "lease_stream.hpp"

#include "proto/codec.hpp"
#include "replies.hpp"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {

LeaseStream::LeaseStream(LeaseQuestion question, const Caller &caller)
    : question_(std::move(question)), caller_(caller) {}

std::string LeaseStream::next(model::History &history, std::int64_t now_us) {
    std::string out;
    try {
        append_page(out, history);
        if (exhausted_)
            append_last(out, history, now_us);
    } catch (const std::exception &fault) {
        out += framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
        finished_ = true;
    }
    return out;
}

void LeaseStream::append_page(std::string &out, model::History &history) {
    model::LeasePage page = history.page(question_.query, after_, page_limit());
    for (proto::Lease &lease : page.leases) {
        proto::LeaseReply reply;
        reply.lease = visible(std::move(lease), caller_, question_.others);
        if (!reply.lease)
            continue;
        question_.withheld = question_.withheld || reply.lease->incomplete;
        proto::Reply message = success(encode(reply));
        message.continues = true;
        out += framed(message);
        if (question_.limit && --*question_.limit == 0)
            break;
    }
    fit_page(page.leases.size(), out.size());
    after_ = page.next;
    exhausted_ = !after_ || question_.limit == 0;
}

void LeaseStream::append_last(std::string &out, model::History &history, std::int64_t now_us) {
    proto::LeaseReply last;
    last.withheld = question_.withheld;
    last.coverage = question_.coverage_of ? coverage_of(*question_.coverage_of, history, now_us)
                                          : history.coverage(now_us, now_us);
    last.coverage->complete = last.coverage->complete && question_.recorded && !last.withheld;
    out += framed(success(encode(last)));
    finished_ = true;
}

// Leases differ in size by three orders of magnitude: it depends on their holders.
void LeaseStream::fit_page(std::size_t leases, std::size_t bytes) {
    if (bytes > 0)
        page_ = std::clamp<std::size_t>(leases * page_bytes / bytes, 1, largest_page);
}

std::size_t LeaseStream::page_limit() const {
    if (!question_.limit)
        return page_;
    return static_cast<std::size_t>(
        std::min<std::int64_t>(*question_.limit, static_cast<std::int64_t>(page_)));
}

} // namespace portd::server
