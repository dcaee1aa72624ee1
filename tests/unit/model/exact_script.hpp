// Exact events of a few sockets, for scripts.
#pragma once

#include "unit/model/script.hpp"

#include <optional>
#include <vector>

namespace portd::model::script {

using Remains = SocketClosed::Remains;

inline const Endpoint local = endpoint("192.0.2.1", 40000);
inline const Endpoint other = endpoint("192.0.2.1", 40001);
inline const Endpoint peer = endpoint("198.51.100.7", 443);
inline const ProcessRef program = process(10, ms(100), "program");
inline const ProcessRef worker = process(11, ms(100), "worker");
inline const Table tcp4{Protocol::tcp, Family::ipv4, here};
inline const Table udp4{Protocol::udp, Family::ipv4, here};

inline PortTaken bound(std::uint64_t socket, Instant at, const ProcessRef &by = program) {
    PortTaken taken;
    taken.key = cookie(socket);
    taken.local = local;
    taken.peer = none();
    taken.process = by;
    taken.at = at;
    return taken;
}

inline PortTaken listening(std::uint64_t socket, Instant at) {
    auto taken = bound(socket, at);
    taken.phase = Phase::listening;
    taken.role = Role::listener;
    return taken;
}

inline PortTaken connecting(std::uint64_t socket, Instant at, const ProcessRef &by = program) {
    auto taken = bound(socket, at, by);
    taken.peer = peer;
    taken.phase = Phase::connecting;
    taken.role = Role::client;
    return taken;
}

inline PortTaken connected(std::uint64_t socket, Instant at, Role role = Role::client) {
    auto taken = connecting(socket, at, nullptr);
    taken.phase = Phase::connected;
    taken.role = role;
    return taken;
}

inline PortTaken sent(std::uint64_t socket, const Endpoint &from, Instant at) {
    auto taken = bound(socket, at);
    taken.protocol = Protocol::udp;
    taken.local = from;
    taken.role = Role::datagram;
    return taken;
}

inline SocketReleased released(const PortTaken &of, Instant at, bool frees_port,
                               const ProcessRef &by = program) {
    return {.key = of.key,
            .protocol = of.protocol,
            .local = of.local,
            .peer = of.peer,
            .uid = std::nullopt,
            .tcp = std::nullopt,
            .process = by,
            .frees_port = frees_port,
            .at = at};
}

inline SocketClosed closed(const PortTaken &of, Instant at, Remains remains,
                           std::optional<Outcome> outcome = Outcome::closed) {
    return {.key = of.key,
            .local = of.local,
            .peer = of.peer,
            .tcp = std::nullopt,
            .outcome = outcome,
            .remains = remains,
            .peer_has_closed = true,
            .at = at};
}

inline SocketSeen row_of(const PortTaken &of, SocketState state, Instant at) {
    return {of.key, of.protocol, of.local, of.peer, state, 1000, 77, at};
}

inline void scan(Script &script, const Table &table, Instant began, Scope scope,
                 const std::vector<SocketSeen> &rows = {}) {
    script.apply(ScanStarted{table, began});
    for (const auto &row : rows)
        script.apply(row);
    script.apply(ScanFinished{table, began + scan_takes, scope});
}

inline ::testing::AssertionResult is(const Lease &lease, const Attribution &attribution,
                                     const ProcessRef &process, Provenance provenance) {
    const auto named =
        attribution.holder ? lease.holders.at(*attribution.holder).process : ProcessRef{};
    if (named == process && attribution.provenance == provenance)
        return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << (named ? named->command : "nobody") << ", " << to_string(attribution.provenance);
}

// Of one socket that nothing else was known of.
inline Lease lease_after(const std::vector<Observation> &observations) {
    Script script;
    for (const auto &observation : observations)
        script.apply(observation);
    return script.lease();
}

} // namespace portd::model::script

#define EXPECT_OPENER(lease, process)                                                              \
    EXPECT_TRUE(is(lease, (lease).opener, process, Provenance::observed))
#define EXPECT_LAST_HOLDER(lease, process)                                                         \
    EXPECT_TRUE(is(lease, (lease).last_holder, process, Provenance::observed))
