// Leases and bind failures as comma-separated values (RFC 4180). Pure.
//
// Every time is given by its bounds, in UTC and to the microsecond, which are equal where it was
// observed. Texts are escaped as on a terminal (text.hpp), so that none of them can end a line.
#pragma once

#include "client/text.hpp"
#include "proto/messages.hpp"

#include <string>

namespace portd::client {

std::string csv_heading();
std::string csv_line(const proto::Lease &lease, Charset charset);
std::string csv_line(const proto::BindFailure &failure, Charset charset);

} // namespace portd::client
