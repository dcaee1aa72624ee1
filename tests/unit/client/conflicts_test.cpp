// portd-ctl conflicts and pressure, against a service on a real socket.
#include "client/conflicts_text.hpp"
#include "client/pressure_text.hpp"
#include "unit/client/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <memory>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Conflicts : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
        summary_.range_low = 32768;
        summary_.range_high = 60999;
        summary_.reserved_ports = "40000";
        summary_.coverage = watched(t0 - 3600 * second, t0);
    }

    Outcome ask(const std::vector<std::string> &options = {}) const {
        std::vector<json> answer;
        proto::ConflictsReply progress;
        progress.progress = proto::AuditProgress{5, t0};
        answer.push_back(proto::encode(progress));
        for (const proto::PortConflict &conflict : conflicts_) {
            proto::ConflictsReply reply;
            reply.conflict = conflict;
            answer.push_back(proto::encode(reply));
        }
        proto::ConflictsReply last;
        last.summary = summary_;
        answer.push_back(proto::encode(last));
        const FakeDaemon daemon(replies(answer));
        std::vector<std::string> arguments{"--socket", daemon.path(), "conflicts"};
        arguments.insert(arguments.end(), options.begin(), options.end());
        return run(arguments);
    }

    std::vector<proto::PortConflict> conflicts_;
    proto::ConflictsSummary summary_;
};

TEST_F(Conflicts, NamesTheServicesAndTheCommandThatHelps) {
    proto::PortConflict running;
    running.port = 50051;
    running.holder = connection_lease();
    running.holder->last_holder = process(812, "\x1b[2Jserver");
    running.automatic_leases = 17;
    running.last_automatic_usec = t0;
    proto::PortConflict failed;
    failed.port = 45000;
    failed.refused_binds = 3;
    failed.last_refused = refused_bind();
    conflicts_ = {running, failed};
    summary_.reserved = 1;
    const Outcome outcome = ask();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("\\x1b[2Jserver[812]"));
    EXPECT_THAT(outcome.out, HasSubstr("17"));
    EXPECT_THAT(outcome.out, HasSubstr("not held"));
    EXPECT_THAT(outcome.out, HasSubstr("python3[99]"));
    EXPECT_THAT(outcome.out,
                HasSubstr("\nsysctl -w net.ipv4.ip_local_reserved_ports=40000,45000,50051\n"));
    EXPECT_THAT(outcome.err, HasSubstr("1 port of services inside of 32768-60999 is reserved"));
    EXPECT_THAT(outcome.err, HasSubstr("Other network namespaces than the one that portd is in"));
    EXPECT_THAT(ask({"--json"}).out, HasSubstr("\"automaticLeases\":17"));
}

TEST_F(Conflicts, NoneIsSaid) {
    summary_.choice_unknown = 2;
    const Outcome outcome = ask();
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("portd sees no service on a port that the kernel may"));
    EXPECT_THAT(outcome.err, HasSubstr("Of 2 ports more it is not known"));
    summary_.coverage.complete = false;
    EXPECT_EQ(ask({"--strict"}).status, 4);
    summary_.withheld = true;
    EXPECT_THAT(ask().err, HasSubstr("portd sees no service that you may see on a port"));
}

proto::PoolPressure pool(const char *kind, std::int64_t used) {
    proto::PoolPressure pool;
    pool.kind = kind;
    pool.automatic_ports = 200;
    pool.range_low = 50000;
    pool.range_high = 50199;
    pool.used_ports = pool.live_ports = used;
    pool.ports_per_hour = 0;
    if (pool.kind == "timeWait" || pool.kind == "oneDestination") {
        pool.local_address = "10.0.0.5";
        pool.peer_address = "192.0.2.1";
        pool.peer_port = 443;
    } else if (pool.kind == "boundDatagrams") {
        pool.protocol = portd::Protocol::udp;
    }
    proto::AuditGroup leaker;
    leaker.known = true;
    leaker.executable = "/usr/bin/leaker";
    leaker.leases = used;
    pool.programs = {leaker};
    return pool;
}

proto::PressureSummary summary_of(std::int64_t low, std::int64_t high) {
    proto::PressureSummary summary;
    summary.range_low = low;
    summary.range_high = high;
    return summary;
}

TEST(Pressure, IsNearAtFourFifthsOrWithinAnHour) {
    EXPECT_FALSE(is_near(pool("oneDestination", 159), t0));
    EXPECT_TRUE(is_near(pool("oneDestination", 160), t0));
    proto::PoolPressure growing = pool("oneDestination", 10);
    growing.exhausted_usec = t0 + 3599 * second;
    EXPECT_TRUE(is_near(growing, t0));
    growing.exhausted_usec = t0 + 3601 * second;
    EXPECT_FALSE(is_near(growing, t0));
    growing.automatic_ports.reset();
    growing.used_ports = 60'000;
    EXPECT_FALSE(is_near(growing, t0));
}

TEST(Pressure, EachKindHasItsRemedy) {
    const auto remedies = [](const char *kind) {
        return remedies_of(pool(kind, 190), summary_of(50000, 50199), Charset::utf8);
    };
    const auto more = HasSubstr("\nsysctl -w net.ipv4.ip_local_port_range='32768 60999'");
    EXPECT_THAT(remedies("timeWait"), ElementsAre(HasSubstr("net.ipv4.tcp_tw_reuse=1"), more,
                                                  HasSubstr("keep connections open")));
    EXPECT_THAT(remedies("oneDestination"),
                ElementsAre(more, HasSubstr("in /usr/bin/leaker: close connections")));
    EXPECT_THAT(remedies("allStreams"),
                ElementsAre(more, HasSubstr("in /usr/bin/leaker: close connections"),
                            HasSubstr("choose a port outside of 50000-50199, or bind to an "
                                      "address that these connections are not from")));
    EXPECT_THAT(remedies("boundDatagrams"), ElementsAre(more, HasSubstr("from one socket")));
    proto::PoolPressure full = pool("timeWait", 190);
    full.range_low = 32768;
    full.range_high = 60999;
    EXPECT_THAT(remedies_of(full, summary_of(50000, 50199), Charset::utf8)[1],
                HasSubstr("more ports:\nsysctl -w net.ipv4.ip_local_port_range='10240 65535'"));
}

TEST(Pressure, TheSettingsOfAnotherNamespaceAreToBeChangedThere) {
    proto::PoolPressure full = pool("timeWait", 190);
    full.network_namespace = 4026532100;
    full.network_namespace_name = "blue";
    const auto remedies = remedies_of(full, summary_of(32768, 60999), Charset::utf8);
    EXPECT_THAT(remedies[0],
                HasSubstr(" in network namespace blue:\nip netns exec blue sysctl -w"));
    EXPECT_EQ(remedies[1], "more ports in network namespace blue:\n"
                           "ip netns exec blue sysctl -w "
                           "net.ipv4.ip_local_port_range='32768 60999'");
    const auto command = [&](std::optional<std::string> name) {
        full.network_namespace_name = std::move(name);
        return remedies_of(full, summary_of(32768, 60999), Charset::utf8)[0];
    };
    EXPECT_THAT(command("it's; reboot"),
                HasSubstr("\nip netns exec 'it'\\''s; reboot' sysctl -w net.ipv4.tcp_tw_reuse=1"));
    EXPECT_THAT(command(std::nullopt), // which fails here as it stands
                HasSubstr("\nnsenter --net=/proc/PID/ns/net sysctl -w net.ipv4.tcp_tw_reuse=1"));
    full.network_namespace_name = "blue";
    EXPECT_THAT(describe_trouble(full, summary_of(32768, 60999), Charset::utf8),
                HasSubstr("192.0.2.1:443 in network namespace blue use 190 of 200 (95 %) ports"));
}

TEST(Pressure, WhatLingersOverLoopbackIsNotScarce) {
    proto::PoolPressure lingering = pool("timeWait", 190);
    lingering.live_ports = 0;
    lingering.lingering_ports = 190;
    EXPECT_TRUE(is_near(lingering, t0));
    EXPECT_EQ(lingering_remark(lingering, t0, Charset::utf8), std::nullopt);
    lingering.peer_address = "127.0.0.1";
    EXPECT_FALSE(is_near(lingering, t0));
    EXPECT_THAT(lingering_remark(lingering, t0, Charset::utf8).value_or(""),
                HasSubstr("190 ports linger after connections to 127.0.0.1:443: connect(2) takes"));
    EXPECT_THAT(remedies_of(lingering, summary_of(50000, 50199), Charset::utf8),
                Not(Contains(HasSubstr("tcp_tw_reuse"))));
    EXPECT_THAT(lingering_remark(lingering, t0, Charset::utf8).value_or(""),
                HasSubstr("is 0, which portd does not know."));
    lingering.time_wait_reuse = TimeWaitReuse::loopback;
    EXPECT_FALSE(is_near(lingering, t0));
    EXPECT_THAT(lingering_remark(lingering, t0, Charset::utf8).value_or(""),
                HasSubstr("after a second over loopback, as net.ipv4.tcp_tw_reuse is 2."));
    lingering.live_ports = 160;
    lingering.lingering_ports = 30;
    EXPECT_TRUE(is_near(lingering, t0));
    lingering.used_ports = 40;
    lingering.live_ports = 10;
    EXPECT_EQ(lingering_remark(lingering, t0, Charset::utf8), std::nullopt);
}

TEST(Pressure, WhatLingersIsScarceUnlessItIsTakenAgain) {
    proto::PoolPressure lingering = pool("timeWait", 190);
    lingering.live_ports = 0;
    lingering.lingering_ports = 190;
    const auto first_remedy = [&] {
        return remedies_of(lingering, summary_of(50000, 50199), Charset::utf8).front();
    };
    for (const auto reuse : {TimeWaitReuse::never, TimeWaitReuse::loopback}) {
        lingering.time_wait_reuse = reuse;
        EXPECT_TRUE(is_near(lingering, t0));
        EXPECT_THAT(first_remedy(), HasSubstr("\nsysctl -w net.ipv4.tcp_tw_reuse=1"));
        EXPECT_THAT(first_remedy(), HasSubstr("only TCP timestamps at both ends"));
    }
    lingering.time_wait_reuse = TimeWaitReuse::always;
    EXPECT_FALSE(is_near(lingering, t0));
    EXPECT_THAT(lingering_remark(lingering, t0, Charset::utf8).value_or(""),
                HasSubstr("again after a second, as net.ipv4.tcp_tw_reuse is 1."));
    EXPECT_THAT(first_remedy(), HasSubstr("more ports"));
    lingering.peer_address = "127.0.0.1";
    lingering.time_wait_reuse = TimeWaitReuse::never;
    EXPECT_TRUE(is_near(lingering, t0));
    EXPECT_THAT(first_remedy(), HasSubstr("\nsysctl -w net.ipv4.tcp_tw_reuse=2"));
}

TEST(Pressure, TroubleIsToldInWords) {
    proto::PoolPressure leaking = pool("oneDestination", 180);
    leaking.ports_per_hour = 36'000;
    leaking.exhausted_usec = t0 + 2 * second;
    EXPECT_EQ(describe_trouble(leaking, summary_of(50000, 50199), Charset::utf8),
              "Connections from 10.0.0.5 to 192.0.2.1:443 use 180 of 200 (90 %) ports, most of "
              "all /usr/bin/leaker (180); they grow by +10/s; none is left at "
              "2026-11-22 03:12:07.");
    leaking.used_ports = 200;
    EXPECT_THAT(describe_trouble(leaking, summary_of(50000, 50199), Charset::utf8),
                HasSubstr("there is none left (connect fails)"));
}

TEST(Pressure, PortsThatBindCannotHaveAreToldApart) {
    proto::PoolPressure all = pool("allStreams", 200);
    all.live_ports = 150;
    all.bound_ports = 10;
    all.lingering_ports = 40;
    EXPECT_EQ(describe_trouble(all, summary_of(50000, 50199), Charset::utf8),
              "TCP sockets use 200 of 200 (100 %) ports, in the way of bind(2) to port 0 at every "
              "address and of listen(2) without a port: 150 with a connection, 10 bound, 40 "
              "lingering, most of all /usr/bin/leaker (200); there is none left (bind and listen "
              "fail).");
    all.taken_ports = 200; // all were bound first
    EXPECT_THAT(describe_trouble(all, summary_of(50000, 50199), Charset::utf8),
                HasSubstr("(bind, listen and connect fail)"));
    all.taken_ports = 0;
    all.lingering_ports = 170;
    all.live_ports = 20;
    EXPECT_THAT(remedies_of(all, summary_of(50000, 50199), Charset::utf8),
                Contains(HasSubstr("in /usr/bin/leaker: keep connections open")));
    EXPECT_TRUE(is_near(all, t0)) << "they linger, and are lost";
    EXPECT_EQ(lingering_remark(all, t0, Charset::utf8), std::nullopt);
}

proto::PoolPressure mostly_bound(const char *kind) {
    proto::PoolPressure full = pool(kind, 200);
    proto::AuditGroup binder;
    binder.known = true;
    binder.executable = "/usr/bin/binder";
    binder.leases = 150;
    full.live_ports = 50;
    full.bound_ports = full.taken_ports = 150;
    full.taken_by = {binder};
    return full;
}

TEST(Pressure, OneCauseHasOneAdviceThatNamesWhoBoundThePorts) {
    proto::PoolPressure other = mostly_bound("oneDestination");
    other.peer_port = 80;
    const auto troubles =
        troubles_of({mostly_bound("allStreams"), mostly_bound("oneDestination"), other},
                    summary_of(50000, 50199), t0, Charset::utf8);
    ASSERT_EQ(troubles.size(), 1U);
    EXPECT_THAT(
        troubles[0].sentences,
        ElementsAre(HasSubstr("TCP sockets use"),
                    HasSubstr("to 192.0.2.1:443 use 200 of 200 (100 %) ports: 150 are bound, and "
                              "lost to every destination, most of all /usr/bin/binder (150)"),
                    HasSubstr("to 192.0.2.1:80 use")));
    EXPECT_THAT(troubles[0].remedies,
                ElementsAre(HasSubstr("more ports"),
                            HasSubstr("in /usr/bin/binder: close what is done with; set "
                                      "IP_BIND_ADDRESS_NO_PORT")));
}

TEST(Pressure, WhatHelpsAgainstSeveralCausesIsToldOnce) {
    proto::PoolPressure other = pool("oneDestination", 180);
    other.peer_port = 80;
    const auto troubles = troubles_of({pool("oneDestination", 190), other},
                                      summary_of(50000, 50199), t0, Charset::utf8);
    ASSERT_EQ(troubles.size(), 1U);
    EXPECT_THAT(troubles[0].sentences, ElementsAre(HasSubstr("to 192.0.2.1:443 use 190"),
                                                   HasSubstr("to 192.0.2.1:80 use 180")));
    EXPECT_THAT(troubles[0].remedies,
                ElementsAre(HasSubstr("more ports"), HasSubstr("from, more than one address")));
}

TEST(Pressure, ADestinationThatIsInTheWayOfBindIsOneCause) {
    const auto troubles_with = [](std::int64_t used_by_destination) {
        return troubles_of({pool("allStreams", 200), pool("oneDestination", used_by_destination),
                            pool("boundDatagrams", 190)},
                           summary_of(50000, 50199), t0, Charset::utf8);
    };
    const auto one = troubles_with(190);
    ASSERT_EQ(one.size(), 2U);
    EXPECT_EQ(one[0].sentences.size(), 2U);
    EXPECT_THAT(one[0].remedies,
                ElementsAre(HasSubstr("more ports"), HasSubstr("from, more than one address"),
                            HasSubstr("choose a port outside")));
    EXPECT_THAT(one[1].remedies, ElementsAre(HasSubstr("more ports"), HasSubstr("one socket")));
    const auto apart = troubles_with(140); // not near
    ASSERT_EQ(apart.size(), 2U);
    EXPECT_EQ(apart[0].sentences.size(), 1U);
}

TEST(Pressure, WhoIsNotNamedIsWithheldOrNotKnown) {
    proto::AuditGroup withheld;
    withheld.withheld = true;
    withheld.leases = 5;
    proto::AuditGroup unknown;
    unknown.leases = 2;
    proto::PoolPressure full = pool("oneDestination", 190);
    full.programs = {withheld, full.programs[0], unknown};
    EXPECT_EQ(pressure_row(full, t0, Charset::utf8).back().text,
              "withheld (5), /usr/bin/leaker (190), unknown (2)");
    EXPECT_THAT(describe_trouble(full, summary_of(50000, 50199), Charset::utf8),
                HasSubstr(", most of all programs that are withheld from you (5), "
                          "/usr/bin/leaker (190), unknown (2)."));
    EXPECT_THAT(remedies_of(full, summary_of(50000, 50199), Charset::utf8)[1],
                HasSubstr("in the program: close connections"));
    full.programs = {unknown};
    EXPECT_THAT(describe_trouble(full, summary_of(50000, 50199), Charset::utf8),
                HasSubstr(", most of all programs that are not known (2)."));
}

TEST(Pressure, PrintsATableAndTheExitStatusSaysWhetherAnyIsNear) {
    ::setenv("TZ", "UTC0", 1);
    ::setenv("LC_ALL", "C.UTF-8", 1);
    proto::PressureReply last;
    last.summary = summary_of(50000, 50199);
    last.summary->coverage = watched(t0 - 60 * second, t0);
    const auto ask = [&](proto::PoolPressure pool, std::vector<std::string> options = {}) {
        proto::PressureReply reply;
        reply.pool = std::move(pool);
        const FakeDaemon daemon(replies({proto::encode(reply), proto::encode(last)}));
        options.insert(options.begin(), {"--socket", daemon.path(), "pressure"});
        return run(options);
    };
    const Outcome near = ask(pool("timeWait", 190));
    EXPECT_EQ(near.status, 0) << near.err;
    EXPECT_THAT(near.out, HasSubstr("190 of 200 (95 %)"));
    EXPECT_THAT(near.out, HasSubstr("tcp_tw_reuse"));
    EXPECT_THAT(near.err, HasSubstr("ip_local_port_range is 50000-50199"));
    const Outcome calm = ask(pool("boundDatagrams", 3));
    EXPECT_EQ(calm.status, 1) << calm.err;
    EXPECT_THAT(calm.out, HasSubstr("No pool of ports is near to exhaustion"));
    EXPECT_THAT(calm.out, Not(HasSubstr("What helps")));

    proto::PoolPressure unknown = pool("boundDatagrams", 3);
    unknown.ports_per_hour.reset();
    EXPECT_EQ(ask(unknown).status, 4);
    EXPECT_THAT(ask(unknown).out, HasSubstr("how fast they grow is not known"));
    last.summary->withheld = true;
    EXPECT_THAT(ask(unknown).out, HasSubstr("how fast they grow is withheld from you."));
    last.summary->withheld = false;
    unknown.used_ports = 190;
    EXPECT_EQ(ask(unknown).status, 0);

    proto::PoolPressure elsewhere = pool("boundDatagrams", 3);
    elsewhere.network_namespace = last.summary->network_namespace + 1;
    elsewhere.automatic_ports.reset();
    const Outcome beside = ask(elsewhere);
    EXPECT_EQ(beside.status, 1) << beside.err;
    EXPECT_THAT(beside.err, HasSubstr("Of some network namespaces it is not known"));
    const std::vector<std::string> there{"--netns", std::to_string(elsewhere.network_namespace)};
    const Outcome known = ask(pool("boundDatagrams", 190), there);
    EXPECT_EQ(known.status, 0) << known.err;
    EXPECT_THAT(known.err, HasSubstr("is 50000-50199 in that network namespace; reserved: none"));
    last.summary->range_low.reset();
    last.summary->range_high.reset();
    const Outcome alone = ask(elsewhere, there);
    EXPECT_EQ(alone.status, 4) << alone.err;
    EXPECT_THAT(alone.out, HasSubstr("It is not known how near that network namespace is"));
    EXPECT_THAT(alone.out, HasSubstr("ask again then"));
    EXPECT_THAT(alone.out, Not(HasSubstr("No pool of ports is near")));
}

} // namespace
} // namespace portd::client::test
