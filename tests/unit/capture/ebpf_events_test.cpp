#include "capture/ebpf_events.hpp"

#include <cerrno>
#include <gmock/gmock.h>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;
using Kind = SocketEvent::Kind;
using Remains = model::SocketClosed::Remains;
using model::SocketState;
using testing::IsEmpty;
using testing::SizeIs;

constexpr ImageId curl{1'000'000'000, 0x7ffffff0, 5};

class Translation : public testing::Test {
  protected:
    Translation() {
        ImageTold told;
        told.image = curl;
        told.command = "curl";
        told.executable = "/usr/bin/curl";
        tell(told);
    }

    void tell(const BpfEvent &event) {
        events_.translate(event, [this](const model::Observation &observation) {
            observed_.push_back(observation);
        });
    }

    static SocketEvent event(Kind kind, Protocol protocol = Protocol::tcp) {
        SocketEvent event;
        event.kind = kind;
        event.at = model::Instant{2s};
        event.image = curl;
        event.key = {7, 1, model::SocketKey::Kind::cookie};
        event.protocol = protocol;
        event.local.port = 40000;
        event.uid = 1000;
        return event;
    }

    // Whose connect(2) is to choose the port.
    static SocketEvent connecting_udp(std::uint16_t peer_port = 0) {
        auto connecting = event(Kind::udp_connecting, Protocol::udp);
        connecting.local.port = 0;
        connecting.peer.port = peer_port;
        return connecting;
    }

    // The only observation since the last call.
    template <typename Observation>
    Observation only() {
        EXPECT_THAT(observed_, SizeIs(1));
        const auto *found =
            observed_.empty() ? nullptr : std::get_if<Observation>(&observed_.front());
        EXPECT_TRUE(found);
        const auto copy = found ? *found : Observation{};
        observed_.clear();
        return copy;
    }

    ImageTable images_{ArgumentPolicy::redacted};
    EbpfEvents events_{images_};
    std::vector<model::Observation> observed_;
};

TEST_F(Translation, ABindSaysWhoChoseThePort) {
    auto bound = event(Kind::bound);
    bound.requested_port = 40000;
    tell(bound);
    const auto taken = only<model::PortTaken>();
    EXPECT_EQ(taken.port_choice, PortChoice::explicit_);
    EXPECT_EQ(taken.phase, Phase::bound);
    EXPECT_FALSE(taken.role) << "a TCP socket may yet listen or connect";
    EXPECT_EQ(taken.process->executable, "/usr/bin/curl");
    EXPECT_EQ(taken.uid, 1000U);
    EXPECT_EQ(taken.at, bound.at);
    EXPECT_FALSE(taken.port_chosen_by);

    bound.requested_port = 0;
    tell(bound);
    const auto automatic = only<model::PortTaken>();
    EXPECT_EQ(automatic.port_choice, PortChoice::automatic);
    EXPECT_EQ(automatic.port_chosen_by, PortChosenBy::bind);
    bound.requested_port.reset();
    tell(bound);
    const auto unknown = only<model::PortTaken>();
    EXPECT_FALSE(unknown.port_choice);
    EXPECT_FALSE(unknown.port_chosen_by);
}

TEST_F(Translation, TheCallInWhichTheKernelChoseIsTold) {
    const auto call = [this](SocketEvent event) {
        tell(event);
        return only<model::PortTaken>().port_chosen_by;
    };
    events_.expect_older_sockets(false);
    auto connecting = event(Kind::connecting);
    EXPECT_EQ(call(connecting), PortChosenBy::bind) << "to port 0, without a word";
    connecting.connect_chose_port = true;
    EXPECT_EQ(call(connecting), PortChosenBy::connect);
    auto locked = event(Kind::connecting);
    locked.is_port_locked = true;
    EXPECT_EQ(call(locked), std::nullopt) << "the program chose";
    auto datagram = event(Kind::sent, Protocol::udp);
    EXPECT_EQ(call(event(Kind::listening)), PortChosenBy::listen);
    EXPECT_EQ(call(datagram), PortChosenBy::send);
    events_.expect_older_sockets(true);
    EXPECT_EQ(call(event(Kind::listening)), std::nullopt) << "or by a bind(2) that nobody saw";
    EXPECT_EQ(call(datagram), std::nullopt);
    EXPECT_EQ(call(connecting), PortChosenBy::connect);
    events_.expect_older_sockets(false);
    datagram.peer.port = 53;
    EXPECT_EQ(call(datagram), std::nullopt) << "or by the connect(2) that gave it the peer";
}

TEST_F(Translation, AConnectionIsItsCallersAndEstablishedByNobody) {
    tell(event(Kind::connecting));
    auto taken = only<model::PortTaken>();
    EXPECT_EQ(taken.role, Role::client);
    EXPECT_EQ(taken.port_choice, PortChoice::automatic);
    EXPECT_TRUE(taken.process);

    auto connected = event(Kind::connected);
    connected.image.reset();
    connected.old_state = SocketState::syn_sent;
    tell(connected);
    taken = only<model::PortTaken>();
    EXPECT_EQ(taken.role, Role::client);
    EXPECT_EQ(taken.phase, Phase::connected);
    EXPECT_FALSE(taken.process);
    EXPECT_FALSE(events_.lacks_holders());
}

TEST_F(Translation, WhoAcceptedIsLookedForUntilItIsKnown) {
    auto connected = event(Kind::connected);
    connected.image.reset();
    connected.old_state = SocketState::syn_received;
    tell(connected);
    EXPECT_EQ(only<model::PortTaken>().role, Role::accepted);
    EXPECT_TRUE(events_.lacks_holders());

    auto named = event(Kind::named_peer);
    named.is_in_accept = true;
    tell(named);
    EXPECT_EQ(only<model::HolderSeen>().claim, model::Claim::opened);
    EXPECT_FALSE(events_.lacks_holders());
}

TEST_F(Translation, ToAskForThePeersNameProvesNoAccept) {
    tell(event(Kind::named_peer));
    EXPECT_EQ(only<model::HolderSeen>().claim, model::Claim::has);
}

TEST_F(Translation, AConnectedUdpSocketIsToldWithItsPortAndTheTimeOfItsConnect) {
    const auto connecting = connecting_udp(53);
    tell(connecting);
    EXPECT_THAT(observed_, IsEmpty());
    EXPECT_TRUE(events_.lacks_holders());

    auto released = event(Kind::released, Protocol::udp);
    released.at += 5ms;
    released.peer.port = 53;
    tell(released);
    ASSERT_THAT(observed_, SizeIs(2));
    const auto &taken = std::get<model::PortTaken>(observed_[0]);
    EXPECT_EQ(taken.at, connecting.at);
    EXPECT_FALSE(taken.may_be_older);
    EXPECT_EQ(taken.local.port, 40000);
    EXPECT_EQ(taken.peer.port, 53);
    EXPECT_EQ(taken.role, Role::datagram);
    EXPECT_EQ(taken.port_choice, PortChoice::automatic);
    EXPECT_EQ(taken.port_chosen_by, PortChosenBy::connect);
    EXPECT_TRUE(taken.process);
    EXPECT_TRUE(std::get<model::SocketReleased>(observed_[1]).frees_port);
    EXPECT_FALSE(events_.lacks_holders());
}

TEST_F(Translation, ASnapshotTellsThePortOfAConnectedUdpSocket) {
    const auto connecting = connecting_udp();
    tell(connecting);
    const auto bound = event(Kind::bound, Protocol::udp);
    events_.meet_port(
        bound.key, bound.protocol, bound.local, connecting.peer,
        [this](const model::Observation &observation) { observed_.push_back(observation); });
    EXPECT_EQ(only<model::PortTaken>().at, connecting.at);
}

TEST_F(Translation, ASocketThatMayBeOlderIsNotOpenedByWhatItDoes) {
    auto chosen = event(Kind::connecting);
    chosen.connect_chose_port = true;
    const std::vector<SocketEvent> later_acts{
        event(Kind::listening), event(Kind::sent, Protocol::udp), event(Kind::connecting)};
    for (const bool expected : {true, false}) {
        events_.expect_older_sockets(expected);
        for (const auto &act : later_acts) {
            tell(act);
            EXPECT_EQ(only<model::PortTaken>().may_be_older, expected);
        }
        for (const auto &opening : {event(Kind::bound), chosen}) {
            tell(opening);
            EXPECT_FALSE(only<model::PortTaken>().may_be_older);
        }
    }
    tell(event(Kind::udp_connecting, Protocol::udp));
    EXPECT_TRUE(only<model::PortTaken>().may_be_older) << "it had the port when it connected";
}

TEST_F(Translation, ARefusedUdpConnectLeavesNothing) {
    tell(connecting_udp());
    auto released = event(Kind::released, Protocol::udp);
    released.local.port = 0;
    tell(released);
    EXPECT_EQ(only<model::SocketReleased>().local.port, 0) << "whatever it had, it has no more";
    EXPECT_FALSE(events_.lacks_holders());
}

TEST_F(Translation, WhatAForkInheritedIsToBeLookedAt) {
    tell(ImageForked{{curl.started_at_ns + 1, curl.pid + 1, 0}, curl});
    EXPECT_TRUE(events_.lacks_holders());
    events_.have_looked(model::Instant{std::chrono::seconds(10)});
    EXPECT_FALSE(events_.lacks_holders());
    events_.seek_holders();
    EXPECT_TRUE(events_.lacks_holders());
}

TEST_F(Translation, AUdpSocketThatConnectsAgainHasItsPortSinceTheFirstTime) {
    const auto first = connecting_udp(53);
    tell(first);
    auto second = event(Kind::udp_connecting, Protocol::udp);
    second.at += 5ms;
    second.peer.port = 123;
    tell(second);
    ASSERT_THAT(observed_, SizeIs(2));
    EXPECT_EQ(std::get<model::PortTaken>(observed_[0]).at, first.at);
    EXPECT_EQ(std::get<model::PortTaken>(observed_[0]).peer.port, 53);
    EXPECT_EQ(std::get<model::PortTaken>(observed_[1]).at, second.at);
    EXPECT_EQ(std::get<model::PortTaken>(observed_[1]).peer.port, 123);
    EXPECT_FALSE(events_.lacks_holders());
}

// connect(2) to AF_UNSPEC took the port that connect(2) gave.
TEST_F(Translation, AUdpSocketThatIsNotConnectedAnyMoreHasAnotherPort) {
    events_.expect_older_sockets(false);
    for (const auto kind : {Kind::bound, Kind::sent}) {
        tell(connecting_udp(53));
        auto next = event(kind, Protocol::udp);
        next.at += 5ms;
        tell(next);
        const auto taken = only<model::PortTaken>();
        EXPECT_EQ(taken.at, next.at);
        EXPECT_EQ(taken.peer.port, 0);
        EXPECT_EQ(taken.may_be_older, kind == Kind::sent) << "a connect(2) that failed keeps it";
        EXPECT_FALSE(events_.lacks_holders());
    }
}

TEST_F(Translation, AUdpConnectThatFailedNamesNoPeer) {
    tell(connecting_udp(53));
    tell(event(Kind::released, Protocol::udp));
    ASSERT_THAT(observed_, SizeIs(2));
    EXPECT_EQ(std::get<model::PortTaken>(observed_[0]).phase, Phase::bound);
    EXPECT_EQ(std::get<model::PortTaken>(observed_[0]).peer.port, 0);
}

TEST_F(Translation, WhatAnExecClosesWasTheProgramsBefore) {
    ImageTold told;
    told.image = {curl.started_at_ns, curl.pid, curl.exec_id + 1};
    told.command = "wget";
    told.executable = "/usr/bin/wget";
    tell(told);
    EXPECT_EQ(only<model::ProcessEnded>().process->executable, "/usr/bin/curl");
    auto released = event(Kind::released);
    released.image = told.image;
    released.is_in_exec = true;
    tell(released);
    EXPECT_EQ(only<model::SocketReleased>().process->executable, "/usr/bin/curl");
    EXPECT_TRUE(events_.lacks_holders()) << "what the exec inherited is not known";
}

TEST_F(Translation, AnExecOfAnUnknownProgramClosesForNobodyKnown) {
    auto released = event(Kind::released);
    released.is_in_exec = true;
    tell(released);
    EXPECT_FALSE(only<model::SocketReleased>().process);
}

TEST_F(Translation, AReleaseFreesThePortOfWhatIsClosed) {
    auto released = event(Kind::released);
    released.state = SocketState::established;
    tell(released);
    EXPECT_FALSE(only<model::SocketReleased>().frees_port);
    released.state = SocketState::close;
    tell(released);
    EXPECT_TRUE(only<model::SocketReleased>().frees_port);
}

TEST_F(Translation, TheKernelIsAHolderOfItsOwn) {
    auto bound = event(Kind::bound, Protocol::udp);
    bound.is_kernels = true;
    tell(bound);
    EXPECT_EQ(only<model::PortTaken>().process, ImageTable::kernel());
}

TEST_F(Translation, AFailedBindIsNoLease) {
    tell(event(Kind::bind_failed));
    EXPECT_THAT(observed_, IsEmpty());
    const auto failures = events_.take_bind_failures();
    ASSERT_THAT(failures, SizeIs(1));
    EXPECT_EQ(failures[0].local.port, 40000);
    EXPECT_EQ(failures[0].process->command, "curl");
    EXPECT_THAT(events_.take_bind_failures(), IsEmpty());
}

TEST_F(Translation, TheEndOfANamespaceIsToldOn) {
    tell(NamespaceEnded{4026532000, model::Instant{3s}});
    const auto ended = only<model::NamespaceEnded>();
    EXPECT_EQ(ended.network_namespace, 4026532000U);
    EXPECT_EQ(ended.at, model::Instant{3s});
}

TEST_F(Translation, TheEndOfAnImageIsToldOnceItIsKnown) {
    tell(ImageEnded{{1, 2, 3}, model::Instant{3s}});
    EXPECT_THAT(observed_, IsEmpty());
    tell(ImageEnded{curl, model::Instant{3s}});
    EXPECT_EQ(only<model::ProcessEnded>().process->command, "curl");
}

TEST_F(Translation, TrafficAndWhatLingersComeWithTheEnd) {
    auto closed = event(Kind::closed);
    closed.peer.port = 443;
    closed.old_state = SocketState::fin_wait2;
    closed.bytes_sent = 10;
    closed.bytes_received = 20;
    tell(closed);
    const auto end = only<model::SocketClosed>();
    ASSERT_TRUE(end.tcp);
    EXPECT_TRUE(end.tcp->established);
    EXPECT_EQ(end.tcp->bytes_sent, 10U);
    EXPECT_EQ(end.outcome, Outcome::closed);
    EXPECT_EQ(end.remains, Remains::time_wait);
    EXPECT_TRUE(events_.has_left_time_wait());
    events_.have_looked(model::Instant{4s});
    EXPECT_FALSE(events_.has_left_time_wait());
}

TEST(Outcome, FollowsFromTheStateAndTheError) {
    using enum SocketState;
    EXPECT_EQ(outcome_of(syn_sent, ECONNREFUSED), Outcome::refused);
    EXPECT_EQ(outcome_of(syn_sent, ETIMEDOUT), Outcome::timed_out);
    EXPECT_EQ(outcome_of(syn_sent, EHOSTUNREACH), Outcome::unreachable);
    EXPECT_EQ(outcome_of(syn_sent, ENETUNREACH), Outcome::unreachable);
    EXPECT_EQ(outcome_of(syn_sent, 0), Outcome::abandoned);
    EXPECT_EQ(outcome_of(established, ECONNRESET), Outcome::reset);
    EXPECT_EQ(outcome_of(close_wait, EPIPE), Outcome::reset);
    EXPECT_EQ(outcome_of(established, ETIMEDOUT), Outcome::timed_out);
    EXPECT_EQ(outcome_of(established, 0), Outcome::reset)
        << "closed with unread data, or SO_LINGER 0";
    for (const auto orderly : {last_ack, closing, fin_wait2})
        EXPECT_EQ(outcome_of(orderly, 0), Outcome::closed);
    EXPECT_FALSE(outcome_of(listen, 0));
}

TEST(Remains, FollowFromTheStateTheErrorAndTheLock) {
    SocketEvent closed;
    closed.old_state = SocketState::fin_wait2;
    EXPECT_EQ(remains_of(closed), Remains::time_wait);
    closed.error = ECONNRESET;
    EXPECT_EQ(remains_of(closed), Remains::nothing);
    closed.error = 0;
    closed.old_state = SocketState::last_ack;
    EXPECT_EQ(remains_of(closed), Remains::nothing);
    closed.is_port_locked = true;
    EXPECT_EQ(remains_of(closed), Remains::bound);
    closed.is_orphan = true;
    EXPECT_EQ(remains_of(closed), Remains::nothing);
}

} // namespace
} // namespace portd::capture
