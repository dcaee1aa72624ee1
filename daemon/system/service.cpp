#include "system/service.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <systemd/sd-daemon.h>

namespace portd::system {

void notify_ready(const std::string &status) {
    sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

// systemd from version 253 on wants to know when, and counts from there.
void notify_reloading() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t now_us = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
    sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now_us)).c_str());
}

void notify_still_starting(std::chrono::seconds most, const std::string &status) {
    const std::chrono::microseconds most_us = most;
    sd_notify(
        0,
        ("EXTEND_TIMEOUT_USEC=" + std::to_string(most_us.count()) + "\nSTATUS=" + status).c_str());
}

void notify_stopping() {
    sd_notify(0, "STOPPING=1");
}

void notify_watchdog() {
    sd_notify(0, "WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watchdog_period() {
    std::uint64_t period_us = 0;
    if (sd_watchdog_enabled(0, &period_us) <= 0)
        return std::nullopt;
    return std::chrono::microseconds(period_us);
}

std::vector<NamedDescriptor> received_descriptors() {
    char **names = nullptr;
    const int count = sd_listen_fds_with_names(1, &names);
    std::vector<NamedDescriptor> descriptors;
    for (int i = 0; i < count; ++i) {
        descriptors.push_back({names[i], Fd(SD_LISTEN_FDS_START + i)});
        std::free(names[i]);
    }
    std::free(static_cast<void *>(names));
    return descriptors;
}

Fd take_descriptor(std::vector<NamedDescriptor> &descriptors, const std::string &name) {
    const auto found = std::ranges::find(descriptors, name, &NamedDescriptor::name);
    if (found == descriptors.end())
        return {};
    Fd taken = std::move(found->fd);
    descriptors.erase(found);
    return taken;
}

// FDPOLL=0: those of BPF objects cannot be watched for a hangup, which would drop them.
void store_descriptors(const std::string &name, const std::vector<int> &descriptors) {
    sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name).c_str(),
                           descriptors.data(), static_cast<unsigned>(descriptors.size()));
}

void forget_descriptors(const std::string &name) {
    sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str());
}

} // namespace portd::system
