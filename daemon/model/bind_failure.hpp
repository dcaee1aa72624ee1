// An attempt to bind(2) a port of the program's choice that the kernel refused, and what it says of
// the leases of that instant.
#pragma once

#include "model/endpoint.hpp"
#include "model/instant.hpp"
#include "model/process.hpp"
#include "model/socket.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace portd::model {

// The kernel tells the program why, and nobody else. Failures are reported of those ports only of
// which leases are recorded: else nothing followed from there being no lease.
struct BindFailure {
    SocketKey socket;
    Protocol protocol = Protocol::tcp;
    Endpoint local;                   // as requested, with a port
    std::optional<std::uint32_t> uid; // owner of the socket
    ProcessRef process;               // that tried; null: unknown
    Instant at{};

    bool operator==(const BindFailure &) const = default;
};

// The IPv4 address that a v4-mapped one (RFC 4291, section 2.5.5.2) stands for; others as they are.
inline Address unmapped(const Address &address) {
    constexpr std::array<std::uint8_t, 12> prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address.family == Family::ipv4 ||
        !std::equal(prefix.begin(), prefix.end(), address.bytes.begin()))
        return address;
    Address ipv4;
    std::copy(address.bytes.begin() + prefix.size(), address.bytes.end(), ipv4.bytes.begin());
    return ipv4;
}

// Whether two sockets cannot have the same port at these local addresses, unless both allow it: the
// addresses are the same, or one is the wildcard. The wildcard of IPv6 takes in all of IPv4, except
// with IPV6_V6ONLY (ipv6(7)), which nothing tells here.
inline bool addresses_conflict(const Address &one, const Address &other) {
    const Address a = unmapped(one);
    const Address b = unmapped(other);
    if (a.family == b.family)
        return a == b || a.is_wildcard() || b.is_wildcard();
    const Address &ipv6 = a.family == Family::ipv6 ? a : b;
    return ipv6.is_wildcard();
}

} // namespace portd::model
