#include "server/pool_table.hpp"

#include "fake_backend.hpp"

#include <gtest/gtest.h>

namespace portd::server {
namespace {

constexpr std::int64_t now = 60'000'000;
constexpr std::int64_t second = 1'000'000;

PoolTable::Settings settings() {
    const model::KnownPorts known{
        {7, {.local_range = {50000, 50099}, .reserved = {{50000, 50009}}}},
        {9, {.local_range = {1200, 1399}, .reserved = {{1000, 1200}, {1398, 2000}}}}};
    return {.ports = std::make_shared<const model::KnownPorts>(known),
            .own_namespace = 7,
            .window_us = 60 * second,
            .now_us = now,
            .destinations = 2,
            .knows_past = true};
}

// All leases are open, but for those that are freed.
std::vector<proto::PoolPressure> pools(const std::vector<proto::Lease> &leases,
                                       PoolTable::Settings with = settings()) {
    PoolTable table(std::move(with));
    for (const proto::Lease &lease : leases)
        if (!lease.freed)
            table.count(lease);
    table.choose();
    for (const proto::Lease &lease : leases)
        table.add(lease);
    return table.pools();
}

// Those of destinations.
std::vector<proto::PoolPressure> destinations(const std::vector<proto::Lease> &leases,
                                              PoolTable::Settings with = settings()) {
    auto told = pools(leases, std::move(with));
    std::erase_if(told, [](const proto::PoolPressure &pool) { return !pool.peer_address; });
    return told;
}

// That of all TCP sockets.
proto::PoolPressure for_bind(const std::vector<proto::Lease> &leases,
                             PoolTable::Settings with = settings()) {
    for (proto::PoolPressure &pool : pools(leases, std::move(with)))
        if (pool.kind == "allStreams")
            return pool;
    ADD_FAILURE() << "no such pool";
    return {};
}

proto::Lease connection(std::int64_t port, const char *peer, std::int64_t opened = 0) {
    proto::Lease lease = open_lease("c", port, 1000, opened);
    lease.peer_address = peer;
    return lease;
}

// A connection whose socket was closed, in TIME_WAIT.
proto::Lease in_time_wait(proto::Lease connection, std::int64_t closed) {
    connection.phase = Phase::lingering;
    connection.closed = observed(closed);
    return connection;
}

proto::Lease over_loopback(std::int64_t port, std::int64_t opened) {
    proto::Lease lease = connection(port, "127.0.0.1", opened);
    lease.local_address = "127.0.0.1";
    return lease;
}

proto::Lease bound(std::int64_t port, Protocol protocol) {
    proto::Lease lease = open_lease("b", port, 1000, 0);
    lease.protocol = protocol;
    lease.role = protocol == Protocol::udp ? std::optional(Role::datagram) : std::nullopt;
    lease.phase = Phase::bound;
    lease.peer_address.reset();
    lease.peer_port.reset();
    return lease;
}

TEST(PoolTable, CountsPortsOfEachDestinationWithThoseThatAreBound) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 10; ++i)
        leases.push_back(connection(50010 + i, "192.0.2.1"));
    for (int i = 0; i < 4; ++i)
        leases.push_back(connection(50010 + i, "192.0.2.2"));
    leases.push_back(connection(50010, "192.0.2.3"));
    leases.push_back(bound(50050, Protocol::tcp));
    leases.push_back(bound(50060, Protocol::udp));
    leases.push_back(connection(50000, "192.0.2.1")); // reserved: not of the pool
    leases.push_back(connection(49999, "192.0.2.1")); // nor is this one

    const auto told = pools(leases);
    ASSERT_EQ(told.size(), 4U);
    EXPECT_EQ(told[0].kind, "allStreams");
    EXPECT_EQ(told[1].kind, "oneDestination");
    EXPECT_EQ(told[1].peer_address, "192.0.2.1");
    EXPECT_EQ(told[1].automatic_ports, 90);
    EXPECT_EQ(told[1].used_ports, 11);
    EXPECT_EQ(told[1].live_ports, 10);
    EXPECT_EQ(told[1].bound_ports, 1);
    EXPECT_EQ(told[1].lingering_ports, 0);
    EXPECT_EQ(told[1].taken_ports, 1);
    EXPECT_EQ(told[1].programs.at(0).leases, 10);
    EXPECT_EQ(told[2].peer_address, "192.0.2.2");
    EXPECT_EQ(told[2].used_ports, 5);
    EXPECT_EQ(told[3].kind, "boundDatagrams");
    EXPECT_EQ(told[3].used_ports, 1);
    EXPECT_EQ(told[3].taken_ports, 0);
}

// As bind(2) to port 0 passes over each port that a TCP socket has, though none of the destinations
// is near to exhaustion.
TEST(PoolTable, EachTcpPortIsInTheWayOfBind) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 90; ++i) {
        leases.push_back(connection(50010 + i, i < 40 ? "192.0.2.1" : "192.0.2.2", -second));
        leases.back().port_choice = PortChoice::automatic;
        leases.back().port_chosen_by = PortChosenBy::connect;
        leases.back().phase = i % 3 == 0 ? Phase::lingering : Phase::connected;
    }
    leases.push_back(connection(50010, "192.0.2.2", -second)); // a port of both
    const auto told = for_bind(leases);
    EXPECT_EQ(told.peer_address, std::nullopt);
    EXPECT_EQ(told.used_ports, 90);
    EXPECT_EQ(told.live_ports, 61);
    EXPECT_EQ(told.lingering_ports, 29);
    EXPECT_EQ(told.bound_ports, 0);
    EXPECT_EQ(told.taken_ports, 0) << "a connection to a third one can have each";
    EXPECT_EQ(told.exhausted_usec, now);
    EXPECT_EQ(told.programs.at(0).leases, 90);
    for (const auto &destination : destinations(leases)) {
        EXPECT_LE(destination.used_ports, 51);
        EXPECT_EQ(destination.exhausted_usec, std::nullopt);
    }
}

// For bind(2) such ports are lost as long as they linger; but they are no growth that goes on.
TEST(PoolTable, WhatLingersIsInTheWayOfBindAlsoWhereConnectTakesItAgain) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 80; ++i)
        leases.push_back(in_time_wait(over_loopback(50010 + i, i * 700'000), i * 700'000 + 1000));
    EXPECT_EQ(for_bind(leases).used_ports, 80);
    EXPECT_EQ(for_bind(leases).ports_per_hour, 0);
    EXPECT_EQ(for_bind(leases).exhausted_usec, std::nullopt);
    for (int i = 0; i < 10; ++i)
        leases.push_back(bound(50090 + i, Protocol::tcp));
    EXPECT_EQ(for_bind(leases).exhausted_usec, now);
    EXPECT_EQ(destinations(leases).at(0).exhausted_usec, std::nullopt);
}

// Of a listener with its connections, which have one port together.
TEST(PoolTable, CountsAPortOfAProgramOnce) {
    std::vector<proto::Lease> leases{bound(50050, Protocol::tcp), bound(50051, Protocol::tcp),
                                     bound(50060, Protocol::tcp)};
    leases[2].opener.command = leases[2].last_holder.command = "server";
    for (int i = 0; i < 9; ++i) {
        leases.push_back(connection(50060, "192.0.2.1"));
        leases.back().role = Role::accepted;
        leases.back().opener.command = leases.back().last_holder.command = "server";
    }
    leases.push_back(bound(50060, Protocol::tcp)); // beside the server
    const auto told = pools(leases);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].used_ports, 3);
    ASSERT_EQ(told[0].programs.size(), 2U);
    EXPECT_EQ(told[0].programs[0].command, "holder");
    EXPECT_EQ(told[0].programs[0].leases, 3);
    EXPECT_EQ(told[0].programs[1].command, "server");
    EXPECT_EQ(told[0].programs[1].leases, 1);
}

TEST(PoolTable, TellsLingeringFromLive) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 9; ++i) {
        leases.push_back(connection(50010 + i, "192.0.2.1"));
        leases.back().phase = i < 6 ? Phase::lingering : Phase::connected;
    }
    const auto told = destinations(leases);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].kind, "timeWait");
    EXPECT_EQ(told[0].lingering_ports, 6);
    EXPECT_EQ(told[0].live_ports, 3);
}

TEST(PoolTable, PredictsWhenALeakExhaustsThePool) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 60; ++i) // one a second
        leases.push_back(connection(50010 + i, "192.0.2.1", i * second));
    auto told = destinations(leases);
    EXPECT_EQ(told.at(0).used_ports, 60);
    EXPECT_NEAR(static_cast<double>(told.at(0).ports_per_hour.value()), 3600, 400);
    EXPECT_NEAR(static_cast<double>(told.at(0).exhausted_usec.value() - now), 30 * second,
                5 * second);

    PoolTable::Settings blind = settings();
    blind.knows_past = false;
    told = destinations(leases, blind);
    EXPECT_EQ(told.at(0).used_ports, 60);
    EXPECT_EQ(told.at(0).ports_per_hour, std::nullopt);
    EXPECT_EQ(told.at(0).exhausted_usec, std::nullopt);
}

TEST(PoolTable, SaysNothingOfAnEndWhereUseIsSteadyOrFalls) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 20; ++i)
        leases.push_back(connection(50010 + i, "192.0.2.1", -second));
    EXPECT_EQ(pools(leases).at(0).ports_per_hour, 0);
    EXPECT_EQ(pools(leases).at(0).exhausted_usec, std::nullopt);
    for (int i = 0; i < 40; ++i) {
        leases.push_back(freed_lease("f", 50030 + i, 1000, -second, (20 + i) * second));
        leases.back().peer_address = "192.0.2.1";
    }
    EXPECT_LT(pools(leases).at(0).ports_per_hour, 0);
    EXPECT_EQ(pools(leases).at(0).exhausted_usec, std::nullopt);
}

TEST(PoolTable, PredictsNothingFromATrendThatSaysNothing) {
    std::vector<proto::Lease> leases{connection(50010, "192.0.2.1", 50 * second)};
    EXPECT_EQ(pools(leases).at(0).exhausted_usec, std::nullopt) << "one port is no trend";

    PoolTable::Settings wide = settings();
    wide.ports = std::make_shared<const model::KnownPorts>(
        model::KnownPorts{{7, {.local_range = {32768, 60999}, .reserved = {}}}});
    leases.clear();
    for (int i = 0; i < 60; ++i) // one a second: eight hours are left
        leases.push_back(connection(40000 + i, "192.0.2.1", i * second));
    EXPECT_GT(pools(leases, wide).at(0).ports_per_hour, 0);
    EXPECT_EQ(pools(leases, wide).at(0).exhausted_usec, std::nullopt);
}

TEST(PoolTable, IsExhaustedNowIfNothingIsLeft) {
    std::vector<proto::Lease> leases;
    for (int port = 50010; port <= 50099; ++port)
        leases.push_back(bound(port, Protocol::udp));
    const auto told = pools(leases);
    EXPECT_EQ(told.at(0).used_ports, 90);
    EXPECT_EQ(told.at(0).exhausted_usec, now);

    PoolTable::Settings blind = settings();
    blind.knows_past = false;
    EXPECT_EQ(pools(leases, blind).at(0).exhausted_usec, now);
}

// Each connection at one of these seconds.
std::vector<proto::Lease> opened_at(const std::vector<int> &seconds) {
    std::vector<proto::Lease> leases;
    for (const int at : seconds)
        leases.push_back(
            connection(50010 + static_cast<int>(leases.size()), "192.0.2.1", at * second));
    return leases;
}

TEST(PoolTable, PredictsFromALeakOfOneConnectionInSeveralSeconds) {
    for (int phase = 0; phase < 8; ++phase) {
        std::vector<int> seconds;
        for (int at = phase; at < 60; at += 8)
            seconds.push_back(at);
        const auto told = pools(opened_at(seconds)).at(0);
        EXPECT_NEAR(static_cast<double>(told.ports_per_hour.value()), 450, 220) << phase;
        EXPECT_TRUE(told.exhausted_usec) << phase;
    }
}

TEST(PoolTable, DoesNotExtrapolateAGrowthThatIsOver) {
    std::vector<int> seconds;
    for (int i = 0; i < 80; ++i)
        seconds.push_back(i / 2); // two a second, until 20 seconds ago
    EXPECT_EQ(pools(opened_at(seconds)).at(0).ports_per_hour, 0);
    EXPECT_EQ(pools(opened_at(seconds)).at(0).exhausted_usec, std::nullopt);
    seconds.push_back(57); // one more is no growth like that before
    EXPECT_LE(pools(opened_at(seconds)).at(0).ports_per_hour, 240);
}

TEST(PoolTable, DoesNotExtrapolateABurst) {
    for (const int at : {3, 31, 48, 52, 58}) {
        const auto told = pools(opened_at(std::vector<int>(60, at))).at(0);
        EXPECT_EQ(told.used_ports, 60);
        EXPECT_EQ(told.ports_per_hour, 0) << at;
        EXPECT_EQ(told.exhausted_usec, std::nullopt) << at;
    }
}

TEST(PoolTable, PredictsFromALeakThatHasJustBegun) {
    std::vector<int> seconds;
    for (int i = 0; i < 48; ++i)
        seconds.push_back(48 + i / 4); // four a second
    const auto told = pools(opened_at(seconds)).at(0);
    EXPECT_NEAR(static_cast<double>(told.ports_per_hour.value()), 4 * 3600, 3600);
    EXPECT_TRUE(told.exhausted_usec);
}

TEST(PoolTable, WhatCanBeAsOldAsTheWindowIsNoGrowth) {
    auto leases = opened_at({});
    for (int i = 0; i < 60; ++i) { // found one after the other
        leases.push_back(connection(50010 + i, "192.0.2.1"));
        leases.back().opened = {.usec = std::nullopt,
                                .earliest_usec = std::nullopt,
                                .latest_usec = i * second,
                                .provenance = Provenance::sampled};
        if (i % 2 == 1)
            leases.back().opened.earliest_usec = -second;
    }
    EXPECT_EQ(pools(leases).at(0).ports_per_hour, 0);
    for (int i = 0; i < 60; ++i)
        leases[static_cast<std::size_t>(i)].opened.earliest_usec = i * second - 500;
    EXPECT_NEAR(static_cast<double>(pools(leases).at(0).ports_per_hour.value()), 3600, 400);
}

// As connect(2) passes over them, whatever they are connected to.
void expect_bound_ports_beside_each_destination(PortChoice choice,
                                                std::optional<PortChosenBy> chosen_by) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 60; ++i) {
        leases.push_back(connection(50010 + i, "192.0.2.1"));
        leases.back().opener.command = leases.back().last_holder.command = "binder";
        leases.back().port_choice = choice;
        leases.back().port_chosen_by = chosen_by;
        leases.back().phase = i < 5 ? Phase::lingering : Phase::connected;
    }
    for (int i = 0; i < 30; ++i)
        leases.push_back(connection(50070 + i, "192.0.2.2"));
    auto told = pools(leases);
    ASSERT_EQ(told.size(), 3U);
    EXPECT_EQ(told[0].kind, "allStreams");
    EXPECT_EQ(told[0].live_ports, 85);
    EXPECT_EQ(told[0].lingering_ports, 5);
    EXPECT_EQ(told[1].peer_address, "192.0.2.2");
    EXPECT_EQ(told[1].live_ports, 30);
    EXPECT_EQ(told[1].bound_ports, 60);
    EXPECT_EQ(told[1].used_ports, 90);
    EXPECT_EQ(told[1].exhausted_usec, now);
    EXPECT_EQ(told[1].programs.at(0).command, "holder");
    EXPECT_EQ(told[2].peer_address, "192.0.2.1");
    EXPECT_EQ(told[2].used_ports, 60) << "of its own destination a port counts once";
    for (const proto::PoolPressure &pool : told) {
        EXPECT_EQ(pool.taken_ports, 60);
        ASSERT_EQ(pool.taken_by.size(), 1U);
        EXPECT_EQ(pool.taken_by[0].command, "binder");
        EXPECT_EQ(pool.taken_by[0].leases, 60);
    }

    for (proto::Lease &lease : leases)
        lease.role = Role::accepted; // its port is the listener's
    EXPECT_EQ(pools(leases).size(), 1U);
    EXPECT_EQ(for_bind(leases).taken_ports, 90);
}

TEST(PoolTable, CountsWhatWasBoundBeforeItConnectedBesideEachDestination) {
    expect_bound_ports_beside_each_destination(PortChoice::explicit_, std::nullopt);
    expect_bound_ports_beside_each_destination(PortChoice::automatic, PortChosenBy::bind);
}

TEST(PoolTable, CountsWhatConnectChoseForItsDestinationOnly) {
    for (const auto chosen_by : {std::optional<PortChosenBy>{}, {PortChosenBy::connect}}) {
        std::vector<proto::Lease> leases;
        for (int i = 0; i < 60; ++i) {
            leases.push_back(connection(50010 + i, i < 40 ? "192.0.2.1" : "192.0.2.2"));
            leases.back().port_choice = PortChoice::automatic;
            leases.back().port_chosen_by = chosen_by;
        }
        const auto told = destinations(leases);
        ASSERT_EQ(told.size(), 2U);
        EXPECT_EQ(told[0].used_ports, 40);
        EXPECT_EQ(told[1].used_ports, 20);
        EXPECT_EQ(told[1].bound_ports, 0);
    }
}

TEST(PoolTable, WhatLingersExhaustsNothingWhereItIsTakenAgain) {
    const auto lingering = [](const char *local, const char *peer,
                              std::optional<TimeWaitReuse> reuse = std::nullopt) {
        auto with = settings();
        auto known = *with.ports;
        known.at(7).time_wait_reuse = reuse;
        with.ports = std::make_shared<const model::KnownPorts>(known);
        std::vector<proto::Lease> leases;
        for (int i = 0; i < 90; ++i) {
            leases.push_back(
                in_time_wait(connection(50010 + i, peer, i * 600'000), i * 600'000 + 1000));
            leases.back().local_address = local;
        }
        auto told = destinations(leases, with).at(0);
        EXPECT_EQ(told.time_wait_reuse, reuse);
        return told;
    };
    for (const auto &[local, peer] : {std::pair("127.0.0.1", "127.0.0.1"),
                                      {"::1", "::1"},
                                      {"192.0.2.9", "127.3.0.1"},
                                      {"::ffff:127.0.0.1", "::1"}}) {
        const auto told = lingering(local, peer);
        EXPECT_EQ(told.kind, "timeWait");
        EXPECT_EQ(told.used_ports, 90);
        EXPECT_EQ(told.lingering_ports, 90);
        EXPECT_EQ(told.ports_per_hour, 0) << peer;
        EXPECT_EQ(told.exhausted_usec, std::nullopt) << peer;
    }
    const auto end = [&](const char *peer, std::optional<TimeWaitReuse> reuse) {
        return lingering("192.0.2.9", peer, reuse).exhausted_usec;
    };
    EXPECT_EQ(end("192.0.2.1", std::nullopt), now);
    EXPECT_EQ(end("192.0.2.1", TimeWaitReuse::loopback), now);
    EXPECT_EQ(end("192.0.2.1", TimeWaitReuse::always), std::nullopt);
    EXPECT_EQ(end("192.0.2.1", TimeWaitReuse::never), now);
    EXPECT_EQ(end("127.0.0.1", TimeWaitReuse::loopback), std::nullopt);
    EXPECT_EQ(end("127.0.0.1", TimeWaitReuse::never), now);
}

// connect(2) passes over the port as long as anything of it is there.
TEST(PoolTable, WhatWasBoundAndLingersIsNotTakenAgain) {
    auto with = settings();
    auto known = *with.ports;
    known.at(7).time_wait_reuse = TimeWaitReuse::always;
    with.ports = std::make_shared<const model::KnownPorts>(known);
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 90; ++i) {
        leases.push_back(in_time_wait(connection(50010 + i, "192.0.2.1"), 1000));
        leases.back().port_chosen_by = PortChosenBy::bind;
    }
    for (const auto &told : pools(leases, with)) {
        EXPECT_EQ(told.taken_ports, 90);
        EXPECT_EQ(told.lingering_ports, told.peer_address ? 0 : 90);
        EXPECT_EQ(told.bound_ports, told.peer_address ? 90 : 0);
        EXPECT_EQ(told.exhausted_usec, now);
    }
}

// The last step of its growth is not the middle one, but there is no growth any more.
TEST(PoolTable, ALeakOverLoopbackThatHasJustEndedDoesNotGrow) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i < 75; ++i)
        leases.push_back(in_time_wait(over_loopback(50010 + i, i * 760'000), 57 * second));
    for (const auto &told : pools(leases)) {
        EXPECT_EQ(told.used_ports, 75);
        EXPECT_EQ(told.lingering_ports, 75);
        EXPECT_LE(told.ports_per_hour, 0) << told.kind;
        EXPECT_EQ(told.exhausted_usec, std::nullopt) << told.kind;
    }
}

// In another namespace nobody sees its end, and what is inferred is the latest that it can be.
TEST(PoolTable, TimeWaitCountsForAMinuteWhereItsEndIsInferred) {
    constexpr std::int64_t minute = 60 * second;
    const auto lingering = [](std::int64_t network_namespace, std::int64_t closed_us) {
        std::vector<proto::Lease> leases{connection(1300, "192.0.2.1"),
                                         connection(1301, "192.0.2.1", closed_us - 1)};
        for (proto::Lease &lease : leases) {
            lease.network_namespace = network_namespace;
            lease.local_port += network_namespace == 7 ? 48'710 : 0;
        }
        leases.back() = in_time_wait(leases.back(), closed_us);
        return leases;
    };
    for (const std::int64_t network_namespace : {7, 9}) {
        const bool is_own = network_namespace == 7;
        const auto lately = destinations(lingering(network_namespace, now - minute + second));
        EXPECT_EQ(lately.at(0).lingering_ports, 1);
        EXPECT_EQ(lately.at(0).used_ports, 2);
        const auto before = destinations(lingering(network_namespace, now - minute - second));
        EXPECT_EQ(before.at(0).lingering_ports, is_own ? 1 : 0);
        EXPECT_EQ(before.at(0).used_ports, is_own ? 2 : 1);
    }
    std::vector<proto::Lease> leases{connection(1300, "192.0.2.1")};
    for (int i = 0; i < 60; ++i) { // one a second, and each freed by now for sure
        const std::int64_t closed_us = i * second - 2 * minute - 15 * second;
        leases.push_back(freed_lease("f", 1301 + i, 1000, closed_us - 1, closed_us));
        leases.back().peer_address = "192.0.2.1";
        leases.back().freed = proto::Moment{
            std::nullopt, closed_us, closed_us + 2 * minute + 15 * second, Provenance::inferred};
    }
    for (proto::Lease &lease : leases)
        lease.network_namespace = 9;
    EXPECT_EQ(destinations(leases).at(0).ports_per_hour, 0) << "all ended before the window";
}

TEST(PoolTable, CallsANamespaceByOneName) {
    std::vector<proto::Lease> leases{connection(50010, "192.0.2.1"),
                                     connection(50011, "192.0.2.2")};
    leases[0].network_namespace_name = "green";
    for (const auto &pool : pools(leases))
        EXPECT_EQ(pool.network_namespace_name, "green");
}

TEST(PoolTable, CallsNoNamespaceAsADeletedOneWhoseSocketsLinger) {
    std::vector<proto::Lease> leases{connection(50010, "192.0.2.1"), connection(50011, "192.0.2.1"),
                                     connection(50012, "192.0.2.1")};
    for (const std::size_t deleted : {0u, 2u}) {
        leases[deleted].phase = Phase::lingering;
        leases[deleted].network_namespace_name = "green";
    }
    for (const auto &pool : pools(leases))
        EXPECT_FALSE(pool.network_namespace_name);
    leases[1].phase = Phase::lingering;
    for (const auto &pool : pools(leases))
        EXPECT_EQ(pool.network_namespace_name, "green") << "nothing else tells";
}

TEST(PoolTable, MeasuresEachNamespaceByItsOwnRange) {
    std::vector<proto::Lease> leases;
    for (int i = 0; i <= 24; ++i) { // two in five seconds
        leases.push_back(connection(1300 + i, "192.0.2.1", i * 5 * second / 2));
        leases.back().network_namespace = 9;
        leases.back().network_namespace_name = "green";
    }
    leases.push_back(leases.back());
    leases.back().local_port = 50050; // of the pool of another namespace
    leases.push_back(leases.back());
    leases.back().local_port = 1200; // reserved
    leases.push_back(connection(50050, "192.0.2.1"));
    leases.push_back(connection(1300, "192.0.2.1"));

    const auto told = destinations(leases);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].network_namespace, 7);
    EXPECT_EQ(told[0].automatic_ports, 90);
    EXPECT_EQ(told[0].used_ports, 1);
    EXPECT_EQ(told[1].network_namespace_name, "green");
    EXPECT_EQ(told[1].automatic_ports, 197);
    EXPECT_EQ(told[1].range_low, 1200);
    EXPECT_EQ(told[1].range_high, 1399);
    EXPECT_EQ(told[1].used_ports, 25);
    EXPECT_EQ(told[1].exhausted_usec, now + (197 - 25) * 5 * second / 2);
}

TEST(PoolTable, KnowsNoPoolWhereTheRangeIsNotKnown) {
    proto::Lease lease = connection(1234, "192.0.2.1");
    lease.network_namespace = 8;
    lease.network_namespace_name = "blue";
    proto::Lease chosen = lease;
    chosen.port_choice = PortChoice::explicit_;
    chosen.local_port = 1235;
    const auto told = destinations({lease, chosen});
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].used_ports, 1);
    EXPECT_EQ(told[0].automatic_ports, std::nullopt);
    EXPECT_EQ(told[0].exhausted_usec, std::nullopt);
    EXPECT_EQ(told[0].network_namespace_name, "blue");
}

} // namespace
} // namespace portd::server
