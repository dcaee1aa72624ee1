// What scans alone tell: openings, ends, and what they may not tell.
#include "unit/model/script.hpp"

namespace portd::model {
namespace {

using namespace script;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Endpoint peer = endpoint("198.51.100.7", 443);
const Row client = connection(1, local, peer);
const Table tcp4{Protocol::tcp, Family::ipv4, here};

TEST(Opened, WithoutPreviousScanHasNoLowerBound) {
    Script script;
    script.scan(ms(1000), {client});
    const auto lease = script.lease();
    EXPECT_EQ(lease.opened, When::sampled(std::nullopt, ms(1005)));
    EXPECT_EQ(lease.id, (LeaseId{client.key, ms(1005)}));
    EXPECT_EQ(lease.phase, Phase::connected);
    EXPECT_EQ(lease.local, local);
    EXPECT_EQ(lease.peer, peer);
    EXPECT_EQ(lease.uid, 1000U);
    EXPECT_TRUE(lease.is_open());
    EXPECT_FALSE(lease.closed);
    EXPECT_EQ(script.ledger.open_leases(), 1U);
}

TEST(Opened, IsAfterThePreviousCompleteScanBegan) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000), {client});
    EXPECT_EQ(script.lease().opened, When::sampled(ms(1000), ms(2005)));
}

TEST(Opened, IsNotBoundedByAnIncompleteScan) {
    Script script;
    script.scan(ms(1000));
    script.failing_scan(ms(2000));
    script.scan(ms(3000), {client});
    EXPECT_EQ(script.lease().opened, When::sampled(ms(1000), ms(3005)));
}

TEST(Opened, IsNotBoundedByAScanOfAnotherTable) {
    Script script;
    script.scan({Protocol::udp, Family::ipv4, here}, ms(1000), {});
    script.scan({Protocol::tcp, Family::ipv6, here}, ms(1000), {});
    script.scan({Protocol::tcp, Family::ipv4, here + 1}, ms(1000), {});
    script.scan(ms(2000), {client});
    EXPECT_EQ(script.lease().opened, When::sampled(std::nullopt, ms(2005)));
}

TEST(IncompleteScan, ConcludesNothing) {
    Script script;
    script.scan(ms(1000), {client});
    script.failing_scan(ms(2000));
    EXPECT_TRUE(script.lease().is_open());
    script.scan(ms(3000));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(3010)));
}

TEST(IncompleteScan, StillShowsWhatItHasShown) {
    Script script;
    script.scan(ms(1000), {client});
    script.failing_scan(ms(2000), {client});
    script.scan(ms(3000));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(2000), ms(3010)));
}

TEST(IncompleteScan, ThatNeverFinishedIsReplacedByTheNext) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(ScanStarted{tcp4, ms(2000)});
    script.scan(ms(3000), {client});
    EXPECT_TRUE(script.lease().is_open());
}

TEST(EndByAbsence, IsBetweenTheLastScanThatShowedItAndTheEndOfTheOneThatDoesNot) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000), {client});
    script.scan(ms(3000));
    const auto lease = script.lease();
    EXPECT_EQ(lease.freed, When::sampled(ms(2000), ms(3010)));
    EXPECT_EQ(lease.closed, lease.freed);
    EXPECT_EQ(lease.phase, Phase::freed);
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(Reappearance, GoesOnWithTheSameLease) {
    for (const auto &row : {client, listener(1, local), datagram(1, local)}) {
        Script script;
        script.scan(ms(1000), {row});
        const auto before = script.lease();
        const Table table{row.protocol, Family::ipv4, here};
        script.scan(table, ms(5000), {});
        EXPECT_FALSE(script.lease().is_open());
        script.scan(table, ms(9000), {row});
        EXPECT_EQ(script.lease(), before);
        EXPECT_EQ(script.ledger.open_leases(), 1U);
        script.scan(table, ms(13000), {});
        EXPECT_EQ(script.lease().freed, When::sampled(ms(9000), ms(13010)));
    }
}

TEST(Reappearance, GoesOnWithoutCookieToo) {
    Script script;
    auto row = client;
    row.key = inode(77);
    script.scan(ms(1000), {row});
    script.scan(ms(5000));
    script.scan(ms(9000), {row});
    EXPECT_TRUE(script.lease().is_open());
}

TEST(Reappearance, WithoutCookieAfterTwoScansMissedItIsAnotherLease) {
    Script script;
    auto row = client;
    row.key = inode(77);
    script.scan(ms(1000), {row});
    script.scan(ms(5000));
    script.scan(ms(9000));
    script.scan(ms(13'000), {row});
    const auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].freed, When::sampled(ms(1000), ms(5010)));
    EXPECT_EQ(leases[1].opened, When::sampled(ms(9000), ms(13'005)));
}

TEST(Reappearance, OnAnotherPortIsAnotherLease) {
    Script script;
    script.scan(ms(1000), {datagram(1, local)});
    script.scan({Protocol::udp, Family::ipv4, here}, ms(2000), {});
    script.scan(ms(3000), {datagram(1, endpoint("192.0.2.1", 40001))});
    const auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].freed, When::sampled(ms(1000), ms(2010)));
    EXPECT_EQ(leases[1].opened, When::sampled(ms(2000), ms(3005)));
    EXPECT_NE(leases[0].id, leases[1].id);
}

// The port is free, the socket is not: its descriptor was kept after a reset.
TEST(Reappearance, IsNotTakenForTheSameConnectionUnderANewCookie) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000));
    script.scan(ms(3000), {connection(2, local, peer)});
    const auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_FALSE(leases[0].is_open());
    EXPECT_EQ(leases[1].opened, When::sampled(ms(2000), ms(3005)));
}

TEST(Phase, IsNeverWalkedBack) {
    Script script;
    script.scan(ms(1000), {connection(1, local, peer, SocketState::syn_sent)});
    EXPECT_EQ(script.lease().phase, Phase::connecting);
    script.scan(ms(2000), {client});
    EXPECT_EQ(script.lease().phase, Phase::connected);
    script.scan(ms(3000), {connection(1, local, peer, SocketState::close_wait)});
    EXPECT_EQ(script.lease().phase, Phase::closing);
    script.scan(ms(4000), {client});
    EXPECT_EQ(script.lease().phase, Phase::closing);
}

TEST(Phase, OfADisconnectedDatagramSocketStaysConnectedAndIsNoNews) {
    Script script;
    const auto anywhere = endpoint("0.0.0.0", 40000);
    script.scan(ms(1000), {datagram(1, local, peer)});
    script.scan(ms(2000), {datagram(1, anywhere)});
    EXPECT_EQ(script.lease().phase, Phase::connected);
    EXPECT_EQ(script.lease().peer, peer);
    script.scan(ms(3000), {datagram(1, anywhere)});
    EXPECT_TRUE(script.ledger.take_changes().empty());
}

TEST(PortChange, OfOneSocketIsTwoLeases) {
    Script script;
    script.scan(ms(1000), {datagram(1, local)});
    script.scan(ms(2000), {datagram(1, endpoint("192.0.2.1", 40001))});
    const auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].freed, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(leases[1].opened, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(leases[1].local.port, 40001);
    EXPECT_TRUE(leases[1].is_open());
    EXPECT_LT(leases[0].serial, leases[1].serial);
    EXPECT_EQ(script.ledger.open_leases(), 1U);
}

TEST(PortChange, ToNoPortIsTheEnd) {
    Script script;
    script.scan(ms(1000), {datagram(1, local)});
    script.scan(ms(2000), {datagram(1, endpoint("192.0.2.1", 0))});
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(2005)));
    script.scan(ms(3000), {datagram(2, endpoint("192.0.2.1", 0))});
    EXPECT_EQ(script.leases().size(), 1U);
}

TEST(UdpConnect, ChangesPeerAndAddressOfTheSameLease) {
    Script script;
    script.scan(ms(1000), {datagram(1, endpoint("0.0.0.0", 40000))});
    EXPECT_EQ(script.lease().phase, Phase::bound);
    script.scan(ms(2000), {datagram(1, local, peer)});
    EXPECT_EQ(script.lease().local, local);
    EXPECT_EQ(script.lease().peer, peer);
    EXPECT_EQ(script.lease().phase, Phase::connected);
    EXPECT_EQ(script.lease().role, Role::datagram);
}

TEST(Orphan, InFinWaitIsClosedButNotFreed) {
    Script script;
    script.scan(ms(1000), {client});
    auto orphan = connection(1, local, peer, SocketState::fin_wait1);
    orphan.inode = orphan.uid = 0;
    script.scan(ms(2000), {orphan});
    const auto lease = script.lease();
    EXPECT_EQ(lease.closed, When::sampled(ms(1000), ms(2005)));
    EXPECT_FALSE(lease.freed);
    EXPECT_EQ(lease.phase, Phase::lingering);
    EXPECT_EQ(lease.uid, 1000U) << "rows of nobody say uid 0, whoever's they were";
    script.scan(ms(3000));
    EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(2000), ms(3010)));
}

TEST(Orphan, MissedByAScanKeepsTheMomentOfItsClosing) {
    Script script;
    script.scan(ms(1000), {client});
    auto orphan = connection(1, local, peer, SocketState::fin_wait1);
    orphan.inode = 0;
    script.scan(ms(2000), {orphan});
    script.scan(ms(3000));
    script.scan(ms(4000), {orphan});
    EXPECT_TRUE(script.lease().is_open());
    EXPECT_EQ(script.lease().closed, When::sampled(ms(1000), ms(2005)));
}

TEST(Unaccepted, ConnectionThatThePeerEndedIsNotClosedYet) {
    Script script;
    auto waiting = connection(1, local, peer, SocketState::close_wait);
    waiting.inode = 0;
    script.scan(ms(1000), {waiting});
    EXPECT_EQ(script.lease().phase, Phase::closing);
    EXPECT_FALSE(script.lease().closed);
    const auto server = process(10, ms(0));
    waiting.inode = 5;
    script.scan(ms(2000), {waiting});
    script.seen(waiting.key, server, ms(2020));
    EXPECT_EQ(script.lease().holders.size(), 1U);
}

TEST(SaidTwice, StartOfAScanDoesNotForgetItsRows) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(ScanStarted{tcp4, ms(2000)});
    script.apply(SocketSeen{client.key, Protocol::tcp, local, peer, SocketState::established, 1000,
                            77, ms(2001)});
    script.apply(ScanStarted{tcp4, ms(2000)});
    script.apply(ScanFinished{tcp4, ms(2010), Scope::all});
    EXPECT_TRUE(script.lease().is_open());
}

TEST(SaidTwice, WholeScanConcludesNothing) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(ScanStarted{tcp4, ms(1000)});
    script.apply(ScanFinished{tcp4, ms(1010), Scope::all});
    EXPECT_TRUE(script.lease().is_open());
}

TEST(SaidTwice, EndOfAScanDoesNotEndTheNext) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(ScanStarted{tcp4, ms(2000)});
    script.apply(ScanFinished{tcp4, ms(1010), Scope::all});
    EXPECT_TRUE(script.lease().is_open());
}

TEST(SaidTwice, RowOfAnEarlierScanIsNoRowOfThisOne) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(ScanStarted{tcp4, ms(2000)});
    script.apply(SocketSeen{client.key, Protocol::tcp, local, peer, SocketState::established, 1000,
                            77, ms(1005)});
    script.apply(ScanFinished{tcp4, ms(2010), Scope::all});
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(2010)));
}

TEST(SaidTwice, RowOfTheLeaseBeforeThisOneIsNoNewLease) {
    Script script;
    script.scan(ms(1000), {datagram(1, local)});
    const auto moved = datagram(1, endpoint("192.0.2.1", 40001));
    script.scan(ms(2000), {datagram(1, local), moved, datagram(1, local)});
    EXPECT_EQ(script.leases().size(), 2U);
    EXPECT_EQ(script.ledger.open_leases(), 1U);
}

TEST(Inode, ReusedTupleWithoutCookieIsAnotherLease) {
    Script script;
    auto row = time_wait(0, local, peer);
    row.key = tuple(5);
    script.scan(ms(1000), {row});
    auto reborn = client;
    reborn.key = inode(88);
    script.scan(ms(2000), {reborn});
    auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].phase, Phase::freed);
    EXPECT_EQ(leases[0].freed, When::sampled(ms(1000), ms(2010)));
    EXPECT_EQ(leases[1].phase, Phase::connected);

    auto unaccepted = client;
    unaccepted.key = tuple(5);
    unaccepted.inode = 0;
    Script other;
    other.scan(ms(1000), {row});
    other.scan(ms(2000), {unaccepted});
    leases = other.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].freed, When::sampled(ms(1000), ms(2005)));
    EXPECT_EQ(leases[1].phase, Phase::connected);
}

} // namespace
} // namespace portd::model
