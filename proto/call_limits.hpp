// How long a call to portd may be: a thousand flows of a log fit in. Who asks for as many at
// once has each lease of a busy port looked at once for all of them.
#pragma once

#include "proto/framing.hpp"

namespace portd::proto {

inline constexpr MessageLimits call_limits{.bytes = 256 << 10};

} // namespace portd::proto
