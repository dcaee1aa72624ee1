#include "verify_stream.hpp"

#include "proto/codec.hpp"
#include "replies.hpp"

#include <exception>
#include <nlohmann/json.hpp>

namespace portd::server {
namespace {

// Who asks for nothing else waits for a reply no longer than this.
constexpr std::int64_t progress_interval_us = 500'000;

} // namespace

std::string VerifyStream::next(model::History &, std::int64_t now_us) {
    std::string out;
    try {
        while (const auto told = verification_->next()) {
            if (told->progress && now_us >= told_at_us_ &&
                now_us - told_at_us_ < progress_interval_us)
                break;
            told_at_us_ = now_us;
            proto::Reply reply = success(encode(*told));
            finished_ = told->sound.has_value();
            reply.continues = !finished_;
            out += framed(reply);
            if (told->progress || finished_)
                break;
        }
    } catch (const std::exception &fault) {
        out += framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
        finished_ = true;
    }
    if (finished_)
        verification_.reset();
    return out;
}

} // namespace portd::server
