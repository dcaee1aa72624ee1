// The Varlink interface files that a service hands out with
// org.varlink.service.GetInterfaceDescription.
#pragma once

#include <string_view>

namespace portd::proto {

extern const std::string_view ports_interface;   // io.portd.Ports
extern const std::string_view service_interface; // org.varlink.service

} // namespace portd::proto
