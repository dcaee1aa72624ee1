#include "watch_stream.hpp"

#include "proto/codec.hpp"
#include "replies.hpp"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {
namespace {} // namespace

WatchStream::WatchStream(WatchQuestion question, const Caller &caller)
    : question_(std::move(question)),
      caller_(caller),
      feed_(question_.query, question_.after.value_or(ChangePosition{})) {}

std::string WatchStream::next(model::History &history, std::int64_t now_us) {
    std::string out;
    is_waiting_ = false;
    question_.query.now_us = now_us; // lengths of leases that are open
    try {
        tell(history, out);
    } catch (const std::exception &fault) {
        out += framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
        finished_ = true;
    }
    return out;
}

void WatchStream::tell(model::History &history, std::string &out) {
    switch (telling_) {
    case Telling::start:
        return start(history);
    case Telling::open:
        return tell_open(history, out);
    case Telling::ready:
        return tell_ready(history, out);
    case Telling::round:
        begin_round(history);
        return tell_opened(history, out);
    case Telling::opened:
        return tell_opened(history, out);
    case Telling::ended:
        return tell_ended(history, out);
    }
}

void WatchStream::start(model::History &history) {
    if (question_.after) {
        telling_ = Telling::ready;
        return;
    }
    const model::Horizon now = history.horizon(model::Settled::end);
    feed_ = EndFeed(question_.query, {.window = {now.end, now.end},
                                      .reached = std::nullopt,
                                      .gap = now.last_gap,
                                      .opened = now.last_serial});
    telling_ = Telling::open;
}

// Those that are found meanwhile are told as opened later.
void WatchStream::tell_open(model::History &history, std::string &out) {
    model::LeaseQuery query = question_.query;
    query.open_only = true;
    model::LeasePage page = history.page(query, looked_at_, page_.entries());
    looked_at_ = page.next;
    for (std::size_t i = 0; i < page.leases.size(); ++i) {
        if (page.places.at(i) > feed_.position().opened)
            looked_at_.reset();
        else
            append_lease(out, Event::open, std::move(page.leases[i]), std::nullopt);
    }
    page_.fit(page.leases.size(), out.size());
    if (!looked_at_)
        telling_ = Telling::ready;
}

void WatchStream::tell_ready(model::History &history, std::string &out) {
    proto::WatchReply reply;
    reply.event = Event::ready;
    reply.coverage = history.present_coverage();
    reply.withheld = caller_.sight == Sight::own;
    reply.coverage->complete = reply.coverage->complete && !reply.withheld;
    reply.cursor = to_cursor(feed_.position(), CursorOf::watch);
    out += framed_entry(encode_text(reply));
    telling_ = Telling::round;
}

void WatchStream::begin_round(model::History &history) {
    horizon_ = history.horizon(model::Settled::end);
    feed_.open_window(horizon_);
    looked_at_ = feed_.position().opened;
    told_any_ = false;
    telling_ = Telling::opened;
}

void WatchStream::tell_opened(model::History &history, std::string &out) {
    model::LeasePage page = history.page(question_.query, looked_at_, page_.entries());
    for (std::size_t i = 0; i < page.leases.size(); ++i) {
        feed_.told_opened(page.places.at(i));
        append_lease(out, Event::opened, std::move(page.leases[i]), feed_.position());
    }
    page_.fit(page.leases.size(), out.size());
    told_any_ = told_any_ || !page.leases.empty();
    looked_at_ = page.next;
    if (page.next)
        return;
    feed_.told_opened(horizon_.last_serial);
    telling_ = Telling::ended;
}

void WatchStream::tell_ended(model::History &history, std::string &out) {
    auto endings = feed_.next(history, page_.entries());
    for (Ending &ending : endings) {
        if (ending.lease) {
            append_lease(out, Event::ended, *std::move(ending.lease), ending.position);
            continue;
        }
        proto::WatchReply reply;
        reply.event = Event::gap;
        reply.gap = std::move(ending.gap);
        reply.cursor = to_cursor(ending.position, CursorOf::watch);
        out += framed_entry(encode_text(reply));
    }
    page_.fit(endings.size(), out.size());
    told_any_ = told_any_ || !endings.empty();
    if (!feed_.is_even())
        return;
    is_waiting_ = !told_any_;
    telling_ = Telling::round;
}

void WatchStream::append_lease(std::string &out, Event event, proto::Lease lease,
                               const std::optional<ChangePosition> &position) {
    proto::WatchReply reply;
    reply.event = event;
    reply.lease = visible(std::move(lease), caller_, question_.others);
    if (!reply.lease)
        return;
    if (position)
        reply.cursor = to_cursor(*position, CursorOf::watch);
    out += framed_entry(encode_text(reply));
}

} // namespace portd::server
