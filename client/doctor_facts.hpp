// Where the facts of client/doctor.hpp come from: this machine, and the daemon.
#pragma once

#include "client/doctor.hpp"
#include "client/session.hpp"

namespace portd::client {

// Looks, and changes nothing. What cannot be seen is left as unknown. Without a state directory it
// is the one that the daemon tells, or else the usual one.
Facts gather_facts(const Session &session, const std::optional<std::string> &state_directory);

// What `systemctl show` printed: a line "Name=value" each.
UnitFacts parse_unit(std::string_view text);
// CapEff of /proc/PID/status.
std::optional<std::uint64_t> parse_capabilities(std::string_view status);

} // namespace portd::client
