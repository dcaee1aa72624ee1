// Exact events: who took a port, who let go of it last, and when, to the microsecond.
#include "unit/model/script.hpp"

#include <chrono>

namespace portd::model {
namespace {

using namespace script;
using namespace std::chrono_literals;
using Remains = SocketClosed::Remains;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Endpoint other = endpoint("192.0.2.1", 40001);
const Endpoint peer = endpoint("198.51.100.7", 443);
const ProcessRef program = process(10, ms(100), "program");
const ProcessRef worker = process(11, ms(100), "worker");
const Table tcp4{Protocol::tcp, Family::ipv4, here};
const Table udp4{Protocol::udp, Family::ipv4, here};

PortTaken bound(std::uint64_t socket, Instant at, const ProcessRef &by = program) {
    PortTaken taken;
    taken.key = cookie(socket);
    taken.local = local;
    taken.peer = none();
    taken.process = by;
    taken.at = at;
    return taken;
}

PortTaken listening(std::uint64_t socket, Instant at) {
    auto taken = bound(socket, at);
    taken.phase = Phase::listening;
    taken.role = Role::listener;
    return taken;
}

PortTaken connecting(std::uint64_t socket, Instant at, const ProcessRef &by = program) {
    auto taken = bound(socket, at, by);
    taken.peer = peer;
    taken.phase = Phase::connecting;
    taken.role = Role::client;
    return taken;
}

PortTaken connected(std::uint64_t socket, Instant at, Role role = Role::client) {
    auto taken = connecting(socket, at, nullptr);
    taken.phase = Phase::connected;
    taken.role = role;
    return taken;
}

PortTaken sent(std::uint64_t socket, const Endpoint &from, Instant at) {
    auto taken = bound(socket, at);
    taken.protocol = Protocol::udp;
    taken.local = from;
    taken.role = Role::datagram;
    return taken;
}

SocketReleased released(const PortTaken &of, Instant at, bool frees_port,
                        const ProcessRef &by = program) {
    return {.key = of.key,
            .protocol = of.protocol,
            .local = of.local,
            .peer = of.peer,
            .uid = std::nullopt,
            .tcp = std::nullopt,
            .process = by,
            .frees_port = frees_port,
            .at = at};
}

SocketClosed closed(const PortTaken &of, Instant at, Remains remains,
                    std::optional<Outcome> outcome = Outcome::closed) {
    return {.key = of.key,
            .local = of.local,
            .peer = of.peer,
            .tcp = std::nullopt,
            .outcome = outcome,
            .remains = remains,
            .peer_has_closed = true,
            .at = at};
}

SocketSeen row_of(const PortTaken &of, SocketState state, Instant at) {
    return {of.key, of.protocol, of.local, of.peer, state, 1000, 77, at};
}

void scan(Script &script, const Table &table, Instant began, Scope scope,
          const std::vector<SocketSeen> &rows = {}) {
    script.apply(ScanStarted{table, began});
    for (const auto &row : rows)
        script.apply(row);
    script.apply(ScanFinished{table, began + scan_takes, scope});
}

::testing::AssertionResult is(const Lease &lease, const Attribution &attribution,
                              const ProcessRef &process, Provenance provenance) {
    const auto named =
        attribution.holder ? lease.holders.at(*attribution.holder).process : ProcessRef{};
    if (named == process && attribution.provenance == provenance)
        return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << (named ? named->command : "nobody") << ", " << to_string(attribution.provenance);
}

#define EXPECT_OPENER(lease, process)                                                              \
    EXPECT_TRUE(is(lease, (lease).opener, process, Provenance::observed))
#define EXPECT_LAST_HOLDER(lease, process)                                                         \
    EXPECT_TRUE(is(lease, (lease).last_holder, process, Provenance::observed))

// Of one socket that nothing else was known of.
Lease lease_after(const std::vector<Observation> &observations) {
    Script script;
    for (const auto &observation : observations)
        script.apply(observation);
    return script.lease();
}

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

TEST(SocketClosed, KeepsTheFirstOutcome) {
    const auto taken = connecting(1, ms(1000));
    auto nameless = closed(taken, ms(2000), Remains::nothing, std::nullopt);
    EXPECT_FALSE(lease_after({taken, nameless}).outcome);
    EXPECT_EQ(lease_after({taken, closed(taken, ms(2000), Remains::nothing, Outcome::reset),
                           closed(taken, ms(2000), Remains::nothing, Outcome::closed)})
                  .outcome,
              Outcome::reset);
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

TEST(Scan, TellsWhoChoseThePortOfWhatWasThereBefore) {
    for (const auto choice : {PortChoice::automatic, PortChoice::explicit_}) {
        Script script;
        auto row = row_of(connecting(1, ms(0)), SocketState::listen, ms(1005));
        row.port_choice = choice;
        scan(script, tcp4, ms(1000), Scope::all, {row});
        EXPECT_EQ(script.lease().port_choice, choice);
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

} // namespace
} // namespace portd::model
