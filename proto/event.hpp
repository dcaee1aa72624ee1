// What a reply to Watch tells; a word like those of proto/vocabulary.hpp.
#pragma once

#include "proto/vocabulary.hpp"

#include <cstdint>
#include <string_view>

namespace portd {

//   open    a lease that was open when the watch began
//   ready   the open leases have all been told; what follows happens
//   opened  a lease was found
//   ended   its port is free
//   gap     portd was not watching for a while, or lost what it saw
enum class Event : std::uint8_t { open, ready, opened, ended, gap };

std::string_view to_string(Event);

} // namespace portd
