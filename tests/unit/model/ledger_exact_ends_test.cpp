// How exact events, scans and time together tell the end of a lease, and who has it until then.
#include "unit/model/exact_script.hpp"

#include <chrono>

namespace portd::model {
namespace {

using namespace script;
using namespace std::chrono_literals;

// The ends of a connection that its program released at 2000 ms and that came to its end at
// 3000 ms, or the other way round, in both orders, and each twice.
void expect_same_however_told(const PortTaken &taken, const SocketReleased &release,
                              const SocketClosed &end) {
    const auto expected = lease_after({taken, release, end});
    const std::vector<std::vector<Observation>> tellings{{taken, end, release},
                                                         {taken, release, release, end, end},
                                                         {taken, end, end, release},
                                                         {taken, end, release, end, release},
                                                         {taken, taken, release, end, taken}};
    for (const auto &telling : tellings) {
        const auto lease = lease_after(telling);
        EXPECT_EQ(lease.closed, expected.closed);
        EXPECT_EQ(lease.freed, expected.freed);
        EXPECT_EQ(lease.phase, expected.phase);
        EXPECT_EQ(lease.outcome, expected.outcome);
        EXPECT_EQ(lease.opener, expected.opener);
        EXPECT_EQ(lease.last_holder, expected.last_holder);
        EXPECT_EQ(lease.holders, expected.holders);
    }
}

TEST(SocketClosed, TellsTheSameInWhateverOrder) {
    const auto taken = connecting(1, ms(1000));
    for (const auto remains : {Remains::nothing, Remains::time_wait, Remains::bound})
        for (const auto release_at : {2000, 4000}) {
            const bool frees_port = remains == Remains::bound || release_at > 3000;
            expect_same_however_told(taken, released(taken, ms(release_at), frees_port, worker),
                                     closed(taken, ms(3000), remains));
        }
}

TEST(SocketClosed, WhereNothingRemainsFreesThePort) {
    const auto taken = connecting(1, ms(1000));
    Script script;
    script.apply(taken);
    script.apply(closed(taken, ms(2000), Remains::nothing, Outcome::reset));
    EXPECT_EQ(script.lease().freed, When::observed(ms(2000)));
    EXPECT_EQ(script.lease().closed, When::observed(ms(2000)));
    EXPECT_EQ(script.lease().outcome, Outcome::reset);
    EXPECT_TRUE(is(script.lease(), script.lease().last_holder, program, Provenance::sampled));
    // A program may keep the socket for long; it is still the one that had it.
    for (int minute = 1; minute < 10; ++minute)
        script.apply(TimePassed{ms(2000) + std::chrono::minutes(minute)});
    script.apply(released(taken, ms(900'000), true));
    EXPECT_EQ(script.lease().closed, When::observed(ms(2000)));
    EXPECT_EQ(script.lease().freed, When::observed(ms(2000)));
    EXPECT_LAST_HOLDER(script.lease(), program);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

TEST(SocketClosed, WhereTheProgramChoseThePortStaysUntilItIsReleased) {
    Script script;
    const auto taken = connecting(1, ms(1000));
    script.apply(taken);
    script.apply(closed(taken, ms(2000), Remains::bound, Outcome::refused));
    EXPECT_EQ(script.lease().phase, Phase::closing);
    EXPECT_FALSE(script.lease().closed);
    scan(script, tcp4, ms(2500), Scope::held);
    EXPECT_TRUE(script.lease().is_open());
    script.apply(released(taken, ms(3000), true));
    EXPECT_EQ(script.lease().closed, When::observed(ms(3000)));
    EXPECT_EQ(script.lease().freed, When::observed(ms(3000)));
    EXPECT_EQ(script.lease().outcome, Outcome::refused);
}

TEST(SocketClosed, OfASocketThatWasNeverSeenIsALeaseOfNobody) {
    Script script;
    script.apply(closed(connecting(1, ms(0)), ms(2000), Remains::nothing));
    EXPECT_EQ(script.lease().freed, When::observed(ms(2000)));
    EXPECT_FALSE(script.lease().last_holder.holder);
    EXPECT_EQ(script.ledger.unseen_sockets(), 1U);
}

TEST(SocketClosed, OfASocketThatMayBeOlderThanTheWatchIsNoMiss) {
    Script script;
    auto end = closed(connecting(1, ms(0)), ms(2000), Remains::nothing);
    end.may_be_older = true;
    script.apply(end);
    EXPECT_EQ(script.lease().freed, When::observed(ms(2000)));
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

TEST(SocketClosed, KeepsTheFirstOutcome) {
    const auto taken = connecting(1, ms(1000));
    auto nameless = closed(taken, ms(2000), Remains::nothing, std::nullopt);
    EXPECT_FALSE(lease_after({taken, nameless}).outcome);
    EXPECT_EQ(lease_after({taken, closed(taken, ms(2000), Remains::nothing, Outcome::reset),
                           closed(taken, ms(2000), Remains::nothing, Outcome::closed)})
                  .outcome,
              Outcome::reset);
}

TEST(HeldScanned, EndsWhatIsLeftInNamespacesThatHaveNoSocketAnyMore) {
    Script script;
    auto elsewhere = listening(1, ms(1000));
    elsewhere.key.network_namespace = 77;
    script.apply(elsewhere);
    const auto here = listening(2, ms(1000));
    script.apply(here);
    scan(script, tcp4, ms(2000), Scope::all, {row_of(here, SocketState::listen, ms(2001))});
    EXPECT_EQ(script.ledger.open_leases(), 2U);
    script.apply(HeldScanned{ms(2000), ms(2010)});
    EXPECT_EQ(script.ledger.open_leases(), 1U);
    EXPECT_EQ(script.lease(elsewhere.key).closed, When::sampled(ms(1000), ms(2010)));
    EXPECT_TRUE(script.lease(here.key).is_open());
}

// A connection that its program closed at 2000 ms and that left TIME_WAIT at 2001 ms.
PortTaken leave_time_wait(Script &script, bool peer_has_closed = true) {
    const auto taken = connecting(1, ms(1000));
    auto end = closed(taken, ms(2001), Remains::time_wait);
    end.peer_has_closed = peer_has_closed;
    script.apply(taken);
    script.apply(released(taken, ms(2000), false));
    script.apply(end);
    return taken;
}

TEST(TimeWaitByTheClock, EndsWhenItsTimeIsOver) {
    Script script;
    leave_time_wait(script);
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    EXPECT_EQ(script.lease().closed, When::observed(ms(2000)));
    scan(script, tcp4, ms(30'000), Scope::held);
    script.apply(TimePassed{ms(2001) + 67499ms});
    EXPECT_TRUE(script.lease().is_open());
    script.apply(TimePassed{ms(2001) + 67500ms});
    EXPECT_EQ(script.lease().freed, When::inferred(ms(62'001), ms(69'501)));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(TimeWaitByTheClock, LastsTwiceAsLongIfThePeerHasNotClosed) {
    Script script;
    leave_time_wait(script, false);
    script.apply(TimePassed{ms(2001) + 134999ms});
    EXPECT_TRUE(script.lease().is_open());
    script.apply(TimePassed{ms(2001) + 135000ms});
    EXPECT_EQ(script.lease().freed, When::inferred(ms(2001), ms(137'001)));
}

TEST(TimeWaitByTheClock, IsLeftToScansWhereTheyShowIt) {
    Script script;
    scan(script, tcp4, ms(500), Scope::all);
    const auto taken = leave_time_wait(script);
    auto row = row_of(taken, SocketState::time_wait, ms(3005));
    row.inode = 0;
    scan(script, tcp4, ms(3000), Scope::all, {row});
    script.apply(TimePassed{ms(200'000)});
    EXPECT_TRUE(script.lease().is_open());
    scan(script, tcp4, ms(201'000), Scope::all);
    EXPECT_EQ(script.lease().freed, When::sampled(ms(3000), ms(201'010)));
    EXPECT_EQ(script.lease().closed, When::observed(ms(2000)));
}

TEST(TimeWaitByTheClock, EndsWhenItsConnectionIsMadeAgain) {
    for (const bool is_scanned : {false, true}) {
        Script script;
        if (is_scanned)
            scan(script, tcp4, ms(500), Scope::all);
        leave_time_wait(script);
        script.apply(connecting(2, ms(5000)));
        EXPECT_EQ(script.lease(cookie(1)).freed, When::inferred(ms(2000), ms(5000)));
        EXPECT_TRUE(script.lease(cookie(2)).is_open());
        EXPECT_EQ(script.ledger.open_leases(), 1U);
    }
}

TEST(TimeWaitByTheClock, KeepsWithinTheLimits) {
    Script script(1, {.remembered_ends = 100, .awaiting_scan = 2});
    for (std::uint64_t i = 0; i < 5; ++i) {
        auto taken = connecting(i, ms(1000));
        taken.local.port = static_cast<std::uint16_t>(41000 + i);
        script.apply(taken);
        script.apply(released(taken, ms(2000), false));
        script.apply(closed(taken, ms(2000), Remains::time_wait));
    }
    EXPECT_EQ(script.ledger.open_leases(), 2U);
    EXPECT_EQ(script.lease(cookie(0)).freed, When::inferred(ms(62'000), ms(69'500)));
}

TEST(TimeWaitByTheClock, GoesOnAfterARestart) {
    Script before;
    leave_time_wait(before);
    Script after;
    after.ledger.restore(before.leases(), ms(2500));
    after.apply(TimePassed{ms(2500) + 135s});
    EXPECT_EQ(after.lease().freed, When::inferred(ms(2000), ms(137'500)));
    EXPECT_LAST_HOLDER(after.lease(), program);
}

TEST(ProcessEnded, LetsGoOfEverything) {
    Script script;
    script.apply(sent(1, local, ms(1000)));
    script.apply(sent(2, other, ms(1000)));
    script.seen(cookie(1), worker, ms(1100));
    script.leases();
    script.apply(ProcessEnded{program, ms(1500)});
    EXPECT_TRUE(script.ledger.take_changes().empty()) << "all ends are taken together";
    script.apply(TimePassed{ms(2000)});
    EXPECT_FALSE(script.lease(cookie(2)).holders[0].present);
    const auto lease = script.lease(cookie(1));
    EXPECT_FALSE(lease.holders[0].present);
    EXPECT_EQ(lease.holders[0].gone_by, ms(1500));
    EXPECT_TRUE(lease.holders[1].present);
    EXPECT_OPENER(lease, program);
}

TEST(ProcessEnded, LeavesASocketToWhoeverInheritedIt) {
    Script script;
    script.apply(sent(1, local, ms(1000)));
    script.apply(TimePassed{ms(1100)});
    EXPECT_FALSE(script.ledger.take_lack_of_holders());
    script.apply(ProcessEnded{program, ms(1500)});
    script.apply(TimePassed{ms(1600)});
    EXPECT_TRUE(script.ledger.take_lack_of_holders());
    EXPECT_FALSE(script.ledger.take_lack_of_holders()) << "it was told";
    EXPECT_FALSE(script.lease().last_holder.holder);
    script.seen(cookie(1), worker, ms(1700));
    EXPECT_OPENER(script.lease(), program);
    EXPECT_TRUE(is(script.lease(), script.lease().last_holder, worker, Provenance::sampled));
}

TEST(HoldersCounted, TellsWhoHasLetGo) {
    Script script;
    script.apply(sent(1, local, ms(1000)));
    script.seen(cookie(1), worker, ms(1700));
    EXPECT_FALSE(script.lease().last_holder.holder) << "its opener has it";
    script.apply(HoldersCounted{cookie(1), {worker->key}, ms(900), ms(910)});
    EXPECT_FALSE(script.lease().last_holder.holder) << "that look began before";
    script.apply(HoldersCounted{cookie(1), {worker->key}, ms(1690), ms(1700)});
    EXPECT_TRUE(is(script.lease(), script.lease().last_holder, worker, Provenance::sampled));
    EXPECT_OPENER(script.lease(), program);
}

TEST(ProcessEnded, IsKnownToASightingThatComesLater) {
    Script script;
    script.apply(ProcessEnded{worker, ms(1500)});
    script.apply(sent(1, local, ms(1000)));
    script.seen(cookie(1), worker, ms(1100));
    ASSERT_EQ(script.lease().holders.size(), 2U);
    EXPECT_FALSE(script.lease().holders[1].present);
}

TEST(ProcessEnded, ByAnExecIsTheEndOfThatImage) {
    Script script;
    const auto image = process(10, ms(100), "image");
    script.apply(sent(1, local, ms(1000)));
    script.apply(ProcessEnded{program, ms(1500)});
    script.seen(cookie(1), image, ms(1500));
    script.apply(ScanFinished{tcp4, ms(1600), Scope::nothing});
    script.apply(TimePassed{ms(1700)});
    const auto lease = script.lease();
    ASSERT_EQ(lease.holders.size(), 2U);
    EXPECT_FALSE(lease.holders[0].present);
    EXPECT_TRUE(lease.holders[1].present);
}

TEST(Claim, OfWhoAcceptsAConnectionIsItsOpener) {
    Script script;
    script.apply(listening(1, ms(900)));
    script.apply(connected(2, ms(1000), Role::accepted));
    script.seen(cookie(2), program, ms(1000));
    EXPECT_NE(script.lease(cookie(2)).opener.provenance, Provenance::observed);
    script.apply(HolderSeen{cookie(2), worker, ms(1001), Claim::opened});
    EXPECT_OPENER(script.lease(cookie(2)), worker);
    script.apply(HolderSeen{cookie(2), program, ms(1002), Claim::opened});
    EXPECT_OPENER(script.lease(cookie(2)), worker);
}

TEST(Claim, MayComeBeforeItsConnectionOrAfterItsEnd) {
    const auto taken = connected(2, ms(1000), Role::accepted);
    const HolderSeen claim{taken.key, worker, ms(1001), Claim::opened};
    const auto early = lease_after({claim, taken});
    EXPECT_OPENER(early, worker);
    const auto late = lease_after({taken, closed(taken, ms(1000), Remains::nothing), claim,
                                   released(taken, ms(1002), true, worker)});
    EXPECT_OPENER(late, worker);
    EXPECT_LAST_HOLDER(late, worker);
    EXPECT_EQ(late.holders[0].last_seen, ms(1000));
}

TEST(ScopeHeld, EndsWhatNobodyHas) {
    Script script;
    const auto lost = sent(1, local, ms(1000));
    script.apply(lost);
    scan(script, udp4, ms(2000), Scope::held);
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(2010)));
    script.apply(released(lost, ms(1800), true));
    EXPECT_EQ(script.lease().freed, When::observed(ms(1800))) << "late";
}

// After a loss the end lies between what the last look before it could rely on and the one after.
TEST(ScopeHeld, EndsWhatWasThereWhenItWasLastCounted) {
    Script script;
    script.apply(sent(1, local, ms(1000)));
    script.apply(ScanStarted{udp4, ms(5000)});
    script.apply(ScanFinished{udp4, ms(5010), Scope::nothing, true});
    EXPECT_EQ(script.ledger.open_leases(), 1U);
    scan(script, udp4, ms(7000), Scope::held);
    EXPECT_EQ(script.lease().freed, When::sampled(ms(5000), ms(7010)));
}

TEST(ScopeHeld, LeavesAloneWhatNeedsNoHolder) {
    Script script;
    const auto orphan = connecting(1, ms(1000));
    auto unaccepted = connected(2, ms(1000), Role::accepted);
    unaccepted.local = other;
    script.apply(orphan);
    script.apply(released(orphan, ms(1500), false));
    script.apply(unaccepted);
    scan(script, tcp4, ms(2000), Scope::held);
    EXPECT_EQ(script.ledger.open_leases(), 2U);
    scan(script, tcp4, ms(3000), Scope::all);
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(ScopeTimeWait, EndsNothingThatEventsTellTheEndOf) {
    Script script;
    script.apply(connecting(1, ms(500)));
    for (const auto began : {1000, 2000, 3000})
        scan(script, tcp4, ms(began), Scope::time_wait);
    EXPECT_TRUE(script.lease().is_open());
}

TEST(ScopeTimeWait, EndsAnEntryThatTwoScansInARowMissed) {
    Script script;
    const auto taken = connecting(1, ms(1100));
    scan(script, tcp4, ms(1000), Scope::all);
    script.apply(taken);
    script.apply(released(taken, ms(1200), false));
    script.apply(closed(taken, ms(1300), Remains::time_wait));
    auto entry = row_of(taken, SocketState::time_wait, ms(2005));
    entry.inode = 0;
    scan(script, tcp4, ms(2000), Scope::time_wait, {entry});
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    scan(script, tcp4, ms(3000), Scope::time_wait);
    EXPECT_EQ(script.lease().phase, Phase::lingering) << "passed over";
    scan(script, tcp4, ms(4000), Scope::time_wait);
    const auto lease = script.lease();
    EXPECT_EQ(lease.phase, Phase::freed);
    EXPECT_EQ(lease.freed, When::sampled(ms(2000), ms(4010)));
    EXPECT_EQ(lease.closed, When::observed(ms(1200)));
}

TEST(ScopeTimeWait, EndsAnEntryThatWasNeverThere) {
    Script script;
    const auto taken = connecting(1, ms(1100));
    scan(script, tcp4, ms(1000), Scope::all);
    script.apply(taken);
    script.apply(released(taken, ms(1200), false));
    script.apply(closed(taken, ms(1300), Remains::time_wait));
    scan(script, tcp4, ms(2000), Scope::time_wait);
    EXPECT_TRUE(script.lease().is_open());
    scan(script, tcp4, ms(3000), Scope::time_wait);
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1300), ms(3010)));
}

TEST(ScopeTimeWait, EndsASocketOfTheKernel) {
    Script script;
    auto taken = sent(1, local, ms(500));
    taken.process = process(0, ms(0), "kernel");
    script.apply(taken);
    const Table udp4{Protocol::udp, Family::ipv4, here};
    for (const auto began : {1000, 2000})
        scan(script, udp4, ms(began), Scope::time_wait);
    EXPECT_EQ(script.lease().phase, Phase::freed);
}

TEST(Scan, TellsWhoChoseThePortOfWhatWasThereBefore) {
    for (const auto choice : {PortChoice::automatic, PortChoice::explicit_}) {
        Script script;
        auto row = row_of(connecting(1, ms(0)), SocketState::listen, ms(1005));
        row.port_choice = choice;
        if (choice == PortChoice::automatic)
            row.port_chosen_by = PortChosenBy::bind;
        scan(script, tcp4, ms(1000), Scope::all, {row});
        EXPECT_EQ(script.lease().port_choice, choice);
        EXPECT_EQ(script.lease().port_chosen_by, row.port_chosen_by);
    }
}

TEST(Scan, DoesNotEndWhatBeganWhileItRan) {
    for (const auto scope : {Scope::held, Scope::all}) {
        Script script;
        script.apply(sent(1, local, ms(1000)));
        script.apply(ScanStarted{udp4, ms(2000)});
        script.apply(sent(2, other, ms(2001)));
        script.apply(ScanFinished{udp4, ms(2010), scope});
        EXPECT_FALSE(script.lease(cookie(1)).is_open());
        EXPECT_TRUE(script.lease(cookie(2)).is_open());
        scan(script, udp4, ms(3000), scope);
        EXPECT_FALSE(script.lease(cookie(2)).is_open());
    }
}

TEST(Witness, ChangesNothingThatWasObserved) {
    Script script;
    const auto taken = connecting(1, ms(1000));
    const auto row = connection(1, local, peer);
    auto release = released(taken, ms(2000), false);
    release.tcp = completed;
    script.apply(taken);
    script.apply(release);
    script.apply(closed(taken, ms(2001), Remains::nothing));
    const auto before = script.lease();
    script.apply(destroyed(
        row, ms(2002), {.established = true, .bytes_sent = 99, .bytes_received = 99, .idle = {}}));
    EXPECT_EQ(script.lease(), before);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

TEST(Witness, ThatIsHeardFirstGivesWayToExactEvents) {
    Script script;
    const auto taken = connecting(1, ms(1000));
    script.apply(destroyed(connection(1, local, peer), ms(2002), completed));
    script.apply(taken);
    script.apply(released(taken, ms(2000), false));
    script.apply(closed(taken, ms(2001), Remains::nothing));
    const auto lease = script.lease();
    EXPECT_EQ(lease.opened, When::observed(ms(1000)));
    EXPECT_EQ(lease.closed, When::observed(ms(2000)));
    EXPECT_EQ(lease.freed, When::observed(ms(2001)));
    EXPECT_OPENER(lease, program);
    EXPECT_LAST_HOLDER(lease, program);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

TEST(Witness, EndsALeaseWhoseEventsWereLost) {
    Script script;
    script.apply(connecting(1, ms(1000)));
    script.apply(destroyed(connection(1, local, peer), ms(2002), refused));
    EXPECT_EQ(script.lease().freed, When::observed(ms(2002)));
    EXPECT_OPENER(script.lease(), program);
}

TEST(Observed, AttributionsSurviveOtherHoldersAndARestart) {
    Script script;
    const auto taken = connecting(1, ms(1000));
    script.seen(taken.key, worker, ms(900));
    script.apply(taken);
    script.seen(taken.key, worker, ms(950));
    EXPECT_EQ(script.lease().holders[0].process, worker);
    EXPECT_OPENER(script.lease(), program);
    script.apply(released(taken, ms(2000), false, worker));

    Script next;
    next.ledger.restore(script.leases(), ms(2100));
    next.seen(taken.key, process(5, ms(50)), ms(800));
    next.apply(closed(taken, ms(2200), Remains::nothing));
    EXPECT_EQ(next.lease().holders.size(), 3U);
    EXPECT_OPENER(next.lease(), program);
    EXPECT_LAST_HOLDER(next.lease(), worker);
    EXPECT_EQ(next.lease().closed, When::observed(ms(2000)));
    EXPECT_EQ(next.lease().freed, When::observed(ms(2200)));
}

TEST(OwnNamespace, PortsOfOthersTellNothing) {
    Script script;
    script.ledger.set_own_namespace(here);
    const auto choice = [&](std::uint32_t network_namespace, std::optional<PortChoice> told) {
        auto taken = sent(network_namespace, endpoint("192.0.2.1", 53), ms(1000));
        taken.key.network_namespace = network_namespace;
        taken.port_choice = told;
        script.apply(taken);
        return script.lease(taken.key).port_choice;
    };
    EXPECT_EQ(choice(here, std::nullopt), PortChoice::explicit_);
    EXPECT_EQ(choice(here + 1, std::nullopt), std::nullopt);
    EXPECT_EQ(choice(here + 2, PortChoice::automatic), PortChoice::automatic);
}

TEST(OwnNamespace, RolesInOthersAreNotInferredFromPorts) {
    Script script;
    script.ledger.set_own_namespace(here + 1);
    const auto row = connection(1, local, peer);
    for (const auto began : {1000, 2000, 3000})
        script.scan(ms(began), began > 1000 ? std::vector{row} : std::vector<Row>{});
    EXPECT_FALSE(script.lease().role);
}

TEST(NamespaceEnded, FreesWhatLingersInItAtThatInstant) {
    const auto taken = connecting(1, ms(1000));
    const auto next = connecting(2, ms(1000));
    Script script;
    for (const auto &one : {taken, next}) {
        script.apply(one);
        script.apply(released(one, ms(2000), false, worker));
    }
    script.apply(closed(taken, ms(2001), Remains::time_wait));
    const auto lease = [&](const PortTaken &of) { return script.lease(of.key); };
    script.apply(NamespaceEnded{here + 1, ms(3000)});
    EXPECT_TRUE(lease(taken).is_open()) << "another namespace";
    script.apply(NamespaceEnded{here, ms(1999)});
    EXPECT_TRUE(lease(taken).is_open()) << "it is of the namespace that has the number now";
    script.apply(NamespaceEnded{here, ms(3000)});
    EXPECT_EQ(lease(taken).freed, When::observed(ms(3000)));
    EXPECT_EQ(lease(taken).closed, When::observed(ms(2000)));
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
    script.apply(TimePassed{ms(200'000)});
    EXPECT_EQ(lease(taken).freed, When::observed(ms(3000)));
}

TEST(NamespaceEnded, LeavesWhatSomebodyHas) {
    const auto taken = connecting(1, ms(1000));
    Script script;
    script.apply(taken);
    script.apply(NamespaceEnded{here, ms(3000)});
    EXPECT_TRUE(script.lease().is_open());
}

} // namespace
} // namespace portd::model
