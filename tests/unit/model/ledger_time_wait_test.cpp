// TIME_WAIT: another object with another cookie, which holds the port of a connection that is gone.
#include "unit/model/script.hpp"

namespace portd::model {
namespace {

using namespace script;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Endpoint peer = endpoint("198.51.100.7", 443);
const Row client = connection(1, local, peer);
const Row lingering = time_wait(100, local, peer);
const Table tcp4{Protocol::tcp, Family::ipv4, here};

TEST(TimeWait, AfterTheDestroyEventLingersUntilItDisappears) {
    for (const bool is_known : {true, false}) {
        Script script;
        if (is_known)
            script.scan(ms(1000), {client});
        script.apply(destroyed(client, ms(1500), completed));
        EXPECT_EQ(script.lease().phase, Phase::lingering);
        EXPECT_EQ(script.lease().closed, When::observed(ms(1500)));
        EXPECT_FALSE(script.lease().freed);
        EXPECT_EQ(script.lease().outcome, std::nullopt);
        script.scan(ms(2000), {lingering});
        EXPECT_EQ(script.lease().outcome, Outcome::closed);
        script.scan(ms(3000), {lingering});
        EXPECT_EQ(script.lease().phase, Phase::lingering);
        EXPECT_EQ(script.ledger.open_leases(), 1U);
        script.scan(ms(61'000));
        const auto lease = script.lease();
        EXPECT_EQ(lease.closed, When::observed(ms(1500)));
        EXPECT_EQ(lease.freed, When::sampled(ms(3000), ms(61'010)));
        EXPECT_EQ(lease.id.socket, client.key);
        EXPECT_EQ(script.ledger.open_leases(), 0U);
    }
}

TEST(TimeWait, ThatIsNotThereFreesThePortAtTheFirstScanThatBeganAfterTheEnd) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(ScanStarted{tcp4, ms(2000)});
    script.apply(destroyed(client, ms(2004), completed));
    script.apply(ScanFinished{tcp4, ms(2010), Scope::all});
    EXPECT_TRUE(script.lease().is_open()) << "that scan began before the end";
    script.failing_scan(ms(3000));
    EXPECT_TRUE(script.lease().is_open()) << "that scan tells nothing";
    script.scan(ms(4000));
    EXPECT_EQ(script.lease().closed, When::observed(ms(2004)));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(2004), ms(4010)));
}

TEST(TimeWait, MayFollowAConnectionOfWhichTcpInfoIsMissing) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(destroyed(client, ms(1500)));
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    script.scan(ms(2000), {lingering});
    EXPECT_TRUE(script.lease().is_open());
}

TEST(TimeWait, SeenBeforeTheDestroyEventJoinsItsSocket) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000), {lingering});
    EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    EXPECT_EQ(script.lease().uid, 1000U);
    script.apply(destroyed(client, ms(1700), completed));
    EXPECT_EQ(script.lease().closed, When::observed(ms(1700)));
    EXPECT_EQ(script.lease().bytes_sent, 10U);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
    script.scan(ms(3000));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(2000), ms(3010)));
}

TEST(TimeWait, WhoseEventIsLostIsStillTheSameLease) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000), {lingering});
    script.scan(ms(3000));
    EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(2000), ms(3010)));
}

// shutdown(2) without close(2): the kernel puts a TIME_WAIT entry in the place of the socket, which
// the program keeps.
TEST(TimeWait, OfASocketThatIsKeptForLongIsFreedWithoutIt) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000), {lingering});
    script.scan(ms(62'000));
    script.apply(destroyed(client, ms(63'000), completed));
    EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(2000), ms(62'010)));
}

TEST(TimeWait, WithoutKnownOriginIsALeaseWithoutRole) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000), {lingering});
    const auto lease = script.lease();
    EXPECT_EQ(lease.phase, Phase::lingering);
    EXPECT_EQ(lease.opened, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(lease.closed, When::sampled(ms(1000), ms(2005)));
    EXPECT_FALSE(lease.role);
    EXPECT_FALSE(lease.uid);
    EXPECT_TRUE(lease.holders.empty());
    script.scan(ms(3000), {lingering});
    EXPECT_FALSE(script.lease().role);
    script.scan(ms(4000));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(3000), ms(4010)));
}

TEST(TimeWait, WithoutKnownOriginMergesWithItsDestroyEvent) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000), {lingering});
    script.apply(destroyed(client, ms(1700), completed));
    EXPECT_EQ(script.lease().opened, When::sampled(ms(1000), ms(1700)));
    EXPECT_EQ(script.lease().closed, When::observed(ms(1700)));
    EXPECT_EQ(script.lease().bytes_received, 20U);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
    script.apply(destroyed(client, ms(1700), completed));
    script.scan(ms(3000), {lingering});
    EXPECT_EQ(script.lease().role, Role::client);
    script.scan(ms(4000));
    script.apply(destroyed(client, ms(1700), completed));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(3000), ms(4010)));
}

TEST(TimeWait, MergesWithAnEventThatWasStampedJustAfterTheRow) {
    Script script;
    script.scan(ms(2000), {lingering});
    script.apply(destroyed(client, ms(2005) + observed_precision / 2, completed));
    EXPECT_EQ(script.lease().closed, When::observed(ms(2005)));
}

TEST(TimeWait, DoesNotMergeWithALaterSocketOfTheSameTuple) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000), {lingering});
    script.apply(destroyed(connection(2, local, peer), ms(2500), completed));
    script.scan(ms(3000), {time_wait(101, local, peer)});
    script.scan(ms(4000));
    const auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].closed, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(leases[0].freed, When::sampled(ms(2000), ms(3010)));
    EXPECT_EQ(leases[1].opened, When::sampled(ms(2000), ms(2500)));
    EXPECT_EQ(leases[1].closed, When::observed(ms(2500)));
    EXPECT_EQ(leases[1].freed, When::sampled(ms(3000), ms(4010)));
    EXPECT_EQ(script.ledger.unseen_sockets(), 1U);
}

TEST(TimeWait, DoesNotMergeWithAnEarlierSocketOfTheSameTuple) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000));
    script.scan(ms(3000), {lingering});
    script.apply(destroyed(connection(2, local, peer), ms(1500), completed));
    EXPECT_EQ(script.leases().size(), 2U);
}

TEST(TimeWait, OfAnotherKeyIsAnotherLease) {
    Script script;
    script.scan(ms(1000), {lingering});
    script.scan(ms(2000), {time_wait(101, local, peer)});
    const auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].freed, When::sampled(ms(1000), ms(2010)));
    EXPECT_TRUE(leases[1].is_open());
}

TEST(TimeWait, OfAConnectionThatTheLastScanMissedGoesOnWithItsLease) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000));
    script.scan(ms(3000), {lingering});
    EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(3005)));
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    EXPECT_EQ(script.ledger.open_leases(), 1U);
}

TEST(TimeWait, LateRowOfItsSocketIsPassedOver) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(ScanStarted{tcp4, ms(2000)});
    script.apply(SocketSeen{lingering.key, Protocol::tcp, local, peer, SocketState::time_wait, 0, 0,
                            ms(2005)});
    script.apply(SocketSeen{client.key, Protocol::tcp, local, peer, SocketState::established, 1000,
                            77, ms(2006)});
    script.apply(ScanFinished{tcp4, ms(2010), Scope::all});
    EXPECT_EQ(script.lease().phase, Phase::lingering);
}

TEST(TimeWait, OfAnOrphanIsClosedWhenTheOrphanWas) {
    Script script;
    auto orphan = connection(1, local, peer, SocketState::fin_wait1);
    orphan.inode = 0;
    script.scan(ms(1000), {client});
    script.scan(ms(2000), {orphan});
    script.apply(destroyed(client, ms(2500), completed));
    auto substate = lingering; // FIN_WAIT2 goes on in an object of the same kind
    substate.state = SocketState::fin_wait2;
    script.scan(ms(3000), {substate});
    script.scan(ms(4000), {lingering});
    EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(2005)));
    script.scan(ms(5000));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(4000), ms(5010)));

    Script late;
    late.scan(ms(1000), {client});
    late.scan(ms(2000), {orphan});
    late.scan(ms(3000), {lingering});
    late.apply(destroyed(client, ms(2500), completed));
    EXPECT_EQ(late.lease().closed, When::sampled(ms(1000), ms(2005)));
}

// As newer kernels do if somebody has asked for the cookie before.
TEST(TimeWait, WithTheCookieOfItsSocketIsTheSameLease) {
    const auto lingering_on = time_wait(1, local, peer);
    enum class Event { before, after, after_the_end, never };
    for (const auto event : {Event::before, Event::after, Event::after_the_end, Event::never}) {
        Script script;
        script.scan(ms(1000), {client});
        if (event == Event::before)
            script.apply(destroyed(client, ms(1700), completed));
        script.scan(ms(2000), {lingering_on});
        if (event == Event::after)
            script.apply(destroyed(client, ms(1700), completed));
        EXPECT_EQ(script.lease().phase, Phase::lingering);
        script.scan(ms(3000));
        if (event == Event::after_the_end)
            script.apply(destroyed(client, ms(1700), completed));
        EXPECT_EQ(script.lease().closed, event == Event::never ? When::sampled(ms(1000), ms(2005))
                                                               : When::observed(ms(1700)));
        EXPECT_EQ(script.lease().freed, When::sampled(ms(2000), ms(3010)));
        EXPECT_EQ(script.lease().bytes_sent.has_value(), event != Event::never);
        EXPECT_EQ(script.ledger.open_leases(), 0U);
        EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
    }
}

TEST(TimeWait, MissedByAScanGoesOn) {
    for (const auto &row : {lingering, time_wait(1, local, peer)}) {
        Script script;
        script.scan(ms(1000), {client});
        script.scan(ms(2000), {row});
        script.scan(ms(3000));
        script.scan(ms(4000), {row});
        EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(2005)));
        EXPECT_EQ(script.ledger.open_leases(), 1U);
        script.scan(ms(5000));
        EXPECT_EQ(script.lease().freed, When::sampled(ms(4000), ms(5010)));
    }
}

} // namespace
} // namespace portd::model
