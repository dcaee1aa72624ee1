#include "client/lease_table.hpp"

#include "unit/client/fake_daemon.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace portd::client {
namespace {

using test::observed;
using test::sampled;
using test::second;
using test::t0;

TEST(LeaseTableTest, StandingAtAnInstant) {
    proto::Lease exact = test::connection_lease(); // t0, closed 0.5 s later, freed 60 s later
    proto::Lease unsure = exact;
    unsure.opened = sampled(t0 - second, t0 + second);
    unsure.closed = sampled(t0 + 5 * second, t0 + 7 * second);
    unsure.freed = sampled(t0 + 5 * second, t0 + 7 * second);
    proto::Lease open = exact;
    open.closed.reset();
    open.freed.reset();
    proto::Lease lingering = exact;
    lingering.freed.reset();
    proto::Lease from_the_first = open;
    from_the_first.opened = sampled(std::nullopt, t0);

    const struct {
        const proto::Lease &lease;
        std::int64_t at_usec;
        Standing standing;
    } cases[] = {
        {exact, t0 - 1, Standing::after},
        {exact, t0, Standing::held},
        {exact, t0 + second / 2, Standing::held},
        {exact, t0 + second, Standing::lingering},
        {exact, t0 + 60 * second, Standing::lingering},
        {exact, t0 + 61 * second, Standing::before},
        {unsure, t0 - 2 * second, Standing::after},
        {unsure, t0, Standing::possibly},
        {unsure, t0 + second, Standing::held},
        {unsure, t0 + 6 * second, Standing::possibly},
        {unsure, t0 + 8 * second, Standing::before},
        {open, t0 + 1'000'000 * second, Standing::held},
        {lingering, t0 + 1'000'000 * second, Standing::lingering},
        {from_the_first, t0 - 1, Standing::possibly},
        {from_the_first, t0, Standing::held},
    };
    for (const auto &c : cases)
        EXPECT_EQ(to_string(standing_at(c.lease, c.at_usec)), to_string(c.standing))
            << (c.at_usec - t0);
}

// "held" is said only where every reading of the bounds agrees, "before" and "after" too.
RC_GTEST_PROP(LeaseTableTest, StandingIsCertainOnlyWhereTheBoundsAre, ()) {
    const auto any_time = rc::gen::inRange<std::int64_t>(0, 12);
    const auto moment = [&] {
        const auto a = *any_time;
        const auto b = *any_time;
        return sampled(t0 + std::min(a, b), t0 + std::max(a, b));
    };
    proto::Lease lease = test::connection_lease();
    lease.opened = moment();
    lease.closed = moment();
    lease.freed = lease.closed;
    const std::int64_t at = t0 + *any_time;
    const Standing standing = standing_at(lease, at);
    const bool surely_held = *lease.opened.latest_usec <= at && at <= *lease.closed->earliest_usec;
    const bool never_held = at < *lease.opened.earliest_usec || at > *lease.closed->latest_usec;
    RC_ASSERT((standing == Standing::held) == surely_held);
    RC_ASSERT((standing == Standing::possibly) == (!surely_held && !never_held));
}

TEST(LeaseTableTest, HoldersNameTheOpenerAndTheLast) {
    proto::Lease lease = test::connection_lease();
    EXPECT_EQ(format_holders(lease, Charset::ascii), "curl[8123]");
    lease.last_holder = test::process(9, "worker");
    lease.holders = {lease.opener, lease.last_holder};
    EXPECT_EQ(format_holders(lease, Charset::ascii), "curl[8123]->worker[9]");
    EXPECT_EQ(format_holders(lease, Charset::utf8), "curl[8123]→worker[9]");
    lease.holders.push_back(test::process(10, "worker"));
    EXPECT_EQ(format_holders(lease, Charset::ascii), "curl[8123]->worker[9] (+1)");
    lease.opener = {};
    lease.holders = {lease.last_holder};
    EXPECT_EQ(format_holders(lease, Charset::ascii), "unknown->worker[9]");
    lease.last_holder = {};
    lease.holders.clear();
    EXPECT_EQ(format_holders(lease, Charset::ascii), "unknown");
    lease.incomplete = true;
    EXPECT_EQ(format_holders(lease, Charset::ascii), "withheld");
}

TEST(LeaseTableTest, WhatIsWithheldIsNotCalledUnknown) {
    proto::Lease lease = test::connection_lease();
    lease.incomplete = true;
    lease.opened = {};
    lease.opener = lease.last_holder = {};
    lease.holders.clear();
    for (const Detail detail : {Detail::brief, Detail::wide})
        for (const Cell &cell :
             lease_row({Listing::live, detail, Charset::ascii, t0, {}}, {lease, 0}))
            EXPECT_NE(cell.text, "unknown");
    lease.incomplete = false;
    EXPECT_EQ(lease_row({}, {lease, 0})[0].text, "unknown");
}

TEST(LeaseTableTest, RowsHaveACellForEachColumn) {
    for (const Listing listing : {Listing::history, Listing::live})
        for (const Detail detail : {Detail::brief, Detail::wide})
            for (const auto at : {std::optional<std::int64_t>(), std::optional(t0)}) {
                const LeaseForm form{listing, detail, Charset::ascii, t0, at};
                EXPECT_EQ(lease_row(form, {test::connection_lease(), 3}).size(),
                          lease_columns(form).size());
            }
}

} // namespace
} // namespace portd::client
