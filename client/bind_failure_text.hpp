// An attempt to bind a port, in words. Pure.
#pragma once

#include "client/text.hpp"
#include "proto/messages.hpp"

#include <string>

namespace portd::client {

// The program that tried, and why it was refused:
//   python3[99], in use by nginx[812] (+1)   by that process, and by one more
//   python3[99], left lingering by curl[8]   by a port in TIME_WAIT or the like
//   python3[99], in use, withheld            by a lease that the caller may not see
//   python3[99], in use by nginx[812], or for another reason
//   python3[99], not permitted
//   python3[99], refused                     nothing tells why
std::string format_attempt(const proto::BindFailure &failure, Charset charset);

} // namespace portd::client
