// The service manager: what it is told, sd_notify(3), and what it keeps for the next instance.
// Without one, nothing happens.
#pragma once

#include "system/fd.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace portd::system {

void notify_ready(const std::string &status);
// Between this and the next notify_ready() settings are read again.
void notify_reloading();
void notify_stopping();
// That the start takes longer, up to so long from now on; `status` says why.
void notify_still_starting(std::chrono::seconds most, const std::string &status);

// That this process still does its work, which the service manager wants to hear within each
// watchdog_period() (WatchdogSec= of systemd.service(5)). Nothing: it does not want to.
void notify_watchdog();
std::optional<std::chrono::microseconds> watchdog_period();

struct NamedDescriptor {
    std::string name;
    Fd fd;
};

// Those that the service manager handed to this process, sd_listen_fds(3). Once only.
std::vector<NamedDescriptor> received_descriptors();
// Takes one out of them: the first of that name, or nothing.
Fd take_descriptor(std::vector<NamedDescriptor> &descriptors, const std::string &name);

// Puts the descriptors under one name into the service manager's descriptor store. They stay there
// when this process ends, until the service is stopped (FileDescriptorStoreMax= of
// systemd.service(5)).
void store_descriptors(const std::string &name, const std::vector<int> &descriptors);
// Takes out all that have this name.
void forget_descriptors(const std::string &name);

} // namespace portd::system
