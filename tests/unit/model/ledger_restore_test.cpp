// The open leases of an earlier run, and what is left to do with the changes of this one.
#include "unit/model/script.hpp"

namespace portd::model {
namespace {

using namespace script;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Endpoint peer = endpoint("198.51.100.7", 443);
const Row client = connection(1, local, peer);
const Row query = datagram(2, local);
const Table udp4{Protocol::udp, Family::ipv4, here};

// What is left of a run that saw these rows at 1000 and was last watching at 2000.
std::vector<Lease> left_by_a_run_with(const std::vector<Row> &rows) {
    Script script(7);
    for (const auto &row : rows) {
        script.scan(ms(1000), {row});
        script.seen(row.key, process(10, ms(500)), ms(1020));
    }
    return script.leases();
}

TEST(Restore, WhatIsStillThereContinuesTheSameLease) {
    const auto before = left_by_a_run_with({client}).front();
    Script script;
    script.ledger.restore({before}, ms(2000));
    EXPECT_EQ(script.ledger.open_leases(), 1U);
    EXPECT_TRUE(script.leases().empty()) << "nothing has changed yet";
    script.scan(ms(9000), {client});
    EXPECT_TRUE(script.leases().empty());
    script.seen(client.key, process(10, ms(500)), ms(9020));
    const auto lease = script.lease();
    EXPECT_EQ(lease.id, before.id);
    EXPECT_EQ(lease.serial, before.serial);
    EXPECT_EQ(lease.opened, before.opened);
    ASSERT_EQ(lease.holders.size(), 1U);
    EXPECT_EQ(lease.holders[0].first_seen, ms(1020));
    EXPECT_TRUE(lease.holders[0].present);
}

TEST(Restore, WhatIsNotThereEndedSincePortdWatched) {
    Script script;
    script.ledger.restore(left_by_a_run_with({client, query}), ms(2000));
    script.failing_scan(ms(8000));
    EXPECT_EQ(script.ledger.open_leases(), 2U);
    script.scan(ms(9000));
    script.scan(udp4, ms(9500), {});
    EXPECT_EQ(script.lease(client.key).freed, When::sampled(ms(2000), ms(9010)));
    EXPECT_EQ(script.lease(query.key).freed, When::sampled(ms(2000), ms(9510)));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
}

TEST(Restore, WhatIsNewMayHaveBeenOpenedBeforePortdWatched) {
    Script script;
    script.ledger.restore(left_by_a_run_with({client}), ms(2000));
    script.scan(ms(9000), {client, connection(5, endpoint("192.0.2.1", 40001), peer)});
    EXPECT_EQ(script.lease(cookie(5)).opened, When::sampled(std::nullopt, ms(9005)));
}

TEST(Restore, RoleOfWhatCameWhilePortdWasAwayIsNotInferred) {
    Script script;
    script.ledger.restore(left_by_a_run_with({client}), ms(2000));
    const auto fresh = connection(5, endpoint("192.0.2.1", 40001), peer);
    for (const auto began : {9000, 10'000, 11'000})
        script.scan(ms(began), {client, fresh});
    EXPECT_FALSE(script.lease(fresh.key).role);
}

TEST(Restore, DestroyEventBeforeTheFirstScanIsTheExactEnd) {
    Script script;
    script.ledger.restore(left_by_a_run_with({query}), ms(2000));
    script.apply(destroyed(query, ms(8000)));
    EXPECT_EQ(script.lease().freed, When::observed(ms(8000)));
    EXPECT_EQ(script.ledger.unseen_sockets(), 0U);
}

TEST(Restore, TimeWaitInThePlaceOfAConnectionJoinsIt) {
    const auto before = left_by_a_run_with({client});
    Script script;
    script.ledger.restore(before, ms(2000));
    script.scan(ms(9000), {time_wait(3, local, peer)});
    EXPECT_EQ(script.lease().serial, before[0].serial);
    EXPECT_EQ(script.lease().closed, When::sampled(ms(2000), ms(9005)));

    Script third;
    third.ledger.restore(script.leases(), ms(9000));
    third.scan(ms(20'000), {time_wait(3, local, peer)});
    third.scan(ms(21'000));
    EXPECT_EQ(third.lease().serial, before[0].serial);
    EXPECT_EQ(third.lease().closed, When::sampled(ms(2000), ms(9005)));
    EXPECT_EQ(third.lease().freed, When::sampled(ms(20'000), ms(21'010)));
}

TEST(Restore, AnotherKindOfKeyIsJoinedByConnection) {
    auto by_inode = client;
    by_inode.key = inode(77);
    for (const auto &[earlier, later] :
         {std::pair(client, by_inode), std::pair(by_inode, client)}) {
        const auto before = left_by_a_run_with({earlier});
        Script script;
        script.ledger.restore(before, ms(2000));
        script.scan(ms(9000), {later});
        script.seen(later.key, process(11, ms(500)), ms(9020));
        EXPECT_EQ(script.lease().serial, before[0].serial);
        EXPECT_EQ(script.lease().id, before[0].id);
        EXPECT_EQ(script.lease().holders.size(), 2U);
        EXPECT_EQ(script.ledger.open_leases(), 1U);
    }
}

TEST(Restore, ListenerIsKnownToAccept) {
    Script script;
    script.ledger.restore(left_by_a_run_with({listener(4, local)}), ms(2000));
    script.apply(destroyed(client, ms(8000), completed));
    EXPECT_EQ(script.lease(client.key).role, Role::accepted);
}

TEST(Restore, HoldersOfTheEarlierRunAreNotKnownToHaveLetGoInOrder) {
    auto before = left_by_a_run_with({query});
    before[0].holders.push_back({process(11, ms(600)), ms(1020), ms(1500), true, std::nullopt});
    Script script;
    script.ledger.restore(before, ms(2000));
    script.apply(destroyed(query, ms(8000)));
    EXPECT_EQ(script.lease().last_holder, Attribution{});

    Script other;
    other.ledger.restore(before, ms(2000));
    other.scan(ms(7000), {query});
    other.seen(query.key, process(10, ms(500)), ms(7020));
    other.apply(destroyed(query, ms(8000)));
    EXPECT_EQ(other.lease().last_holder, (Attribution{0, Provenance::sampled}))
        << "the other one was not found again";
}

TEST(Restore, FreedAndRepeatedLeasesAreLeftOut) {
    auto before = left_by_a_run_with({query});
    auto freed = before[0];
    freed.freed = When::observed(ms(1500));
    Script script;
    script.ledger.restore({freed, before[0], before[0]}, ms(2000));
    EXPECT_EQ(script.ledger.open_leases(), 1U);
}

TEST(Serials, IncreaseFromTheFirstAndBeyondThoseOfTheEarlierRun) {
    Script script(3);
    script.ledger.restore(left_by_a_run_with({client}), ms(2000)); // serial 7
    script.scan(ms(9000), {client, connection(5, endpoint("192.0.2.1", 40001), peer),
                           connection(6, endpoint("192.0.2.1", 40002), peer)});
    EXPECT_EQ(script.lease(cookie(5)).serial, 8);
    EXPECT_EQ(script.lease(cookie(6)).serial, 9);
    Script fresh(42);
    fresh.scan(ms(1000), {client});
    EXPECT_EQ(fresh.lease().serial, 42);
}

TEST(TakeChanges, GivesEachLeaseOnceInOrderOfFirstChange) {
    Ledger ledger;
    const Table tcp4{Protocol::tcp, Family::ipv4, here};
    const auto show = [&](const Row &row, Instant at) {
        ledger.apply(SocketSeen{row.key, row.protocol, row.local, row.peer, row.state, row.uid,
                                row.inode, at});
    };
    ledger.apply(ScanStarted{tcp4, ms(1000)});
    auto moving = client;
    show(moving, ms(1001));
    show(connection(9, endpoint("192.0.2.1", 40009), peer), ms(1002));
    ledger.apply(ScanFinished{tcp4, ms(1010), Scope::all});
    ledger.apply(ScanStarted{tcp4, ms(2000)});
    moving.local.port = 40001; // the first lease leaves the ledger, but not the changes
    show(moving, ms(2001));
    ledger.apply(ScanFinished{tcp4, ms(2010), Scope::all});

    const auto changes = ledger.take_changes();
    ASSERT_EQ(changes.size(), 3U);
    EXPECT_EQ(changes[0].serial, 1);
    EXPECT_EQ(changes[0].phase, Phase::freed);
    EXPECT_EQ(changes[1].serial, 2);
    EXPECT_EQ(changes[1].phase, Phase::freed);
    EXPECT_EQ(changes[2].serial, 3);
    EXPECT_TRUE(ledger.take_changes().empty());
}

TEST(TakeChanges, SaysNothingOfWhatStaysTheSame) {
    Script script;
    const auto row = connection(1, local, peer, SocketState::syn_sent);
    script.scan(ms(1000), {row});
    script.seen(row.key, process(10, ms(500)), ms(1020));
    script.leases();
    script.scan(ms(2000), {row});
    script.seen(row.key, process(10, ms(500)), ms(2020));
    EXPECT_TRUE(script.ledger.take_changes().empty());
}

} // namespace
} // namespace portd::model
