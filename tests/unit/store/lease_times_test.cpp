#include "store/lease_times.hpp"
#include "unit/store/lease_generator.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace portd::store::test {
namespace {

model::Lease only_times(const model::Lease &lease) {
    model::Lease times;
    times.id.first_observed = lease.id.first_observed;
    times.opened = lease.opened;
    times.closed = lease.closed;
    times.freed = lease.freed;
    return times;
}

RC_GTEST_PROP(LeaseTimes, ComeBackAsTheyWerePacked, ()) {
    const model::Lease lease =
        only_times(*leases(1, *rc::gen::container<std::vector<model::ProcessRef>>(1, processes())));
    model::Lease unpacked;
    RC_ASSERT(unpack_times(pack_times(lease), unpacked));
    RC_ASSERT(unpacked == lease);
}

TEST(LeaseTimes, WhatWasObservedAllAlongIsThreeDistances) {
    model::Lease lease;
    lease.id.first_observed = model::instant_from_us(1000);
    lease.opened = model::When::observed(model::instant_from_us(1000));
    lease.closed = model::When::observed(model::instant_from_us(1300));
    lease.freed = model::When::observed(model::instant_from_us(1350));
    LeaseTimes expected;
    expected.opened_by_us = 1000;
    expected.closed_us = 300;
    expected.freed_us = 50;
    expected.kinds = 1 | 1 << 5 | 1 << 10;
    EXPECT_EQ(pack_times(lease), expected);
}

// A damaged file can hold any numbers.
RC_GTEST_PROP(LeaseTimes, OfAnyNumbersAreRefusedOrPackedAgain, ()) {
    using Limits = std::numeric_limits<std::int64_t>;
    const auto any = [] {
        return *rc::gen::oneOf(number<std::int64_t>(),
                               rc::gen::element(Limits::min(), Limits::max()));
    };
    const auto maybe_any = [&] { return *number<bool>() ? std::optional(any()) : std::nullopt; };
    LeaseTimes times{any(),       any(),       maybe_any(), maybe_any(),
                     maybe_any(), maybe_any(), maybe_any(), 0};
    if (*number<bool>())
        times.kinds =
            *rc::gen::oneOf(number<std::int64_t>(), rc::gen::inRange<std::int64_t>(0, 1 << 15));
    model::Lease lease;
    if (unpack_times(times, lease))
        RC_ASSERT(lease.opened.latest.has_value());
}

} // namespace
} // namespace portd::store::test
