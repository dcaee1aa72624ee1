#include "export_stream.hpp"

#include "proto/codec.hpp"
#include "replies.hpp"

#include <exception>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace portd::server {
namespace {

model::LeaseQuery query_of(const ExportQuestion &question, const Caller &caller) {
    model::LeaseQuery query;
    query.since_us = question.interval.since_us;
    query.until_us = question.interval.until_us;
    query.visible_to_uid = caller.limited_to();
    return query;
}

bool touches(const proto::Gap &gap, const Interval &interval) {
    using Limits = std::numeric_limits<std::int64_t>;
    return gap.since_usec.value_or(Limits::min()) <= interval.until_us.value_or(Limits::max()) &&
           gap.until_usec.value_or(Limits::max()) >= interval.since_us.value_or(Limits::min());
}

} // namespace

ExportStream::ExportStream(const ExportQuestion &question, const Caller &caller)
    : question_(question), caller_(caller), feed_(query_of(question, caller), question.after) {}

std::string ExportStream::next(model::History &history, std::int64_t) {
    std::string out;
    is_waiting_ = false;
    try {
        give(history, out);
        const bool is_over = feed_.is_even();
        if (is_over && question_.follow)
            is_waiting_ = true;
        else if (is_over)
            append_last(out, history);
        else if (silence_.is_too_long(out.empty()))
            out = framed_continued(encode(proto::ExportReply{}));
    } catch (const std::exception &fault) {
        out += framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
        finished_ = true;
    }
    return out;
}

void ExportStream::give(model::History &history, std::string &out) {
    if (!feed_.has_window()) {
        if (question_.follow || !horizon_)
            horizon_ = history.horizon(model::Settled::final_state);
        feed_.open_window(*horizon_);
    }
    auto endings = feed_.next(history, page_.entries());
    for (Ending &ending : endings)
        append(out, std::move(ending));
    page_.fit(endings.size(), out.size());
}

void ExportStream::append(std::string &out, Ending ending) {
    proto::ExportReply reply;
    if (ending.lease)
        reply.lease = visible(*std::move(ending.lease), caller_, OthersOpen::withheld);
    if (ending.gap && touches(*ending.gap, question_.interval))
        reply.gap = std::move(ending.gap);
    if (!reply.lease && !reply.gap)
        return;
    reply.cursor = to_cursor(ending.position, CursorOf::export_);
    out += framed_entry(encode_text(reply));
}

void ExportStream::append_last(std::string &out, model::History &history) {
    proto::ExportReply last;
    last.withheld = caller_.sight == Sight::own;
    last.coverage = history.coverage(question_.interval.since_us, question_.interval.until_us);
    last.coverage->complete = last.coverage->complete && !last.withheld;
    last.cursor = to_cursor(feed_.position(), CursorOf::export_);
    out += framed(success(encode(last)));
    finished_ = true;
}

} // namespace portd::server
