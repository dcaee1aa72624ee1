// What the service manager is told, sd_notify(3). Without one, nothing happens.
#pragma once

#include <string>

namespace portd::system {

void notify_ready(const std::string &status);
void notify_stopping();

} // namespace portd::system
