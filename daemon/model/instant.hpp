// Time in the model: microseconds on CLOCK_BOOTTIME, which never steps and counts suspend
// (clock_getres(2)). Wall time exists only at the edges, in the store and on the wire.
#pragma once

#include "proto/vocabulary.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace portd::model {

struct BootClock {
    using duration = std::chrono::microseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;
};

using Instant = BootClock::time_point;
using Duration = BootClock::duration;

constexpr Instant instant_from_us(std::int64_t us) {
    return Instant{Duration{us}};
}
constexpr std::int64_t to_us(Instant instant) {
    return instant.time_since_epoch().count();
}

// When something happened, as far as it is known: no earlier than `earliest`, no later than
// `latest`. Both are equal for an instant that was observed. An absent bound is not known.
struct When {
    std::optional<Instant> earliest;
    std::optional<Instant> latest;
    Provenance provenance = Provenance::unknown;

    static When observed(Instant at) { return {at, at, Provenance::observed}; }
    static When sampled(std::optional<Instant> earliest, std::optional<Instant> latest) {
        return {earliest, latest, Provenance::sampled};
    }
    static When inferred(std::optional<Instant> earliest, std::optional<Instant> latest) {
        return {earliest, latest, Provenance::inferred};
    }

    bool operator==(const When &) const = default;
};

// The sources of time, an interface so that tests crank it by hand.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual Instant now() const = 0;
    // CLOCK_REALTIME minus CLOCK_BOOTTIME, in microseconds. It changes only when the clock is set.
    virtual std::int64_t wall_offset_us() const = 0;
};

} // namespace portd::model
