// Private to the store: where in a part the leases are filed that can have lived at some time.
// Pure.
#pragma once

#include "model/saturating.hpp"
#include "store/lease_span.hpp"
#include "store/part.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

namespace portd::store {

using model::saturating_difference;
using model::saturating_sum;

// Both ends included.
struct IdRange {
    std::int64_t first = std::numeric_limits<std::int64_t>::min();
    std::int64_t last = std::numeric_limits<std::int64_t>::max();
};

// Ids of leases that live in [since, until] and whose life reaches so far from where they are
// filed.
inline IdRange filed_near(const Part &part, Span span, std::optional<std::int64_t> since_us,
                          std::optional<std::int64_t> until_us) {
    const auto id_at = [&](std::int64_t moment_us) {
        return saturating_difference(moment_us,
                                     saturating_sum(part.shift_us, part.origin.value_or(0)));
    };
    IdRange range;
    if (span == Span::unbounded || span == Span::open)
        return range;
    if (since_us)
        range.first = id_at(saturating_sum(*since_us, -reach_us(span)));
    if (until_us)
        range.last = id_at(saturating_sum(*until_us, reach_us(span)));
    return range;
}

// Sealed parts say which leases they have.
inline bool may_have(const Part &part, Span span, const IdRange &range) {
    const Part::Bounds &bounds = part.bounds[static_cast<std::size_t>(span)];
    return !part.leases || (bounds.first <= bounds.last && bounds.last >= range.first &&
                            bounds.first <= range.last);
}

} // namespace portd::store
