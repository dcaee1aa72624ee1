// What the columns and members of logs mean, by their names. Pure.
#pragma once

#include "client/flow_log.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portd::client {

enum class FlowField {
    time,
    end, // of the flow, of which `time` is the beginning
    duration,
    protocol,
    source_address,
    source_port,
    destination_address,
    destination_port,
    community_id,
};

// Of a name such as "id.orig_h", "src_ip" or "Source Port".
std::optional<FlowField> field_named(std::string_view name);

// Collects the values of a row; the first of each field counts.
class FlowFields {
  public:
    void set(FlowField field, std::string_view value);
    // What the values come to; fills in the row's flow, or its Community ID.
    LogRow::Kind make(LogRow &row, std::int64_t now_usec) const;

  private:
    std::optional<std::string> values_[9];
};

// "tcp", "TCP" or "6"; Kind::no_ports if it is another one.
LogRow::Kind read_protocol(std::string_view text, std::optional<Protocol> &protocol);
// "443" or "443.0".
std::optional<std::int64_t> read_port(std::string_view text);
// False if it is none.
bool is_address(const std::string &text);

} // namespace portd::client
