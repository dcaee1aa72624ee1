// How far a long answer has come through leases and bind failures, told twice a second.
#pragma once

#include "access.hpp"
#include "moment.hpp"
#include "proto/codec.hpp"
#include "proto/messages.hpp"
#include "replies.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portd::server {

class Progress {
  public:
    explicit Progress(std::int64_t now_us) : told_at_us_(now_us) {}

    // Gives `add` what the caller may see of a page.
    template <typename Add>
    void look_through(std::vector<proto::Lease> &leases, const Caller &caller, OthersOpen others,
                      const Add &add) {
        for (proto::Lease &lease : leases) {
            ++state_.examined;
            state_.reached_usec = latest_usec(lease.opened);
            if (auto shown = visible(std::move(lease), caller, others))
                add(*std::move(shown));
        }
    }
    template <typename Add>
    void look_through(std::vector<proto::BindFailure> &failures, const Caller &caller,
                      const Add &add) {
        for (proto::BindFailure &failure : failures) {
            ++state_.examined;
            if (auto shown = visible(std::move(failure), caller))
                add(*std::move(shown));
        }
    }

    // What was looked at elsewhere.
    void count(std::size_t examined) { state_.examined += static_cast<std::int64_t>(examined); }

    // The reply that tells it, framed; nothing if it is not time for one.
    template <typename Reply>
    std::string due(std::int64_t now_us) {
        // The clock may have been set back.
        if (now_us >= told_at_us_ && now_us - told_at_us_ < interval_us)
            return "";
        told_at_us_ = now_us;
        Reply reply;
        reply.progress = state_;
        return framed_continued(encode(reply));
    }

  private:
    static constexpr std::int64_t interval_us = 500'000;

    proto::AuditProgress state_;
    std::int64_t told_at_us_;
};

} // namespace portd::server
