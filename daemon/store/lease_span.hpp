// Private to the store: how far the life of a lease reaches from where it is filed.
//
// Leases are filed by serial, that is by the moment at which they were found. Nearly all of them
// are over soon. So a question about a moment is put, span by span, to those that were filed so
// near to that moment that they can have lived then; only the few that live for long, and those
// that are open, are looked for everywhere.
#pragma once

#include "model/lease.hpp"
#include "store/lease_times.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace portd::store {

// Of all but the last two: all of the lease's life, as far as it can reach, lies within reach_us()
// of its serial's moment. Stored: values are append-only.
enum class Span : std::uint8_t {
    instant = 0,
    brief = 1,
    short_ = 2,
    medium = 3,
    lasting = 4,
    unbounded = 5,
    open = 7,
};

// `short_` is more than TIME_WAIT lasts (TCP_TIMEWAIT_LEN, include/net/tcp.h: 60 s). Each is so
// many times the one before that few of those that are looked at did not live then.
inline constexpr std::array<std::int64_t, 5> reaches_us{1'000'000, 16'000'000, 128'000'000,
                                                        2'048'000'000, 32'768'000'000};

inline constexpr std::array<Span, 6> closed_spans{Span::instant, Span::brief,   Span::short_,
                                                  Span::medium,  Span::lasting, Span::unbounded};
// Those of the bulk of all leases; the others have an index.
inline constexpr Span last_short_span = Span::short_;
inline constexpr std::array<Span, 3> long_spans{Span::medium, Span::lasting, Span::unbounded};

// Not of `unbounded` and `open`.
inline constexpr std::int64_t reach_us(Span span) {
    return reaches_us.at(static_cast<std::size_t>(span));
}

// `filed_at`: the moment of the serial, in the time of the lease's boot.
inline Span span_of(const model::Lease &lease, model::Instant filed_at) {
    if (lease.is_open())
        return Span::open;
    if (!lease.opened.earliest || !lease.freed->latest)
        return Span::unbounded;
    const model::Instant first = std::min(*lease.opened.earliest, opened_by(lease));
    const model::Instant last = *lease.freed->latest;
    for (std::size_t span = 0; span < reaches_us.size(); ++span) {
        const model::Duration reach(reaches_us[span]);
        if (first >= filed_at - reach && last <= filed_at + reach)
            return static_cast<Span>(span);
    }
    return Span::unbounded;
}

} // namespace portd::store
