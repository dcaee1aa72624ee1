// Where an answer to History stands: a text that means nothing to clients, and with which they can
// go on later. Pure.
#pragma once

#include "model/history.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace portd::server {

// The order of the answer, and the last of each that it had; absent: it had none yet.
struct Cursor {
    bool newest_first = false;
    std::optional<model::LeaseCursor> lease;
    std::optional<model::BindFailureCursor> bind_failure;

    bool operator==(const Cursor &) const = default;
};

std::string to_text(const Cursor &cursor);

// Nothing for what to_text() never gives.
std::optional<Cursor> parse_cursor(std::string_view text);

} // namespace portd::server
