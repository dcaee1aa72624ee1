// What destroy events tell: exact ends, and sockets that nobody else saw.
#include "unit/model/script.hpp"

namespace portd::model {
namespace {

using namespace script;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Endpoint peer = endpoint("198.51.100.7", 443);
const Row client = connection(1, local, peer);
const Row server = listener(1, local);
const Row query = datagram(1, local, peer);
const Table tcp4{Protocol::tcp, Family::ipv4, here};
const Table udp4{Protocol::udp, Family::ipv4, here};

Table table_of(const Row &row) {
    return {row.protocol, Family::ipv4, here};
}

TEST(DestroyEvent, IsTheExactEndOfAKnownSocket) {
    for (const auto &row : {server, query}) {
        Script script;
        script.scan(ms(1000), {row});
        script.apply(destroyed(row, ms(1500)));
        const auto lease = script.lease();
        EXPECT_EQ(lease.freed, When::observed(ms(1500)));
        EXPECT_EQ(lease.closed, When::observed(ms(1500)));
        EXPECT_EQ(lease.phase, Phase::freed);
        EXPECT_EQ(script.ledger.open_leases(), 0U);
        EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
        script.scan(table_of(row), ms(2000), {});
        EXPECT_EQ(script.lease(), lease);
    }
}

TEST(DestroyEvent, OfAConnectionThatWasRefusedLeavesNothing) {
    Script script;
    const auto attempt = connection(1, local, peer, SocketState::syn_sent);
    script.scan(ms(1000), {attempt});
    script.apply(destroyed(attempt, ms(1500), refused));
    EXPECT_EQ(script.lease().freed, When::observed(ms(1500)));
    EXPECT_FALSE(script.lease().bytes_sent);
}

TEST(DestroyEvent, TellsTheTraffic) {
    Script script;
    script.scan(ms(1000), {client});
    script.apply(destroyed(client, ms(1500), completed));
    EXPECT_EQ(script.lease().bytes_sent, 10U);
    EXPECT_EQ(script.lease().bytes_received, 20U);
}

TEST(DestroyEvent, ThatWasReadLateHasTwoBounds) {
    Script script;
    script.scan(ms(1000), {query});
    script.apply(destroyed(query, When::sampled(ms(1400), ms(1600))));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1400), ms(1600)));
}

struct Unseen {
    const char *what;
    Row row;
    std::optional<TcpSummary> tcp;
    Provenance opened;
};

class UnseenSocket : public testing::TestWithParam<Unseen> {};

TEST_P(UnseenSocket, MakesALeaseWithUnknownHolderAndExactEnd) {
    const auto &param = GetParam();
    Script script;
    script.scan(table_of(param.row), ms(1000), {});
    auto event = destroyed(param.row, ms(1500));
    event.tcp = param.tcp;
    script.apply(event);
    const auto lease = script.lease();
    EXPECT_EQ(lease.opened, (When{ms(1000), ms(1500), param.opened}));
    EXPECT_EQ(lease.closed, When::observed(ms(1500)));
    EXPECT_EQ(lease.id, (LeaseId{param.row.key, ms(1500)}));
    EXPECT_TRUE(lease.holders.empty());
    EXPECT_EQ(lease.opener, Attribution{});
    EXPECT_EQ(lease.last_holder, Attribution{});
    EXPECT_EQ(lease.peer, param.row.peer);
    EXPECT_FALSE(lease.uid);
    EXPECT_EQ(script.ledger.unseen_sockets(), 1U);

    script.scan(table_of(param.row), ms(2000), {});
    const bool may_linger = param.tcp && param.tcp->established;
    EXPECT_EQ(script.lease().freed,
              may_linger ? When::sampled(ms(1500), ms(2010)) : When::observed(ms(1500)));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST_P(UnseenSocket, IsNoMissIfItMayBeOlderThanTheWatch) {
    Script script;
    auto event = destroyed(GetParam().row, ms(1500));
    event.tcp = GetParam().tcp;
    event.may_be_older = true;
    script.apply(event);
    EXPECT_EQ(script.lease().closed, When::observed(ms(1500)));
    EXPECT_TRUE(script.lease().holders.empty());
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    DestroyEvent, UnseenSocket,
    testing::Values(Unseen{"TcpBound", server, refused, Provenance::inferred},
                    Unseen{"TcpRefused", client, refused, Provenance::inferred},
                    Unseen{"TcpEstablished", client, completed, Provenance::sampled},
                    Unseen{"Udp", query, std::nullopt, Provenance::sampled}),
    [](const auto &unseen) { return unseen.param.what; });

TEST(UnseenEnd, WithoutPreviousScanHasNoLowerBoundOfOpening) {
    Script script;
    script.apply(destroyed(query, ms(1500)));
    EXPECT_EQ(script.lease().opened, When::sampled(std::nullopt, ms(1500)));
    EXPECT_EQ(script.lease().freed, When::observed(ms(1500)));
}

TEST(UnseenEnd, WithinAScanMayHaveBeenMissedByIt) {
    // Destroyed before the scan came to it, and heard of afterwards: the scan says nothing of it.
    Script script;
    script.scan(udp4, ms(1000), {});
    script.scan(udp4, ms(2000), {});
    script.apply(destroyed(query, ms(2003)));
    EXPECT_EQ(script.lease().opened, When::sampled(ms(1000), ms(2003)));
}

TEST(UnseenEnd, JustAfterAScanMayHaveBeenWithinIt) {
    Script script;
    script.scan(udp4, ms(1000), {});
    script.scan(udp4, ms(2000), {});
    script.apply(destroyed(query, ms(2010) + observed_precision / 2));
    EXPECT_EQ(script.lease().opened.earliest, ms(1000));
}

TEST(UnseenEnd, BeforeAllRememberedScansHasNoLowerBoundOfOpening) {
    Script script;
    for (const auto began : {1000, 2000, 3000})
        script.scan(udp4, ms(began), {});
    script.apply(destroyed(query, ms(1900)));
    EXPECT_EQ(script.lease().opened, When::sampled(std::nullopt, ms(1900)));
}

TEST(UnseenEnd, OfUncertainMomentIsBoundedByItsEarliest) {
    Script script;
    script.scan(udp4, ms(1000), {});
    script.scan(udp4, ms(2000), {});
    script.apply(destroyed(query, When::sampled(ms(1900), ms(2100))));
    EXPECT_EQ(script.lease().opened, When::sampled(ms(1000), ms(2100)));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1900), ms(2100)));
}

TEST(UnseenEnd, OfASocketThatWasIdleForTooLongWasFreedBefore) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(5000));
    auto tcp = completed;
    tcp.idle = std::chrono::milliseconds(4000);
    script.apply(destroyed(client, ms(7000), tcp));
    const auto lease = script.lease();
    EXPECT_EQ(lease.opened, When::inferred(std::nullopt, ms(3000)));
    EXPECT_EQ(lease.freed, When::inferred(std::nullopt, ms(5010)));
    EXPECT_EQ(lease.closed, lease.freed);
    EXPECT_EQ(lease.bytes_sent, 10U);
    script.apply(destroyed(client, ms(7000), tcp));
    script.scan(ms(8000));
    script.apply(destroyed(client, ms(7000), tcp));
    EXPECT_EQ(script.leases().size(), 1U);
}

TEST(UnseenEnd, OfASocketThatWasIdleSinceTheScanMayHaveBeenMissedByIt) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(5000));
    auto tcp = completed;
    tcp.idle = std::chrono::milliseconds(2000);
    script.apply(destroyed(client, ms(7003), tcp));
    EXPECT_EQ(script.lease().opened, When::sampled(ms(1000), ms(7003)));
}

TEST(UnseenEnd, WithoutAPortIsNoLease) {
    Script script;
    auto unbound = datagram(1, endpoint("192.0.2.1", 0));
    script.apply(destroyed(unbound, ms(1500)));
    EXPECT_TRUE(script.leases().empty());
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

TEST(SaidTwice, DestroyEventIsOneEnd) {
    for (const auto &row : {client, server, query})
        for (const bool is_known : {true, false}) {
            Script script;
            if (is_known)
                script.scan(ms(1000), {row});
            const auto event = destroyed(row, ms(1500));
            script.apply(event);
            const auto lease = script.lease();
            script.apply(event);
            EXPECT_EQ(script.lease(), lease);
            script.scan(table_of(row), ms(3400), {});
            script.apply(event);
            EXPECT_EQ(script.leases().size(), 1U);
            EXPECT_EQ(script.ledger.unseen_sockets(), is_known ? 0U : 1U);
            EXPECT_EQ(script.ledger.open_leases(), 0U);
        }
}

TEST(LateRow, OfADestroyedSocketDoesNotBringItBack) {
    for (const auto &row : {client, query}) {
        Script script;
        script.apply(ScanStarted{table_of(row), ms(1000)});
        script.apply(destroyed(row, ms(1004)));
        script.apply(SocketSeen{row.key, row.protocol, local, peer, row.state, 0, 5, ms(1005)});
        script.apply(ScanFinished{table_of(row), ms(1010), Scope::all});
        script.scan(table_of(row), ms(2000), {});
        EXPECT_EQ(script.lease().closed, When::observed(ms(1004)));
        EXPECT_EQ(script.lease().phase, Phase::freed);
    }
}

TEST(AfterAbsence, LateDestroyEventIsStillTheExactEnd) {
    Script script;
    script.scan(ms(1000), {query});
    script.scan(udp4, ms(2000), {});
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(2010)));
    script.apply(destroyed(query, ms(1700)));
    EXPECT_EQ(script.lease().freed, When::observed(ms(1700)));
    EXPECT_EQ(script.lease().closed, When::observed(ms(1700)));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(AfterAbsence, EventStampedJustAfterTheScanWasWithinIt) {
    Script script;
    script.scan(ms(1000), {query});
    script.scan(udp4, ms(2000), {});
    script.apply(destroyed(query, When::sampled(ms(1900), ms(2011))));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1900), ms(2010)));
}

TEST(AfterAbsence, DestroyEventMuchLaterDoesNotMoveTheEnd) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000)); // reset by the peer; the program keeps the descriptor
    script.scan(ms(60'000));
    const auto event = destroyed(client, ms(90'000), completed);
    script.apply(event);
    const auto lease = script.lease();
    EXPECT_EQ(lease.freed, When::sampled(ms(1000), ms(2010)));
    EXPECT_EQ(lease.bytes_received, 20U);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
    script.scan(ms(91'000));
    script.apply(event);
    EXPECT_EQ(script.leases().size(), 1U) << "it is remembered since the event";
}

// In order it would have been: destroyed, and the next scan tells whether the port lingers.
TEST(AfterAbsence, LateDestroyEventOfAConnectionAwaitsTheNextScan) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000));
    script.apply(destroyed(client, ms(2004), completed));
    EXPECT_EQ(script.lease().closed, When::observed(ms(2004)));
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    EXPECT_EQ(script.ledger.open_leases(), 1U);
    script.scan(ms(3000), {time_wait(2, local, peer)});
    EXPECT_EQ(script.lease().phase, Phase::lingering);
    script.scan(ms(4000));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(3000), ms(4010)));
}

TEST(AfterAbsence, LateDestroyEventOfAConnectionThatAScanHasSettledIsFreed) {
    Script script;
    script.scan(ms(1000), {client});
    script.scan(ms(2000));
    script.apply(destroyed(client, ms(1700), completed));
    EXPECT_EQ(script.lease().closed, When::observed(ms(1700)));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1700), ms(2010)));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(AfterPortChange, DestroyEventTellsBothLeases) {
    Script script;
    script.scan(ms(1000), {query});
    auto moved = query;
    moved.local.port = 40001;
    script.apply(destroyed(moved, ms(1500)));
    const auto leases = script.leases();
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].freed, When::sampled(ms(1000), ms(1500)));
    EXPECT_EQ(leases[1].local.port, 40001);
    EXPECT_EQ(leases[1].opened, When::sampled(ms(1000), ms(1500)));
    EXPECT_EQ(leases[1].freed, When::observed(ms(1500)));
    EXPECT_EQ(leases[1].role, Role::datagram);
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(AfterPortChange, ToNoPortTheEventIsOnlyAnUpperBound) {
    Script script;
    script.scan(ms(1000), {query});
    auto unbound = query;
    unbound.local.port = 0;
    script.apply(destroyed(unbound, ms(1500)));
    EXPECT_EQ(script.lease().freed, When::sampled(ms(1000), ms(1500)));
}

} // namespace
} // namespace portd::model
