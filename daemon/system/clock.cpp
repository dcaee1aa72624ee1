#include "system/clock.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <system_error>
#include <unistd.h>

namespace portd::system {
namespace {

std::int64_t read_clock_us(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
}

} // namespace

model::Instant SystemClock::now() const {
    return model::instant_from_us(read_clock_us(CLOCK_BOOTTIME));
}

std::int64_t SystemClock::wall_offset_us() const {
    return read_clock_us(CLOCK_REALTIME) - read_clock_us(CLOCK_BOOTTIME);
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
