// How near the ports that the kernel chooses from are to exhaustion, in words. Pure.
#pragma once

#include "client/table.hpp"
#include "proto/answers.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::client {

// In use for four fifths or more, or so within an hour; a port that lingers and
// connect(2) takes again is not in use.
bool is_near(const proto::PoolPressure &pool, std::int64_t now_usec);

// Whether it is known how fast it gets near to exhaustion, where it can.
bool is_growth_known(const proto::PoolPressure &pool);

// Of a pool that would be near if the ports that linger were lost.
std::optional<std::string> lingering_remark(const proto::PoolPressure &pool, std::int64_t now_usec,
                                            Charset charset);

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

// What is near to exhaustion, a sentence for each pool that the same helps against, and what that is.
struct Trouble {
    std::vector<std::string> sentences;
    std::vector<std::string> remedies;
};
std::vector<Trouble> troubles_of(const std::vector<proto::PoolPressure> &pools,
                                 const proto::PressureSummary &summary, std::int64_t now_usec,
                                 Charset charset);

} // namespace portd::client
