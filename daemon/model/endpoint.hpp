// Addresses and ports as the kernel's socket tables carry them.
#pragma once

#include "proto/vocabulary.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace portd::model {

// An IPv4 address fills the first four bytes, network order; the rest are zero.
struct Address {
    Family family = Family::ipv4;
    std::array<std::uint8_t, 16> bytes{};

    bool is_wildcard() const { return bytes == std::array<std::uint8_t, 16>{}; }
    // inet_ntop(3) notation; a v4-mapped address prints as ::ffff:192.0.2.1.
    std::string to_string() const;

    auto operator<=>(const Address &) const = default;
};

// Port 0 stands for "none": an unconnected peer, or a socket without a port.
struct Endpoint {
    Address address;
    std::uint16_t port = 0;

    auto operator<=>(const Endpoint &) const = default;
};

} // namespace portd::model
