// Addresses that begin with the same bits.
#pragma once

#include "model/endpoint.hpp"

#include <optional>
#include <string_view>

namespace portd::model {

// From the first to the last. One of IPv4 also has the v4-mapped addresses of IPv6 that stand for
// its own (RFC 4291, section 2.5.5.2); none of IPv6 has those.
struct AddressRange {
    Address first;
    Address last;

    bool contains(const Address &address) const;
    bool operator==(const AddressRange &) const = default;
};

// The address of IPv6 that stands for one of IPv4.
Address v4_mapped(const Address &ipv4);

// "192.0.2.1", "2001:db8::/32": an address in inet_pton(3) notation, perhaps with the number of
// bits that count.
std::optional<AddressRange> parse_address_range(std::string_view text);

} // namespace portd::model
