#include "system/clock.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <limits>
#include <system_error>

#include <sys/timerfd.h>
#include <unistd.h>

namespace portd::system {
namespace {

std::int64_t read_clock_us(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
}

// Of the difference of two clocks: this process may be interrupted between the readings.
constexpr std::int64_t small_doubt_us = 10;
constexpr int most_attempts = 16;

} // namespace

model::Instant SystemClock::now() const {
    return model::instant_from_us(read_clock_us(CLOCK_BOOTTIME));
}

std::int64_t SystemClock::wall_offset_us() const {
    std::int64_t offset_us = 0;
    std::int64_t least_doubt_us = std::numeric_limits<std::int64_t>::max();
    for (int attempt = 0; attempt < most_attempts && least_doubt_us > small_doubt_us; ++attempt) {
        const std::int64_t before_us = read_clock_us(CLOCK_BOOTTIME);
        const std::int64_t wall_us = read_clock_us(CLOCK_REALTIME);
        const std::int64_t doubt_us = read_clock_us(CLOCK_BOOTTIME) - before_us;
        if (doubt_us >= least_doubt_us)
            continue;
        least_doubt_us = doubt_us;
        offset_us = wall_us - before_us - doubt_us / 2;
    }
    return offset_us;
}

Fd watch_clock() {
    Fd watch(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<time_t>::max() / 2; // and no sum with it overflows
    if (watch.get() < 0 || timerfd_settime(watch.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                                           &never, nullptr) < 0)
        throw std::system_error(errno, std::generic_category(), "cannot watch the clock");
    return watch;
}

void forget_setting(int clock_watch) {
    std::uint64_t expirations = 0;
    // ECANCELED: it was set.
    [[maybe_unused]] const auto nothing = ::read(clock_watch, &expirations, sizeof expirations);
}

std::int64_t cpu_time_us() {
    return read_clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

std::int64_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::int64_t total_pages = 0;
    std::int64_t resident_pages = 0;
    file >> total_pages >> resident_pages;
    return resident_pages * sysconf(_SC_PAGESIZE);
}

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    std::erase(id, '-');
    if (id.size() != 32)
        throw std::system_error(errno, std::generic_category(),
                                "cannot read /proc/sys/kernel/random/boot_id");
    return id;
}

} // namespace portd::system
