// However much happens, the ledger keeps within its limits.
#include "unit/model/script.hpp"

#include <malloc.h>

namespace portd::model {
namespace {

using namespace script;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Endpoint peer = endpoint("198.51.100.7", 443);
const Table udp4{Protocol::udp, Family::ipv4, here};

TEST(Limits, ConnectionsAwaitingAScanAreSettledWithWhatIsKnown) {
    Script script(1, {.remembered_ends = 100, .awaiting_scan = 2});
    script.scan(ms(1000));
    for (std::uint64_t i = 0; i < 5; ++i) {
        const auto row = connection(i, endpoint("192.0.2.1", std::uint16_t(40000 + i)), peer);
        script.apply(destroyed(row, ms(1100 + std::int64_t(i)), completed));
    }
    EXPECT_EQ(script.ledger.open_leases(), 2U);
    const auto settled = script.lease(cookie(0));
    EXPECT_EQ(settled.closed, When::observed(ms(1100)));
    EXPECT_EQ(settled.freed, (When{ms(1100), std::nullopt, Provenance::unknown}));
    script.scan(ms(2000));
    EXPECT_EQ(script.ledger.open_leases(), 0U);
    EXPECT_EQ(script.lease(cookie(4)).freed, When::sampled(ms(1104), ms(2010)));
}

TEST(Limits, RememberedEndsBeyondThemAreForgottenButNotLost) {
    Script script(1, {.remembered_ends = 2, .awaiting_scan = 100});
    script.scan(udp4, ms(1000), {});
    for (std::uint64_t i = 0; i < 5; ++i)
        script.apply(destroyed(datagram(i, local), ms(1100 + std::int64_t(i))));
    EXPECT_EQ(script.leases().size(), 5U);
    script.apply(destroyed(datagram(4, local), ms(1104)));
    EXPECT_EQ(script.leases().size(), 5U) << "remembered";
    script.apply(destroyed(datagram(0, local), ms(1100)));
    EXPECT_EQ(script.leases().size(), 6U) << "forgotten";
}

// Sockets whose end is never told, connections and datagram sockets that nobody saw, and processes
// that let go of what they were not known to have.
void pass_a_second(Script &script, std::int64_t second) {
    constexpr std::uint64_t of_each = 100;
    const auto address = [](std::uint64_t i) {
        return endpoint("192.0.2.1", static_cast<std::uint16_t>(40000 + i));
    };
    const auto first = static_cast<std::uint64_t>(second) * 1000;
    const auto server = endpoint("198.51.100.7", static_cast<std::uint16_t>(second));
    std::vector<Row> seen;
    for (std::uint64_t i = 0; i < of_each; ++i)
        seen.push_back(connection(first + i, address(i), server));
    script.scan(ms(second * 1000), seen);
    script.scan(udp4, ms(second * 1000 + 20), {});
    for (std::uint64_t i = 0; i < of_each; ++i) {
        const auto at = ms(second * 1000 + 100) + std::chrono::microseconds(i);
        script.apply(HolderGone{seen[i].key, {1, ms(0)}, When::observed(at)});
        script.apply(destroyed(connection(first + 200 + i, address(i), server), at, completed));
        script.apply(destroyed(datagram(first + 400 + i, address(i)), at));
    }
    script.ledger.take_changes();
}

TEST(Memory, DoesNotGrowHoweverManySocketsComeAndGo) {
    const auto in_use = [] { return mallinfo2().uordblks; };
    if (in_use() == 0)
        GTEST_SKIP() << "this allocator does not tell how much memory is in use";
    Script script(1, {.remembered_ends = 500, .awaiting_scan = 500});
    std::int64_t second = 1;
    for (; second <= 50; ++second)
        pass_a_second(script, second);
    const auto before = in_use();
    for (; second <= 250; ++second)
        pass_a_second(script, second);
    EXPECT_LE(in_use(), before + before / 10);
}

// Exact events of sockets that are never released, never opened, or take port after port, in
// namespaces that come and go; with claims of unknown sockets, and processes that end.
void pass_an_exact_second(Script &script, std::int64_t second) {
    const auto network_namespace = here + 1 + static_cast<std::uint32_t>(second);
    for (std::uint64_t i = 0; i < 100; ++i) {
        const auto at = ms(second * 1000) + std::chrono::microseconds(i);
        const auto number = static_cast<std::uint64_t>(second) * 1000 + i;
        const auto key = cookie(number, network_namespace);
        const auto by = process(static_cast<std::int32_t>(number), ms(0));
        PortTaken taken;
        taken.key = key;
        taken.local = local;
        taken.peer = endpoint("198.51.100.7", static_cast<std::uint16_t>(1 + i));
        taken.phase = Phase::connecting;
        taken.role = Role::client;
        taken.process = by;
        taken.at = at;
        script.apply(taken);
        SocketClosed end;
        end.key = key;
        end.local = taken.local;
        end.peer = taken.peer;
        end.remains =
            i % 2 == 0 ? SocketClosed::Remains::nothing : SocketClosed::Remains::time_wait;
        end.at = at;
        script.apply(end);
        end.key = cookie(number + 200, network_namespace);
        script.apply(end);
        taken.key = cookie(number + 400);
        taken.protocol = Protocol::udp;
        for (std::uint16_t port = 0; port < 3; ++port, taken.at += std::chrono::microseconds(1)) {
            taken.local.port = static_cast<std::uint16_t>(40000 + port);
            script.apply(taken);
        }
        SocketReleased release;
        release.key = taken.key;
        release.protocol = taken.protocol;
        release.local = taken.local;
        release.frees_port = true;
        release.at = taken.at;
        script.apply(release);
        script.apply(HolderSeen{cookie(number + 600), by, at, Claim::opened});
        script.apply(ProcessEnded{by, at});
    }
    script.apply(TimePassed{ms(second * 1000 + 500)});
    script.ledger.take_changes();
}

TEST(Memory, DoesNotGrowHoweverManyExactEventsCome) {
    const auto in_use = [] { return mallinfo2().uordblks; };
    if (in_use() == 0)
        GTEST_SKIP() << "this allocator does not tell how much memory is in use";
    Script script(1, {.remembered_ends = 50, .awaiting_scan = 50});
    script.ledger.set_own_namespace(here);
    std::int64_t second = 1;
    for (; second <= 300; ++second)
        pass_an_exact_second(script, second);
    const auto before = in_use();
    for (; second <= 900; ++second)
        pass_an_exact_second(script, second);
    EXPECT_LE(in_use(), before + before / 10);
}

} // namespace
} // namespace portd::model
