// Exact events: who took a port, who let go of it last, and when, to the microsecond.
#include "unit/model/exact_script.hpp"

#include <algorithm>
#include <chrono>

namespace portd::model {
namespace {

using namespace script;

TEST(PortTaken, BeginsALease) {
    auto taken = connecting(1, ms(1000));
    taken.port_choice = PortChoice::automatic;
    taken.uid = 1000;
    const auto lease = lease_after({taken});
    EXPECT_EQ(lease.opened, When::observed(ms(1000)));
    EXPECT_EQ(lease.id.first_observed, ms(1000));
    EXPECT_EQ(lease.phase, Phase::connecting);
    EXPECT_EQ(lease.role, Role::client);
    EXPECT_EQ(lease.port_choice, PortChoice::automatic);
    EXPECT_EQ(lease.uid, 1000U);
    EXPECT_EQ(lease.peer, peer);
    EXPECT_OPENER(lease, program);
}

TEST(PortTaken, GoesOnToLaterPhases) {
    Script script;
    script.apply(bound(1, ms(1000)));
    EXPECT_FALSE(script.lease().role);
    script.apply(connecting(1, ms(1001), worker));
    script.apply(connected(1, ms(1002)));
    const auto lease = script.lease();
    EXPECT_EQ(lease.phase, Phase::connected);
    EXPECT_EQ(lease.role, Role::client);
    EXPECT_EQ(lease.peer, peer);
    EXPECT_EQ(lease.opened, When::observed(ms(1000)));
    EXPECT_OPENER(lease, program);
    EXPECT_EQ(lease.holders.size(), 2U) << "the worker has it, too, but did not open it";
}

TEST(PortTaken, NeverGoesBack) {
    Script script;
    script.apply(connected(1, ms(1002)));
    EXPECT_EQ(script.lease().opened, When::sampled(std::nullopt, ms(1002)))
        << "it began to connect before";
    script.apply(connecting(1, ms(1001)));
    script.apply(bound(1, ms(1000), worker));
    const auto lease = script.lease();
    EXPECT_EQ(lease.phase, Phase::connected);
    EXPECT_EQ(lease.peer, peer);
    EXPECT_EQ(lease.opened, When::observed(ms(1000)));
    EXPECT_OPENER(lease, worker);
}

TEST(PortTaken, OfASocketThatMayBeOlderIsNoOpening) {
    auto taken = listening(1, ms(1000));
    taken.may_be_older = true;
    const auto lease = lease_after({taken});
    EXPECT_EQ(lease.opened, When::sampled(std::nullopt, ms(1000)));
    EXPECT_TRUE(is(lease, lease.opener, program, Provenance::inferred));
    EXPECT_EQ(lease_after({taken, bound(1, ms(900), worker)}).opened, When::observed(ms(900)));
    EXPECT_EQ(lease_after({bound(1, ms(900), worker), taken}).opened, When::observed(ms(900)));
}

TEST(PortTaken, BySimultaneousOpenIsStillOfAClient) {
    EXPECT_EQ(lease_after({connecting(1, ms(1000)), connected(1, ms(1001), Role::accepted)}).role,
              Role::client);
    EXPECT_EQ(lease_after({connected(1, ms(1001), Role::accepted), connecting(1, ms(1000))}).role,
              Role::client);
}

TEST(PortTaken, SaidTwiceChangesNothing) {
    Script script;
    script.apply(bound(1, ms(1000)));
    script.apply(connecting(1, ms(1001)));
    script.leases();
    script.apply(bound(1, ms(1000)));
    script.apply(connecting(1, ms(1001)));
    EXPECT_TRUE(script.ledger.take_changes().empty());
}

TEST(PortTaken, OnAnotherPortEndsTheLeaseOfTheFirst) {
    Script script;
    script.apply(sent(1, local, ms(1000)));
    script.apply(sent(1, other, ms(2000)));
    const auto all = script.leases();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].freed, When::sampled(ms(1000), ms(2000)));
    EXPECT_EQ(all[1].local, other);
    EXPECT_EQ(all[1].opened, When::observed(ms(2000)));
    EXPECT_TRUE(all[1].is_open());
    EXPECT_EQ(script.ledger.open_leases(), 1U);
    script.apply(sent(1, local, ms(1000)));
    EXPECT_EQ(script.leases().size(), 2U) << "late, of the first";
}

TEST(PortTaken, ToldAfterTheNextPortIsALeaseThatHasEnded) {
    Script script;
    script.apply(sent(1, other, ms(2000)));
    script.apply(sent(1, local, ms(1000)));
    const auto all = script.leases();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[1].local, local);
    EXPECT_EQ(all[1].opened, When::observed(ms(1000)));
    EXPECT_EQ(all[1].freed, When::sampled(ms(1000), ms(2000)));
    EXPECT_TRUE(all[0].is_open());
}

TEST(PortTaken, OfASocketThatConnectsAgainIsAnotherLease) {
    Script script;
    const auto first = connecting(1, ms(1000));
    auto second = connecting(1, ms(1010));
    second.local = other;
    script.apply(first);
    script.apply(closed(first, ms(1001), Remains::nothing, Outcome::refused));
    script.apply(second);
    auto all = script.leases();
    ASSERT_EQ(all.size(), 2U) << "the change of the first is handed out although it is replaced";
    EXPECT_EQ(all[0].freed, When::observed(ms(1001)));
    EXPECT_EQ(all[0].outcome, Outcome::refused);
    EXPECT_EQ(all[1].opened, When::observed(ms(1010)));
    EXPECT_FALSE(all[1].outcome);
    script.apply(released(second, ms(1020), true));
    EXPECT_EQ(script.leases().size(), 2U);
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(PortTaken, EndOfTheLeaseBeforeMayComeLater) {
    Script script;
    const auto first = connecting(1, ms(1000));
    auto second = connecting(1, ms(1010));
    second.local = other;
    script.apply(first);
    script.apply(second);
    script.apply(closed(first, ms(1001), Remains::nothing, Outcome::refused));
    const auto all = script.leases();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].freed, When::observed(ms(1001)));
    EXPECT_EQ(all[0].outcome, Outcome::refused);
    EXPECT_TRUE(all[1].is_open());
}

TEST(PortTaken, ThatComesAfterTheEndTellsTheOpening) {
    Script script;
    const auto taken = connecting(1, ms(1000));
    script.apply(released(taken, ms(1002), true));
    EXPECT_EQ(script.ledger.unseen_sockets(), 1U);
    script.apply(taken);
    const auto lease = script.lease();
    EXPECT_EQ(lease.opened, When::observed(ms(1000)));
    EXPECT_EQ(lease.freed, When::observed(ms(1002)));
    EXPECT_EQ(lease.phase, Phase::freed);
    EXPECT_EQ(lease.role, Role::client);
    EXPECT_OPENER(lease, program);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U) << "it was not missed, but late";
}

TEST(PortTaken, BeforeARowOfItsSocketIsItsOpening) {
    Script script;
    const auto taken = listening(1, ms(1500));
    scan(script, tcp4, ms(1000), Scope::all);
    scan(script, tcp4, ms(2000), Scope::all, {row_of(taken, SocketState::listen, ms(2005))});
    EXPECT_EQ(script.lease().opened, When::sampled(ms(1000), ms(2005)));
    script.apply(taken);
    EXPECT_EQ(script.lease().opened, When::observed(ms(1500)));
    EXPECT_OPENER(script.lease(), program);
    script.seen(cookie(1), worker, ms(1600));
    script.seen(cookie(1), worker, ms(1400));
    EXPECT_OPENER(script.lease(), program);
}

TEST(PortTaken, AcceptedConnectionHasThePortChoiceOfItsListener) {
    Script script;
    auto service = listening(1, ms(1000));
    service.port_choice = PortChoice::explicit_;
    script.apply(service);
    script.apply(connected(2, ms(1001), Role::accepted));
    EXPECT_EQ(script.lease(cookie(2)).port_choice, PortChoice::explicit_);
    EXPECT_EQ(script.lease(cookie(2)).opened, When::observed(ms(1001)));
}

// In whatever order.
TEST(PortTaken, IsByTheFirstCallThatHadThePort) {
    const auto after = [](std::vector<PortTaken> events) {
        const auto chosen_by = [&] {
            Script script;
            for (const auto &taken : events)
                script.apply(taken);
            return script.lease().port_chosen_by;
        };
        const auto in_order = chosen_by();
        std::ranges::reverse(events);
        EXPECT_EQ(chosen_by(), in_order);
        return in_order;
    };
    const auto automatic = [](PortTaken taken, std::optional<PortChosenBy> call) {
        taken.port_choice = PortChoice::automatic;
        taken.port_chosen_by = call;
        return taken;
    };
    const auto connects = automatic(connecting(1, ms(1001)), PortChosenBy::connect);
    EXPECT_EQ(after({connects, connected(1, ms(1002))}), PortChosenBy::connect);
    const auto binds = automatic(bound(1, ms(1000)), PortChosenBy::bind);
    EXPECT_EQ(after({binds, automatic(connecting(1, ms(1001)), PortChosenBy::bind),
                     connected(1, ms(1002))}),
              PortChosenBy::bind);
    const auto listens = automatic(listening(1, ms(1001)), PortChosenBy::listen);
    EXPECT_EQ(after({listens}), PortChosenBy::listen);
    EXPECT_EQ(after({binds, listens}), PortChosenBy::bind);
    EXPECT_EQ(after({bound(1, ms(1000)), listens}), std::nullopt) << "that took it, but how?";

    auto chosen = bound(1, ms(1000));
    chosen.port_choice = PortChoice::explicit_;
    EXPECT_EQ(after({chosen, connected(1, ms(1002))}), std::nullopt);
}

// The port of a connect(2) that was refused is free, and the next takes another, or the same.
TEST(PortTaken, EachLeaseOfASocketHasACallOfItsOwn) {
    Script script;
    auto taken = bound(1, ms(1000));
    taken.port_choice = PortChoice::automatic;
    taken.port_chosen_by = PortChosenBy::bind;
    script.apply(taken);
    script.apply(closed(connecting(1, ms(1001)), ms(1002), Remains::nothing));
    EXPECT_EQ(script.lease().port_chosen_by, PortChosenBy::bind);
    auto again = connecting(1, ms(1003));
    again.port_choice = PortChoice::automatic;
    again.port_chosen_by = PortChosenBy::connect;
    script.apply(again);
    EXPECT_EQ(script.leases().size(), 2U);
    EXPECT_EQ(script.lease(cookie(1)).port_chosen_by, PortChosenBy::connect);
}

TEST(PortTaken, AcceptedConnectionIsOfTheCallOfItsListener) {
    Script script;
    auto service = listening(1, ms(1000));
    service.port_choice = PortChoice::automatic;
    service.port_chosen_by = PortChosenBy::listen;
    script.apply(service);
    script.apply(connected(2, ms(1001), Role::accepted));
    EXPECT_EQ(script.lease(cookie(2)).port_chosen_by, PortChosenBy::listen);
}

TEST(SocketReleased, ThatFreesThePortIsTheEnd) {
    const auto taken = sent(1, local, ms(1000));
    const auto lease = lease_after(
        {taken, HolderSeen{taken.key, program, ms(1500)}, released(taken, ms(2000), true, worker)});
    EXPECT_EQ(lease.closed, When::observed(ms(2000)));
    EXPECT_EQ(lease.freed, When::observed(ms(2000)));
    EXPECT_EQ(lease.phase, Phase::freed);
    EXPECT_OPENER(lease, program);
    EXPECT_LAST_HOLDER(lease, worker);
    EXPECT_FALSE(lease.holders[*lease.opener.holder].present);
}

TEST(SocketReleased, TellsTheLocalAddressThatAConnectedUdpSocketGot) {
    const auto taken = sent(1, endpoint("0.0.0.0", 40000), ms(1000));
    auto connected = taken;
    connected.at = ms(1100);
    connected.phase = Phase::connected;
    connected.peer = endpoint("127.0.0.1", 53);
    auto end = released(connected, ms(2000), true);
    end.local = endpoint("127.0.0.1", 40000);
    const auto lease = lease_after({taken, connected, end});
    EXPECT_EQ(lease.local, end.local);
    EXPECT_EQ(lease.peer, connected.peer);
}

TEST(SocketReleased, ByNobodyKnownLeavesTheLastHolderToWhatWasSeen) {
    const auto taken = sent(1, local, ms(1000));
    const auto by_one = lease_after({taken, released(taken, ms(2000), true, nullptr)});
    EXPECT_TRUE(is(by_one, by_one.last_holder, program, Provenance::sampled));
    const auto by_any = lease_after(
        {taken, HolderSeen{taken.key, worker, ms(1500)}, released(taken, ms(2000), true, nullptr)});
    EXPECT_FALSE(by_any.last_holder.holder) << "it was one of two";
}

TEST(SocketReleased, OfAConnectionThatGoesOnAloneLingers) {
    Script script;
    const auto taken = connecting(1, ms(1000));
    script.apply(taken);
    auto release = released(taken, ms(2000), false);
    release.tcp = completed;
    script.apply(release);
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    EXPECT_EQ(script.lease().closed, When::observed(ms(2000)));
    EXPECT_EQ(script.lease().bytes_sent, 10U);
    auto end = closed(taken, ms(3000), Remains::nothing);
    end.tcp = TcpSummary{.established = true, .bytes_sent = 15, .bytes_received = 20, .idle = {}};
    script.apply(end);
    EXPECT_EQ(script.lease().closed, When::observed(ms(2000)));
    EXPECT_EQ(script.lease().freed, When::observed(ms(3000)));
    EXPECT_EQ(script.lease().bytes_sent, 15U);
}

TEST(SocketReleased, OfASocketThatWasNeverSeenIsALease) {
    Script script;
    scan(script, udp4, ms(1000), Scope::all);
    script.apply(released(sent(1, local, ms(0)), ms(2000), true));
    const auto lease = script.lease();
    EXPECT_EQ(lease.opened, When::sampled(ms(1000), ms(2000)));
    EXPECT_EQ(lease.freed, When::observed(ms(2000)));
    EXPECT_EQ(lease.role, Role::datagram);
    EXPECT_LAST_HOLDER(lease, program);
    EXPECT_EQ(script.ledger.unseen_sockets(), 1U);
}

TEST(SocketReleased, WithoutAPortIsNoLease) {
    Script script;
    script.apply(released(sent(1, none(), ms(0)), ms(2000), true));
    EXPECT_TRUE(script.leases().empty());
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

TEST(SocketReleased, WithoutThePortItHadHasLeftItBefore) {
    Script script;
    script.apply(sent(1, local, ms(1000)));
    script.apply(released(sent(1, none(), ms(0)), ms(2000), true));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(2000)));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(SocketSeen, WithoutThePortItHadHasLeftItBefore) {
    Script script;
    const auto taken = sent(1, local, ms(1000));
    script.apply(taken);
    SocketSeen seen{.key = taken.key,
                    .protocol = Protocol::udp,
                    .local = none(),
                    .peer = none(),
                    .state = SocketState::close,
                    .uid = 0,
                    .inode = 1,
                    .at = ms(900)};
    script.apply(seen);
    EXPECT_EQ(script.ledger.open_leases(), 1U) << "the row is older than the port";
    seen.at = ms(2000);
    script.apply(seen);
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(2000)));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

// The socket of `taken`, connected.
PortTaken connected_to(const char *address, PortTaken taken, Instant at) {
    taken.at = at;
    taken.phase = Phase::connected;
    taken.peer = endpoint(address, 53);
    return taken;
}

TEST(Peer, OfAUdpSocketThatHadSeveralIsNone) {
    const auto taken = sent(1, local, ms(1000));
    const auto first = connected_to("192.0.2.1", taken, ms(1100));
    const auto second = connected_to("192.0.2.2", taken, ms(1200));
    const auto end = released(second, ms(2000), true);
    EXPECT_EQ(lease_after({taken, first, second, end}).peer, none());
    EXPECT_EQ(lease_after({taken, second, first, end}).peer, none());
    EXPECT_EQ(lease_after({taken, second, second, end}).peer, second.peer);
}

TEST(Peer, OfAUdpSocketThatSendsUnconnectedAfterwardsIsNone) {
    const auto before = sent(1, local, ms(1000));
    const auto connected = connected_to("192.0.2.1", before, ms(1100));
    EXPECT_EQ(lease_after({before, connected, before}).peer, connected.peer);
    EXPECT_EQ(lease_after({before, connected, sent(1, local, ms(1200))}).peer, none());
}

TEST(SocketReleased, ByAProcessThatBeganAfterTheEndTellsNoHolder) {
    const auto taken = connecting(1, ms(1000));
    const auto child = process(12, ms(1500), "child");
    const auto lease = lease_after(
        {taken, closed(taken, ms(1200), Remains::nothing), released(taken, ms(2000), true, child)});
    EXPECT_EQ(lease.closed, When::observed(ms(1200)));
    ASSERT_EQ(lease.holders.size(), 1U);
    EXPECT_EQ(lease.holders[0].process, program);
}

TEST(SocketReleased, MakesRoomForTheLastHolder) {
    Script script;
    const auto taken = sent(1, local, ms(1000));
    script.apply(taken);
    for (std::int32_t i = 0; i < 100; ++i)
        script.seen(taken.key, process(100 + i, ms(100)), ms(1001 + i));
    script.apply(released(taken, ms(2000), true, worker));
    const auto lease = script.lease();
    EXPECT_EQ(lease.holders.size(), Lease::max_holders);
    EXPECT_OPENER(lease, program);
    EXPECT_LAST_HOLDER(lease, worker);
    EXPECT_GT(lease.holders_omitted, 36U);
}

TEST(Pools, HaveASizeWhereTheSettingsOfTheNamespaceAreKnown) {
    Script script;
    const auto take = [&](std::uint64_t socket, std::uint32_t network_namespace,
                          std::uint16_t port) {
        auto taken = bound(socket, ms(1000));
        taken.key.network_namespace = network_namespace;
        taken.local.port = port;
        script.apply(taken);
    };
    take(1, here, 40000);
    take(2, here, 40000);
    take(3, here, 40007);
    take(4, here, 40010);
    take(5, here + 1, 40000);
    take(6, here + 2, 40000);
    const auto pools =
        script.ledger.pools({{here, {.local_range = {40000, 40009}, .reserved = {{40007, 40008}}}},
                             {here + 2, {.local_range = {39000, 41000}, .reserved = {}}}});
    ASSERT_EQ(pools.size(), 3U);
    EXPECT_EQ(pools[0].open_ports, 3);
    EXPECT_EQ(pools[0].automatic_ports, 8);
    EXPECT_EQ(pools[0].open_automatic_ports, 1);
    EXPECT_EQ(pools[0].range_low, 40000);
    EXPECT_EQ(pools[0].range_high, 40009);
    EXPECT_EQ(pools[1].open_ports, 1);
    EXPECT_EQ(pools[1].automatic_ports, std::nullopt);
    EXPECT_EQ(pools[1].range_low, std::nullopt);
    EXPECT_EQ(pools[2].automatic_ports, 2001);
}

} // namespace
} // namespace portd::model
