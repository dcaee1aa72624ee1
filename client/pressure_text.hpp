// How near the ports that the kernel chooses from are to exhaustion, in words. Pure.
#pragma once

#include "client/table.hpp"
#include "proto/answers.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace portd::client {

// In use for four fifths or more, or so within an hour.
bool is_near(const proto::PoolPressure &pool, std::int64_t now_usec);

std::vector<Column> pressure_columns();
Row pressure_row(const proto::PoolPressure &pool, std::int64_t now_usec, Charset charset);

// "Connections from 10.0.0.5 to 192.0.2.1:443 have 180 of 200 ports (90 %), …": what a pool that is
// near to exhaustion suffers from; with the network namespace where that is not the daemon's.
std::string describe_trouble(const proto::PoolPressure &pool, const proto::PressureSummary &summary,
                             Charset charset);
// What helps, a sentence each; behind a newline the command that does it, in the network namespace
// that the sentence names, if it does.
std::vector<std::string> remedies_of(const proto::PoolPressure &pool,
                                     const proto::PressureSummary &summary, Charset charset);

} // namespace portd::client
