// Roles and the choice of ports.
#include "unit/model/script.hpp"

namespace portd::model {
namespace {

using namespace script;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Endpoint peer = endpoint("198.51.100.7", 443);
const Row remote = connection(1, local, peer);

std::optional<Role> role_after_two_scans(const std::vector<Row> &rows) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000), rows);
    script.scan(ms(3000), rows);
    return script.lease(rows.back().key).role;
}

TEST(Role, FollowsFromTheStateAlone) {
    const auto of = [](const Row &row) {
        Script script;
        script.scan(ms(1000), {row});
        return script.lease().role;
    };
    EXPECT_EQ(of(listener(1, local)), Role::listener);
    EXPECT_EQ(of(datagram(1, local)), Role::datagram);
    EXPECT_EQ(of(datagram(1, local, peer)), Role::datagram);
    EXPECT_EQ(of(connection(1, local, peer, SocketState::syn_sent)), Role::client);
    EXPECT_EQ(of(connection(1, local, peer, SocketState::syn_received)), Role::accepted);
    EXPECT_EQ(of(connection(1, local, peer, SocketState::new_syn_received)), Role::accepted);
}

TEST(Role, SeenConnectingStaysClient) {
    Script script;
    script.scan(ms(1000), {connection(1, local, peer, SocketState::syn_sent)});
    script.scan(ms(2000), {listener(2, local), remote});
    EXPECT_EQ(script.lease(remote.key).role, Role::client);
}

TEST(Role, AcceptedByListenerOfTheAddressOrOfAll) {
    struct Case {
        Endpoint listening;
        std::optional<Role> role;
    };
    const Case cases[] = {
        {local, Role::accepted},
        {endpoint("0.0.0.0", 40000), Role::accepted},
        {endpoint("192.0.2.2", 40000), Role::client},
        {endpoint("0.0.0.0", 40001), Role::client},
    };
    for (const auto &[listening, role] : cases)
        EXPECT_EQ(role_after_two_scans({listener(2, listening), remote}), role)
            << listening.address.to_string() << " " << listening.port;
}

TEST(Role, AcceptedIsKnownAtFirstSight) {
    Script script;
    script.scan(ms(1000), {listener(2, local), remote});
    EXPECT_EQ(script.lease(remote.key).role, Role::accepted);
}

TEST(Role, ClientIsInferredOnceTheListenersHaveBeenReadAgain) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000), {remote});
    EXPECT_FALSE(script.lease().role) << "a listener may have begun while the scan went on";
    script.scan(ms(3000), {remote});
    EXPECT_EQ(script.lease().role, Role::client);
}

TEST(Role, ListenerThatBeganWhileTheScanWentOnIsFoundByTheNext) {
    Script script;
    script.scan(ms(1000));
    script.scan(ms(2000), {remote});
    script.scan(ms(3000), {listener(2, local), remote});
    EXPECT_EQ(script.lease(remote.key).role, Role::accepted);
}

TEST(Role, OfAnUnseenConnectionIsDecidedByTheNextScan) {
    Script script;
    script.scan(ms(1000));
    script.apply(destroyed(remote, ms(1500), completed));
    EXPECT_FALSE(script.lease().role);
    script.scan(ms(2000));
    EXPECT_EQ(script.lease().role, Role::client);

    Script accepted;
    accepted.scan(ms(1000), {listener(2, local)});
    accepted.apply(destroyed(remote, ms(1500), completed));
    EXPECT_EQ(accepted.lease(remote.key).role, Role::accepted);
}

TEST(Role, OfARefusedConnectionIsClient) {
    Script script;
    script.scan(ms(1000));
    script.apply(destroyed(remote, ms(1500), refused));
    EXPECT_EQ(script.lease().role, Role::client);
}

TEST(Role, IsNotClaimedIfAListenerEndedMeanwhile) {
    for (const bool is_known : {true, false}) {
        Script script;
        const auto closing = listener(2, local);
        script.scan(ms(1000), is_known ? std::vector{closing} : std::vector<Row>{});
        script.apply(destroyed(closing, ms(1500), refused));
        script.scan(ms(2000), {remote});
        script.scan(ms(3000), {remote});
        EXPECT_FALSE(script.lease(remote.key).role);
        script.scan(ms(4000), {remote});
        EXPECT_FALSE(script.lease(remote.key).role);
    }
}

TEST(Role, IsNotClaimedIfAListenerDisappearedMeanwhile) {
    Script script;
    script.scan(ms(1000), {listener(2, local)});
    script.scan(ms(2000));
    script.scan(ms(3000));
    script.scan(ms(4000), {remote});
    script.scan(ms(5000), {remote});
    EXPECT_EQ(script.lease(remote.key).role, Role::client) << "it ended before";

    Script other;
    other.scan(ms(1000), {listener(2, local)});
    other.scan(ms(2000)); // it may have ended as late as 2010, and have accepted until then
    other.scan(ms(3000), {remote});
    other.scan(ms(4000), {remote});
    EXPECT_FALSE(other.lease(remote.key).role);
}

TEST(Role, IsNotInferredOfWhatCameToBeBeforePortdWatched) {
    Script script;
    script.scan(ms(1000), {remote});
    script.scan(ms(2000), {remote});
    EXPECT_FALSE(script.lease().role) << "its listener may have ended before the first scan";
}

TEST(Role, IsNotInferredOnAPortThatTheKernelDoesNotChoose) {
    EXPECT_FALSE(role_after_two_scans({connection(1, endpoint("192.0.2.1", 22), peer)}));
}

TEST(Role, ListenerThatAScanMissedStillAccepts) {
    Script script;
    script.scan(ms(1000), {listener(2, local)});
    script.scan(ms(2000));
    script.scan(ms(3000), {listener(2, local)});
    script.scan(ms(4000), {listener(2, local), remote});
    EXPECT_EQ(script.lease(remote.key).role, Role::accepted);
}

TEST(Role, LoopbackPeerOfAListenerIsClient) {
    const auto loopback = endpoint("127.0.0.1", 40000);
    const auto service = endpoint("127.0.0.1", 8080);
    Script script;
    script.scan(ms(1000), {listener(1, service), connection(2, service, loopback),
                           connection(3, loopback, service)});
    EXPECT_EQ(script.lease(cookie(2)).role, Role::accepted);
    EXPECT_EQ(script.lease(cookie(3)).role, Role::client);
}

TEST(Role, PeerOnAnotherHostIsNotOurListener) {
    Script script;
    script.scan(ms(1000), {listener(2, endpoint("0.0.0.0", 443)), remote});
    EXPECT_FALSE(script.lease(remote.key).role);
}

TEST(Role, FamiliesAndNamespacesDoNotMix) {
    const auto local6 = endpoint("2001:db8::1", 40000);
    const auto peer6 = endpoint("2001:db8::2", 443);
    Script script;
    const Table tcp6{Protocol::tcp, Family::ipv6, here};
    auto foreign = listener(2, endpoint("0.0.0.0", 40000));
    foreign.key.network_namespace = here + 1;
    for (const auto began : {1000, 2000, 3000}) {
        const bool is_there = began > 1000;
        script.scan({Protocol::tcp, Family::ipv4, here + 1}, ms(began), {foreign});
        script.scan(tcp6, ms(began), {listener(3, endpoint("::", 40000))});
        script.scan(ms(began), is_there ? std::vector{remote} : std::vector<Row>{});
    }
    EXPECT_EQ(script.lease(remote.key).role, Role::client);
    script.scan(tcp6, ms(4000), {listener(3, endpoint("::", 40000)), connection(4, local6, peer6)});
    EXPECT_EQ(script.lease(cookie(4)).role, Role::accepted);
}

TEST(NamespacePorts, AChangeLeavesTheOpeningOfWhatItBringsUnknown) {
    Script script;
    script.scan(ms(1000), {});
    NamespacePorts wider;
    wider.local_range = {1024, 65535};
    script.ledger.set_namespace_ports(wider);
    const auto old = listener(1, endpoint("192.0.2.1", 2000));
    script.scan(ms(2000), {old});
    EXPECT_EQ(script.lease(old.key).opened.earliest, std::nullopt);
    script.ledger.set_namespace_ports(wider);
    const auto fresh = listener(2, endpoint("192.0.2.1", 2001));
    script.scan(ms(3000), {old, fresh});
    EXPECT_EQ(script.lease(fresh.key).opened.earliest, ms(2000));
}

TEST(PortChoice, IsExplicitWhereTheKernelWouldNotHaveChosen) {
    Script script;
    NamespacePorts ports;
    ports.local_range = {40000, 50000};
    ports.reserved = {{40100, 40200}};
    script.ledger.set_namespace_ports(ports);
    const auto choice = [&](std::uint64_t socket, std::uint16_t port) {
        script.apply(destroyed(datagram(socket, endpoint("192.0.2.1", port)), ms(1000)));
        return script.lease(cookie(socket)).port_choice;
    };
    EXPECT_EQ(choice(1, 39999), PortChoice::explicit_);
    EXPECT_EQ(choice(2, 40000), std::nullopt);
    EXPECT_EQ(choice(3, 40150), PortChoice::explicit_);
    EXPECT_EQ(choice(4, 50000), std::nullopt);
    EXPECT_EQ(choice(5, 50001), PortChoice::explicit_);
}

TEST(PortChoice, OfAnAcceptedConnectionIsItsListeners) {
    Script script;
    const auto service = endpoint("192.0.2.1", 80);
    script.scan(ms(1000), {listener(1, service), connection(2, service, peer), listener(3, local),
                           connection(4, local, peer)});
    EXPECT_EQ(script.lease(cookie(2)).port_choice, PortChoice::explicit_);
    EXPECT_EQ(script.lease(cookie(4)).port_choice, std::nullopt);
}

} // namespace
} // namespace portd::model
