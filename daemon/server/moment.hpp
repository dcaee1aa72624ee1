// The bounds of a moment, of which an exact one is both.
#pragma once

#include "proto/messages.hpp"

#include <cstdint>
#include <optional>

namespace portd::server {

// Nothing: not known.
inline std::optional<std::int64_t> earliest_usec(const proto::Moment &moment) {
    return moment.usec ? moment.usec : moment.earliest_usec;
}

inline std::optional<std::int64_t> latest_usec(const proto::Moment &moment) {
    return moment.usec ? moment.usec : moment.latest_usec;
}

} // namespace portd::server
