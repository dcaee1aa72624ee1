// Private to the store: how far the life of a lease reaches from where it is filed.
//
// Leases are filed by serial, that is by the moment at which they were found. Nearly all of them
// are over soon. So a question about a moment is put to those that were filed about that moment, to
// the few that live long, and to those that are open; each has an index that knows no others.
#pragma once

#include "model/lease.hpp"
#include "store/lease_times.hpp"

#include <cstdint>

namespace portd::store {

enum class Span : std::uint8_t {
    brief = 0, // its life, as far as it can reach, lies within brief_span_us of its serial's moment
    lasting = 1,
    open = 2,
};

// More than TIME_WAIT lasts (TCP_TIMEWAIT_LEN, include/net/tcp.h: 60 s), so that short connections
// remain short.
inline constexpr std::int64_t brief_span_us = 128'000'000;

// `filed_at`: the moment of the serial, in the time of the lease's boot.
inline Span span_of(const model::Lease &lease, model::Instant filed_at) {
    if (lease.is_open())
        return Span::open;
    if (!lease.opened.earliest || !lease.freed->latest)
        return Span::lasting;
    const model::Duration reach(brief_span_us);
    const bool is_brief = *lease.opened.earliest >= filed_at - reach &&
                          opened_by(lease) >= filed_at - reach &&
                          *lease.freed->latest <= filed_at + reach;
    return is_brief ? Span::brief : Span::lasting;
}

} // namespace portd::store
