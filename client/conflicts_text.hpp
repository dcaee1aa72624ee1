// Services on ports that the kernel may choose for others, in words. Pure.
#pragma once

#include "client/table.hpp"
#include "proto/answers.hpp"

#include <string>
#include <vector>

namespace portd::client {

std::vector<Column> conflict_columns();
Row conflict_row(const proto::PortConflict &conflict, Charset charset);

// The command that reserves the ports, those that are reserved already included.
std::string reserving_command(const std::vector<proto::PortConflict> &conflicts,
                              const proto::ConflictsSummary &summary, Charset charset);
// What is not in the table, a sentence each.
std::vector<std::string> describe_rest(const std::vector<proto::PortConflict> &conflicts,
                                       const proto::ConflictsSummary &summary);

} // namespace portd::client
