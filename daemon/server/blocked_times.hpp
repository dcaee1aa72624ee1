// The stretches of time in which a bind of a port would have failed: those of the leases that were
// in its way, joined where they meet. Pure.
//
// Memory is bounded: beyond `most_times` the oldest are forgotten, and counted.
#pragma once

#include "proto/answers.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace portd::server {

class BlockedTimes {
  public:
    static constexpr std::size_t most_times = 32;

    // Times before `since_us` are left out.
    explicit BlockedTimes(std::int64_t since_us) : since_us_(since_us) {}

    // The verdict is that of the lease; one that does not block adds nothing.
    void add(const proto::Lease &lease, BindVerdict verdict);

    const std::vector<proto::BlockedTime> &times() const { return times_; }
    std::int64_t forgotten() const { return forgotten_; }

  private:
    std::int64_t since_us_;
    std::vector<proto::BlockedTime> times_; // in the order of time, apart from each other
    std::int64_t forgotten_ = 0;
};

} // namespace portd::server
