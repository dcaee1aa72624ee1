// The services database, services(5).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace portd::server {

// The names of a port over tcp and udp, as "name/protocol"; none if it has none. Throws
// std::system_error if the database cannot be read.
std::vector<std::string> services_of(std::uint16_t port);

} // namespace portd::server
