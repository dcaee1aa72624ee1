// How far a long answer has come, told twice a second.
#pragma once

#include "proto/messages.hpp"

#include <cstdint>
#include <optional>

namespace portd::server {

class Progress {
  public:
    explicit Progress(std::int64_t now_us) : told_at_us_(now_us) {}

    void looked_at(const proto::Lease &lease) {
        ++state_.examined;
        state_.reached_usec = lease.opened.usec ? lease.opened.usec : lease.opened.latest_usec;
    }
    void looked_at(const proto::BindFailure &) { ++state_.examined; }

    // What is to be told now, if anything is.
    std::optional<proto::AuditProgress> due(std::int64_t now_us) {
        // The clock may have been set back.
        if (now_us >= told_at_us_ && now_us - told_at_us_ < interval_us)
            return std::nullopt;
        told_at_us_ = now_us;
        return state_;
    }

  private:
    static constexpr std::int64_t interval_us = 500'000;

    proto::AuditProgress state_;
    std::int64_t told_at_us_;
};

} // namespace portd::server
