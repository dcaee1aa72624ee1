// Whose flows these were: how leases fit the ends of a flow, and what is said where none does.
#include "fake_backend.hpp"
#include "proto/attribution.hpp"
#include "proto/framing.hpp"
#include "server/attribute_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace portd::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t port = 50000;
constexpr std::int64_t now_us = 1000;

// From 192.0.2.1:50000 to 192.0.2.2:443, as the leases of the fake are.
proto::Flow flow(std::int64_t at_usec) {
    proto::Flow flow;
    flow.at_usec = at_usec;
    flow.protocol = Protocol::tcp;
    flow.source_address = "192.0.2.1";
    flow.source_port = port;
    flow.destination_address = "192.0.2.2";
    flow.destination_port = 443;
    return flow;
}

proto::Flow reversed(proto::Flow flow) {
    std::swap(flow.source_address, flow.destination_address);
    std::swap(flow.source_port, flow.destination_port);
    return flow;
}

proto::Lease of_process(proto::Lease lease, std::int64_t pid) {
    lease.opener = lease.last_holder = process(pid);
    lease.holders = {process(pid)};
    return lease;
}

proto::Lease without_peer(proto::Lease lease, const std::string &address, Role role) {
    lease.local_address = address;
    lease.family = address.find(':') == std::string::npos ? Family::ipv4 : Family::ipv6;
    lease.peer_address.reset();
    lease.peer_port.reset();
    lease.role = role;
    if (role == Role::datagram)
        lease.protocol = Protocol::udp;
    return lease;
}

class Attribute : public testing::Test {
  protected:
    Attribute() {
        history.watched.complete = true;
        history.watched.intervals = {{0, 1000, CaptureTier::ebpf}};
        request.local_addresses = {"192.0.2.1"};
    }

    proto::FlowAttribution ask(const proto::Flow &one,
                               const Caller &caller = {0, Sight::everything}) {
        request.flows = {one};
        auto question = question_of(request);
        auto &asked = std::get<AttributeQuestion>(question);
        asked.records = [](std::uint16_t number) { return number >= 32768; };
        AttributeStream stream(std::move(asked), caller, now_us);
        proto::MessageReader reader;
        while (!stream.finished())
            reader.append(stream.next(history, now_us));
        const auto last = std::get<proto::Reply>(proto::parse_reply(reader.next().value()));
        EXPECT_EQ(last.error, "");
        reply =
            std::get<proto::AttributeReply>(proto::decode<proto::AttributeReply>(*last.parameters));
        return reply.flows.at(0);
    }
    std::int64_t pid(std::optional<std::int64_t> place) const {
        return place ? reply.processes.at(static_cast<std::size_t>(*place)).pid.value_or(-1) : -1;
    }

    FakeHistory history;
    proto::AttributeRequest request;
    proto::AttributeReply reply;
};

TEST_F(Attribute, AConnectionIsNamedExactlyFromEitherEnd) {
    history.leases = {freed_lease("a", port, 1000, 10, 20)};
    auto told = ask(flow(15));
    EXPECT_EQ(told.who.confidence, Confidence::exact);
    EXPECT_THAT(told.who.reasons, ElementsAre(AttributionReason::tuple));
    EXPECT_EQ(told.side, FlowSide::source);
    EXPECT_EQ(pid(told.who.process), 812);
    EXPECT_EQ(told.who.user, "u1000");
    EXPECT_THAT(told.who.leases, ElementsAre("a"));
    told = ask(reversed(flow(15)));
    EXPECT_EQ(told.who.confidence, Confidence::exact);
    EXPECT_EQ(told.side, FlowSide::destination);
}

TEST_F(Attribute, AnotherPeerOrProtocolIsNobody) {
    history.leases = {freed_lease("a", port, 1000, 10, 20)};
    auto other = flow(15);
    other.destination_port = 80;
    const auto told = ask(other);
    EXPECT_EQ(told.who.confidence, Confidence::not_recorded); // 80 may have been here
    EXPECT_THAT(told.who.ports, ElementsAre(80));
    other.source_port = 443;
    EXPECT_THAT(ask(other).who.ports, ElementsAre(443, 80));
    other.destination_port = 443;
    EXPECT_THAT(ask(other).who.ports, ElementsAre(443));
    other = flow(15);
    other.destination_port = 40000;
    EXPECT_EQ(ask(other).who.confidence, Confidence::nobody);
    other = flow(15);
    other.protocol = Protocol::udp;
    other.destination_port = 40000;
    EXPECT_EQ(ask(other).who.confidence, Confidence::nobody);
    other = flow(15);
    other.source_address = "192.0.2.9";
    other.destination_port = 40000;
    EXPECT_EQ(ask(other).who.confidence, Confidence::nobody);
}

TEST_F(Attribute, TheClockOfTheLogMayBeOffByAsMuchAsIsSaid) {
    history.leases = {freed_lease("a", port, 1000, 10, 20)};
    auto late = flow(25);
    late.destination_port = 443;
    EXPECT_NE(ask(late).who.confidence, Confidence::likely);
    request.within_usec = 5;
    const auto told = ask(late);
    EXPECT_EQ(told.who.confidence, Confidence::likely);
    EXPECT_THAT(told.who.reasons, ElementsAre(AttributionReason::tuple, AttributionReason::skewed));
    EXPECT_EQ(pid(told.who.process), 812);
}

TEST_F(Attribute, SeveralProcessesAreNeverChosenFrom) {
    history.leases = {freed_lease("a", port, 1000, 10, 20),
                      of_process(freed_lease("b", port, 1000, 21, 30), 900)};
    request.within_usec = 5;
    auto told = ask(flow(20));
    EXPECT_EQ(told.who.confidence, Confidence::ambiguous);
    EXPECT_EQ(told.who.process, std::nullopt);
    ASSERT_EQ(told.who.candidates.size(), 2u);
    EXPECT_EQ(pid(told.who.candidates[0]) + pid(told.who.candidates[1]), 812 + 900);
    history.leases[1] = freed_lease("b", port, 1000, 21, 30);
    told = ask(flow(20));
    EXPECT_EQ(told.who.confidence, Confidence::exact);
    EXPECT_EQ(told.who.matching, 2);
}

TEST_F(Attribute, AnUnknownHolderBesideAKnownOneIsAmbiguous) {
    history.leases = {freed_lease("a", port, 1000, 10, 20), freed_lease("b", port, 1000, 10, 20)};
    history.leases[1].opener = history.leases[1].last_holder = {};
    EXPECT_EQ(ask(flow(15)).who.confidence, Confidence::ambiguous);
    history.leases.erase(history.leases.begin());
    EXPECT_EQ(ask(flow(15)).who.confidence, Confidence::unknown);
}

TEST_F(Attribute, AConnectionGoesBeforeItsListenerAndALingeringOne) {
    auto lingering = of_process(freed_lease("old", port, 1000, 1, 90), 700);
    lingering.closed = observed(5);
    history.leases = {lingering,
                      without_peer(freed_lease("l", port, 1000, 1, 90), "0.0.0.0", Role::listener)};
    history.leases[1] = of_process(history.leases[1], 600);
    auto told = ask(flow(15));
    EXPECT_EQ(pid(told.who.process), 700);
    EXPECT_THAT(told.who.reasons,
                ElementsAre(AttributionReason::tuple, AttributionReason::lingering));
    history.leases.push_back(freed_lease("a", port, 1000, 10, 20));
    told = ask(flow(15));
    EXPECT_EQ(pid(told.who.process), 812);
    EXPECT_EQ(told.who.confidence, Confidence::exact);
}

TEST_F(Attribute, ASocketOfEveryAddressIsOfThisMachineOnly) {
    history.leases = {
        without_peer(freed_lease("u", port, 1000, 10, 20), "0.0.0.0", Role::datagram)};
    auto datagram = flow(15);
    datagram.protocol = Protocol::udp;
    auto told = ask(datagram);
    EXPECT_EQ(told.who.confidence, Confidence::likely);
    EXPECT_THAT(told.who.reasons, ElementsAre(AttributionReason::local_end));
    datagram.source_address = "192.0.2.77";
    told = ask(datagram);
    EXPECT_EQ(told.who.confidence, Confidence::unknown);
    EXPECT_THAT(told.who.reasons, ElementsAre(AttributionReason::address_not_local));
    EXPECT_EQ(told.who.process, std::nullopt);
    EXPECT_EQ(told.side, std::nullopt);
    history.leases[0].local_address = "::";
    history.leases[0].family = Family::ipv6;
    datagram.source_address = "192.0.2.1";
    told = ask(datagram);
    EXPECT_THAT(told.who.reasons, ElementsAre(AttributionReason::dual_stack));
}

TEST_F(Attribute, AListenerIsNotNamedForAConnectionThatNobodySaw) {
    history.leases = {without_peer(open_lease("a", port, 1000, 10), "192.0.2.1", Role::listener)};
    auto told = ask(flow(500));
    EXPECT_EQ(told.who.confidence, Confidence::unknown);
    EXPECT_THAT(told.who.reasons,
                ElementsAre(AttributionReason::local_end, AttributionReason::no_connection));
    EXPECT_EQ(told.who.process, std::nullopt);
    EXPECT_THAT(told.who.leases, ElementsAre("a"));

    auto of_this_end_only = flow(500);
    of_this_end_only.destination_port.reset();
    EXPECT_EQ(ask(of_this_end_only).who.confidence, Confidence::likely);
    EXPECT_EQ(ask(flow(1001)).who.confidence, Confidence::unwatched) << "in the future";
    request.within_usec = 600; // more can still be told of that time: as little is known
    EXPECT_EQ(ask(flow(500)).who.confidence, Confidence::unknown);
    request.within_usec = 0;
    history.watched.gaps = {{600, 700, "overflow", 1}};
    EXPECT_EQ(ask(flow(500)).who.confidence, Confidence::unknown);
    EXPECT_EQ(ask(flow(650)).who.confidence, Confidence::likely);
    history.watched.gaps.clear();
    history.watched.intervals[0].source = CaptureTier::sock_diag;
    EXPECT_EQ(ask(flow(500)).who.confidence, Confidence::likely);
    EXPECT_EQ(ask(flow(500), {1000, Sight::own}).who.confidence, Confidence::likely);

    history.watched.intervals[0].source = CaptureTier::ebpf;
    history.leases.push_back(of_process(open_lease("b", port, 1000, 490), 813));
    EXPECT_EQ(ask(flow(500)).who.confidence, Confidence::exact);
}

TEST_F(Attribute, ADatagramSocketMayHaveHadAnotherPeer) {
    auto datagram = flow(15);
    datagram.protocol = Protocol::udp;
    datagram.destination_address = "192.0.2.3";
    history.leases = {freed_lease("u", port, 1000, 10, 20)};
    history.leases[0].protocol = Protocol::udp;
    EXPECT_THAT(ask(datagram).who.reasons, ElementsAre(AttributionReason::other_peer));
}

TEST_F(Attribute, PortAndTimeAloneNameNobodyAmongSeveral) {
    proto::Flow bare;
    bare.at_usec = 15;
    bare.source_port = port;
    history.leases = {freed_lease("a", port, 1000, 10, 20)};
    auto told = ask(bare);
    EXPECT_EQ(told.who.confidence, Confidence::likely);
    EXPECT_THAT(told.who.reasons, ElementsAre(AttributionReason::port_only));
    history.leases.push_back(of_process(history.leases[0], 900));
    history.leases[1].id = "b";
    history.leases[1].protocol = Protocol::udp;
    EXPECT_EQ(ask(bare).who.confidence, Confidence::ambiguous);
}

TEST_F(Attribute, BothEndsOfALoopIsNamed) {
    auto client = freed_lease("c", port, 1000, 10, 20);
    client.local_address = "127.0.0.1";
    client.peer_address = "127.0.0.1";
    client.peer_port = 50001;
    auto accepted = of_process(freed_lease("s", 50001, 1000, 11, 20), 900);
    accepted.local_address = "::ffff:127.0.0.1";
    accepted.family = Family::ipv6;
    accepted.peer_address = "::ffff:127.0.0.1";
    accepted.peer_port = port;
    history.leases = {client, accepted};
    auto loop = flow(15);
    loop.source_address = loop.destination_address = "127.0.0.1";
    loop.destination_port = 50001;
    const auto told = ask(loop);
    EXPECT_EQ(told.side, FlowSide::source);
    EXPECT_EQ(pid(told.who.process), 812);
    ASSERT_TRUE(told.responder);
    EXPECT_EQ(told.responder->confidence, Confidence::exact);
    EXPECT_EQ(pid(told.responder->process), 900);
}

TEST_F(Attribute, EachEndIsLookedForAsItsHostSeesTheFlow) {
    history.leases = {freed_lease("c", port, 1000, 10, 20)};
    history.leases[0].local_address = "10.0.0.5";
    auto translated = flow(15);
    translated.source_address = "10.0.0.5";
    translated.translated_source_address = "203.0.113.1";
    translated.translated_source_port = 61000;
    translated.translated_destination_address = "192.0.2.2";
    translated.translated_destination_port = 443;
    EXPECT_EQ(ask(translated).who.confidence, Confidence::exact);
    auto server = of_process(freed_lease("s", 50080, 1000, 10, 20), 900);
    server.local_address = "172.17.0.2";
    server.peer_address = "192.0.2.2";
    server.peer_port = 40000;
    history.leases = {server};
    translated = {.at_usec = 15,
                  .duration_usec = std::nullopt,
                  .protocol = Protocol::tcp,
                  .source_address = "192.0.2.2",
                  .source_port = 40000,
                  .destination_address = "203.0.113.1",
                  .destination_port = 80,
                  .translated_source_address = "192.0.2.2",
                  .translated_source_port = 40000,
                  .translated_destination_address = "172.17.0.2",
                  .translated_destination_port = 50080};
    const auto told = ask(translated);
    EXPECT_EQ(told.side, FlowSide::destination);
    EXPECT_EQ(told.who.confidence, Confidence::exact);
}

TEST_F(Attribute, WhatWasNotWatchedIsNotNobody) {
    auto local = flow(15);
    local.destination_port = 40000;
    EXPECT_EQ(ask(local).who.confidence, Confidence::nobody);
    history.watched.gaps = {{std::nullopt, 14, "notRunning", std::nullopt}};
    EXPECT_EQ(ask(local).who.confidence, Confidence::nobody);
    request.within_usec = 2;
    const auto told = ask(local);
    EXPECT_EQ(told.who.confidence, Confidence::unwatched);
    EXPECT_THAT(told.who.gaps, ElementsAre("notRunning"));
    history.watched.gaps.clear();
    history.watched.intervals[0].source = CaptureTier::procfs;
    EXPECT_EQ(ask(local).who.confidence, Confidence::unwatched);
    EXPECT_EQ(ask(local, {1000, Sight::own}).who.confidence, Confidence::withheld);
}

// Of two leases that fit, the one that fits less may be all that the caller may see.
TEST_F(Attribute, WhoSeesNotAllLeasesIsToldOfNoneThatOnlyMightBeIt) {
    const Caller other{1000, Sight::own};
    request.within_usec = 5;
    history.leases = {open_lease("mine", port, 1000, 17)};
    EXPECT_EQ(ask(flow(15)).who.confidence, Confidence::likely);
    EXPECT_EQ(ask(flow(15), other).who.confidence, Confidence::withheld);
    EXPECT_FALSE(ask(flow(15), other).side);
    EXPECT_EQ(ask(flow(18), other).who.confidence, Confidence::exact);
    history.leases = {
        without_peer(open_lease("bound", port, 1000, 10), "192.0.2.1", Role::listener)};
    EXPECT_EQ(ask(flow(15), other).who.confidence, Confidence::likely);
    EXPECT_EQ(ask(flow(4), other).who.confidence, Confidence::withheld);
    auto port_alone = flow(15);
    port_alone.source_address.reset();
    EXPECT_EQ(ask(port_alone, other).who.confidence, Confidence::withheld);
}

TEST_F(Attribute, NobodyHasAPortInTheFuture) {
    history.leases = {open_lease("a", port, 1000, 10)};
    EXPECT_EQ(ask(flow(now_us)).who.confidence, Confidence::exact);
    const auto told = ask(flow(now_us + 1));
    EXPECT_EQ(told.who.confidence, Confidence::unwatched);
    EXPECT_THAT(told.who.gaps, ElementsAre("future"));
    EXPECT_FALSE(told.who.process);
    EXPECT_FALSE(told.side);
    request.within_usec = 1;
    EXPECT_EQ(ask(flow(now_us + 1)).who.confidence, Confidence::exact);
    EXPECT_EQ(ask(flow(now_us + 2)).who.confidence, Confidence::unwatched);
}

TEST_F(Attribute, WhatTheClockShowedBeforeItWasSetBackIsNoFuture) {
    history.leases = {open_lease("a", port, 1000, 10)};
    history.clock_steps = {{.from_usec = now_us + 50, .to_usec = now_us - 100}};
    EXPECT_EQ(ask(flow(now_us + 50)).who.confidence, Confidence::exact);
    EXPECT_EQ(ask(flow(now_us + 51)).who.confidence, Confidence::unwatched);
}

TEST_F(Attribute, WhatIsNotKnownOfTheTimesIsSaid) {
    history.leases = {freed_lease("a", port, 1000, 10, 20)};
    history.leases[0].opened = {std::nullopt, 5, 30, Provenance::sampled};
    EXPECT_THAT(ask(flow(15)).who.reasons,
                ElementsAre(AttributionReason::tuple, AttributionReason::sampled));
    history.leases[0] = freed_lease("a", port, 1000, 10, 20);
    history.leases[0].opener.provenance = Provenance::inferred;
    const auto told = ask(flow(15));
    EXPECT_EQ(told.who.confidence, Confidence::likely);
    EXPECT_THAT(told.who.reasons,
                ElementsAre(AttributionReason::tuple, AttributionReason::inferred));
}

TEST_F(Attribute, NoProcessIsToldOfATimeBeforeItBegan) {
    history.leases = {freed_lease("a", port, 1000, 10, 20)};
    proto::Lease &lease = history.leases[0];
    lease.opened = {std::nullopt, std::nullopt, 15, Provenance::sampled};
    lease.opener.start_usec = 8;
    lease.holders = {lease.opener};
    EXPECT_NE(ask(flow(7)).who.confidence, Confidence::likely);
    EXPECT_EQ(ask(flow(9)).who.confidence, Confidence::likely);
    lease.holders[0].start_usec.reset();
    EXPECT_EQ(ask(flow(7)).who.confidence, Confidence::likely) << "there may have been somebody";
}

TEST_F(Attribute, TheLastToHoldItIsToldWhereItIsAnotherOne) {
    history.leases = {freed_lease("a", port, 1000, 10, 20)};
    history.leases[0].last_holder = process(900);
    const auto told = ask(flow(15));
    EXPECT_EQ(pid(told.who.process), 812);
    EXPECT_EQ(pid(told.who.last_holder), 900);
}

TEST_F(Attribute, WhatCannotBeUsedIsRefused) {
    const auto refused = [&](const proto::Flow &one) {
        request.flows = {one};
        const auto question = question_of(request);
        const auto *field = std::get_if<proto::InvalidField>(&question);
        return field ? field->parameter : "";
    };
    EXPECT_EQ(refused(flow(1)), "");
    EXPECT_EQ(refused({}), "flows[0]");
    auto wrong = flow(1);
    wrong.destination_address = "example.org";
    EXPECT_EQ(refused(wrong), "flows[0].destinationAddress");
    wrong = flow(1);
    wrong.translated_source_port = 5;
    EXPECT_EQ(refused(wrong), "flows[0]");
    request.local_addresses = {"here"};
    EXPECT_EQ(refused(flow(1)), "localAddresses");
}

} // namespace
} // namespace portd::server
