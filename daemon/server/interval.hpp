// The interval of a History call.
#pragma once

#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace portd::server {

// Both ends included. Absent bounds reach to the first record and to now.
struct Interval {
    std::optional<std::int64_t> since_us;
    std::optional<std::int64_t> until_us;

    bool operator==(const Interval &) const = default;
};

// Why there is no such interval.
struct NoInterval {
    std::string reason;
};

std::variant<Interval, NoInterval> interval_of(const proto::HistoryRequest &request);

} // namespace portd::server
