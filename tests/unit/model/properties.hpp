// What holds of every lease in every state that is given out, for property tests.
#pragma once

#include "unit/model/script.hpp"

#include <algorithm>
#include <functional>
#include <rapidcheck.h>
#include <sstream>
#include <string>
#include <type_traits>

namespace portd::model::properties {

template <typename... Parts>
std::string told(const Parts &...parts) {
    std::ostringstream text;
    const auto put = [&](const auto &part) {
        if constexpr (std::is_same_v<std::decay_t<decltype(part)>, Lease> ||
                      std::is_same_v<std::decay_t<decltype(part)>, When>)
            PrintTo(part, &text);
        else
            text << part;
    };
    (put(parts), ...);
    return text.str();
}

inline void require(bool holds, const char *promise, const Lease &lease) {
    if (!holds)
        RC_FAIL(told(promise, ": ", lease));
}

inline bool in_time_order(const std::optional<Instant> &a, const std::optional<Instant> &b) {
    return !a || !b || *a <= *b;
}

inline bool in_time_order(const When &a, const When &b) {
    return in_time_order(a.earliest, b.earliest) && in_time_order(a.latest, b.latest) &&
           in_time_order(a.earliest, b.latest);
}

// Of every lease in every state that is given out.
inline void check_form(const Lease &lease) {
    require(in_time_order(lease.opened, lease.opened), "opened bounds in order", lease);
    if (lease.closed) {
        require(in_time_order(*lease.closed, *lease.closed), "closed bounds in order", lease);
        require(in_time_order(lease.opened, *lease.closed), "opened before closed", lease);
    }
    if (lease.freed) {
        require(in_time_order(*lease.freed, *lease.freed), "freed bounds in order", lease);
        require(lease.closed.has_value(), "freed means closed", lease);
        require(in_time_order(*lease.closed, *lease.freed), "closed before freed", lease);
    }
    require((lease.phase == Phase::freed) == lease.freed.has_value(), "phase freed means freed",
            lease);
    require((lease.phase >= Phase::lingering) == lease.closed.has_value(),
            "phases from lingering mean closed", lease);
    for (const auto &holder : lease.holders) {
        require(holder.first_seen <= holder.last_seen, "holder seen first before last", lease);
        if (lease.closed && lease.closed->latest)
            require(holder.process->key.started_at <= *lease.closed->latest &&
                        holder.last_seen <= *lease.closed->latest,
                    "no holder after the end", lease);
    }
    require(std::ranges::is_sorted(lease.holders, std::less{}, &Holder::first_seen),
            "holders in the order in which they were seen", lease);
    for (const auto &attribution : {lease.opener, lease.last_holder}) {
        require(!attribution.holder || *attribution.holder < lease.holders.size(),
                "attribution to a holder", lease);
        require(attribution.holder.has_value() == (attribution.provenance != Provenance::unknown),
                "attribution has a provenance", lease);
    }
}

} // namespace portd::model::properties
