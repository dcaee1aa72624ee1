#include "model/lease_rules.hpp"
#include "unit/model/script.hpp"

#include <rapidcheck/gtest.h>

namespace portd::model {
namespace {

using namespace script;

TEST(PhaseOf, EveryState) {
    struct Case {
        SocketState state;
        Phase held;
        Phase orphaned;
        Phase udp;
    };
    const Case cases[] = {
        {SocketState::established, Phase::connected, Phase::connected, Phase::connected},
        {SocketState::syn_sent, Phase::connecting, Phase::connecting, Phase::bound},
        {SocketState::syn_received, Phase::connecting, Phase::connecting, Phase::bound},
        {SocketState::fin_wait1, Phase::closing, Phase::lingering, Phase::bound},
        {SocketState::fin_wait2, Phase::closing, Phase::lingering, Phase::bound},
        {SocketState::time_wait, Phase::lingering, Phase::lingering, Phase::bound},
        {SocketState::close, Phase::bound, Phase::bound, Phase::bound},
        {SocketState::close_wait, Phase::closing, Phase::closing, Phase::bound},
        {SocketState::last_ack, Phase::closing, Phase::lingering, Phase::bound},
        {SocketState::listen, Phase::listening, Phase::listening, Phase::bound},
        {SocketState::closing, Phase::closing, Phase::lingering, Phase::bound},
        {SocketState::new_syn_received, Phase::connecting, Phase::connecting, Phase::bound},
    };
    for (const auto &[state, held, orphaned, udp] : cases) {
        const auto number = static_cast<int>(state);
        EXPECT_EQ(phase_of(Protocol::tcp, state, Orphaned::no), held) << number;
        EXPECT_EQ(phase_of(Protocol::tcp, state, Orphaned::yes), orphaned) << number;
        EXPECT_EQ(phase_of(Protocol::udp, state, Orphaned::no), udp) << number;
    }
}

TEST(AddHolder, KeepsTheOrderInWhichTheyWereFirstSeen) {
    Lease lease;
    const auto a = process(1, ms(0)), b = process(2, ms(0));
    EXPECT_EQ(add_holder(lease, a, ms(200)), HolderNews::changed);
    EXPECT_EQ(add_holder(lease, b, ms(100)), HolderNews::changed);
    EXPECT_EQ(add_holder(lease, a, ms(300)), HolderNews::none);
    ASSERT_EQ(lease.holders.size(), 2U);
    EXPECT_EQ(lease.holders[0].process, b);
    EXPECT_EQ(lease.holders[1].process, a);
    EXPECT_EQ(lease.holders[1].first_seen, ms(200));
    EXPECT_EQ(lease.holders[1].last_seen, ms(300));
    EXPECT_EQ(add_holder(lease, a, ms(50)), HolderNews::changed);
    EXPECT_EQ(lease.holders[0].process, a);
}

TEST(AddHolder, TellsImagesApartByWhatTheyAreNotWhereTheyAreStored) {
    Lease lease;
    add_holder(lease, process(1, ms(0), "nc"), ms(100));
    EXPECT_EQ(add_holder(lease, process(1, ms(0), "nc"), ms(200)), HolderNews::none);
    EXPECT_EQ(add_holder(lease, process(1, ms(10), "nc"), ms(200)), HolderNews::changed);
    EXPECT_EQ(lease.holders.size(), 2U);
}

TEST(AddHolder, RefusesWhoStartedOrWasSeenAfterTheEnd) {
    Lease lease;
    end_lease(lease, When::sampled(ms(100), ms(200)));
    EXPECT_EQ(add_holder(lease, process(1, ms(201)), ms(201)), HolderNews::none);
    EXPECT_EQ(add_holder(lease, process(1, ms(201)), ms(150)), HolderNews::none);
    EXPECT_EQ(add_holder(lease, process(1, ms(0)), ms(201)), HolderNews::none);
    EXPECT_TRUE(lease.holders.empty());
    EXPECT_EQ(add_holder(lease, process(1, ms(200)), ms(200)), HolderNews::changed);
}

TEST(AddHolder, StopsAtTheLimit) {
    Lease lease;
    for (std::int32_t pid = 1; pid <= static_cast<std::int32_t>(Lease::max_holders); ++pid)
        EXPECT_EQ(add_holder(lease, process(pid, ms(0)), ms(100)), HolderNews::changed);
    EXPECT_EQ(add_holder(lease, process(1000, ms(0)), ms(100)), HolderNews::no_room);
    EXPECT_EQ(add_holder(lease, process(1, ms(0)), ms(101)), HolderNews::none);
    EXPECT_EQ(lease.holders.size(), Lease::max_holders);
}

TEST(RemoveHolder, KeepsWhoWasSeenAfterwards) {
    struct Case {
        const char *what;
        When gone;
        bool still_present;
    };
    const Case cases[] = {
        {"exact", When::observed(ms(300)), false},
        {"between looks", When::sampled(ms(200), ms(300)), false},
        {"unknown moment", When{}, false},
        {"before it was seen last", When::observed(ms(150)), true},
        {"before it was seen", When::observed(ms(50)), true},
        {"when it was seen first (exec)", When::sampled(ms(50), ms(100)), true},
    };
    for (const auto &[what, gone, still_present] : cases) {
        Lease lease;
        const auto holder = process(1, ms(0));
        add_holder(lease, holder, ms(100));
        add_holder(lease, holder, ms(200));
        EXPECT_EQ(remove_holder(lease, holder->key, gone), !still_present) << what;
        EXPECT_EQ(lease.holders[0].present, still_present) << what;
        EXPECT_FALSE(remove_holder(lease, {1, ms(5)}, gone)) << "another process of this pid";
    }
}

TEST(RemoveHolder, IsLastSeenNoLaterThanTheEnd) {
    Lease lease;
    const auto holder = process(1, ms(0));
    add_holder(lease, holder, ms(100));
    end_lease(lease, When::observed(ms(200)));
    EXPECT_TRUE(remove_holder(lease, holder->key, When::observed(ms(201))));
    EXPECT_EQ(lease.holders[0].last_seen, ms(200));
}

TEST(LateSighting, DoesNotBringAGoneHolderBack) {
    Lease lease;
    const auto holder = process(1, ms(0));
    add_holder(lease, holder, ms(100));
    remove_holder(lease, holder->key, When::sampled(ms(100), ms(300)));
    EXPECT_EQ(add_holder(lease, holder, ms(200)), HolderNews::none);
    EXPECT_FALSE(lease.holders[0].present);
    EXPECT_EQ(lease.holders[0].last_seen, ms(200));
    EXPECT_EQ(add_holder(lease, holder, ms(301)), HolderNews::changed);
    EXPECT_TRUE(lease.holders[0].present) << "it was handed the socket again";
}

TEST(EndLease, KeepsAClosingThatWasKnown) {
    Lease lease;
    lease.closed = When::observed(ms(100));
    end_lease(lease, When::sampled(ms(50), ms(200)));
    EXPECT_EQ(lease.closed, When::observed(ms(100)));
    EXPECT_EQ(lease.freed, When::sampled(ms(100), ms(200)));
    EXPECT_EQ(lease.phase, Phase::freed);
}

TEST(Attribute, WhoeverBeganSinceTheLastScanMayHaveInherited) {
    const auto opener_if_started_at = [](Instant started) {
        Process process;
        process.key = {7, started};
        Lease lease;
        lease.opened = When::sampled(ms(1000), ms(2000));
        add_holder(lease, std::make_shared<const Process>(process), ms(2000));
        attribute(lease);
        return lease.opener;
    };
    EXPECT_EQ(opener_if_started_at(ms(1000)), (Attribution{0, Provenance::sampled}));
    EXPECT_EQ(opener_if_started_at(ms(1010)), (Attribution{0, Provenance::inferred}));
    EXPECT_EQ(opener_if_started_at(ms(2010)), Attribution{});
}

} // namespace
} // namespace portd::model

namespace rc {

template <>
struct Arbitrary<portd::model::When> {
    static auto arbitrary() {
        using portd::model::Instant;
        const auto bound =
            gen::maybe(gen::map(gen::inRange<std::int64_t>(0, 20), portd::model::instant_from_us));
        return gen::map(gen::pair(bound, bound), [](auto bounds) {
            std::optional<Instant> earliest, latest;
            if (bounds.first)
                earliest = *bounds.first;
            if (bounds.second)
                latest = *bounds.second;
            return portd::model::When::sampled(earliest, latest);
        });
    }
};

} // namespace rc

namespace portd::model {
namespace {

bool in_order(const std::optional<Instant> &a, const std::optional<Instant> &b) {
    return !a || !b || *a <= *b;
}

RC_GTEST_PROP(OrderTimes, MakesNoNegativeDurationWhateverCame,
              (const When &opened, const When &closed, const When &freed)) {
    Lease lease;
    lease.opened = opened;
    lease.closed = closed;
    lease.freed = freed;
    order_times(lease);
    const When phases[] = {lease.opened, *lease.closed, *lease.freed};
    for (const auto *when = std::begin(phases); when != std::end(phases); ++when)
        for (const auto *later = when; later != std::end(phases); ++later) {
            RC_ASSERT(in_order(when->earliest, later->earliest));
            RC_ASSERT(in_order(when->latest, later->latest));
            RC_ASSERT(in_order(when->earliest, later->latest));
        }
    const Lease once = lease;
    order_times(lease);
    RC_ASSERT(lease == once);
}

} // namespace
} // namespace portd::model
