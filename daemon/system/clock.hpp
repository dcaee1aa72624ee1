// The machine's clocks.
#pragma once

#include "model/instant.hpp"
#include "system/fd.hpp"

#include <string>

namespace portd::system {

// CLOCK_BOOTTIME and CLOCK_REALTIME, clock_gettime(2).
class SystemClock : public model::Clock {
  public:
    model::Instant now() const override;
    std::int64_t wall_offset_us() const override;
};

// Becomes ready to read when the wall clock is set, but not when it is slewed (timerfd_create(2),
// TFD_TIMER_CANCEL_ON_SET).
Fd watch_clock();
// Makes it ready for the next time.
void forget_setting(int clock_watch);

// CPU time of this process, user and system, in microseconds.
std::int64_t cpu_time_us();

// Resident memory of this process, from /proc/self/statm.
std::int64_t resident_bytes();

// 128 random bits of this boot as 32 lower-case hex digits, from /proc/sys/kernel/random/boot_id.
std::string boot_id();

} // namespace portd::system
