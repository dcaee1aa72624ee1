// Where a caller of Watch or Export is, and the cursor that says so: text that the caller keeps and
// gives back, and that means nothing to it. Pure.
#pragma once

#include "model/end_order.hpp"
#include "model/history.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portd::server {

struct ChangePosition {
    // Of the window all leases up to `reached` are given; between two windows it is empty.
    model::EndWindow window;
    std::optional<model::LeaseCursor> reached;
    std::int64_t gap = 0;    // the number of the last one that was given
    std::int64_t opened = 0; // the serial of the last lease of which the opening was given; Watch

    bool operator==(const ChangePosition &) const = default;
};

// Of which method a cursor is: one of the other is refused.
enum class CursorOf { watch, export_ };

std::string to_cursor(const ChangePosition &position, CursorOf method);
// Nothing if it is no such cursor.
std::optional<ChangePosition> parse_cursor(std::string_view cursor, CursorOf method);

} // namespace portd::server
