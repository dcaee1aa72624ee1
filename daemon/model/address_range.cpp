#include "model/address_range.hpp"

#include "model/bind_failure.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>

namespace portd::model {
namespace {

constexpr unsigned mapped_prefix_bits = 96;

bool is_v4_mapped(const Address &address) {
    return unmapped(address) != address;
}

constexpr unsigned bits_of(Family family) {
    return family == Family::ipv4 ? 32 : 128;
}

std::optional<Address> parse_address(std::string_view text) {
    const std::string terminated(text);
    // inet_pton would stop there.
    if (terminated.find('\0') != std::string::npos)
        return std::nullopt;
    Address address;
    if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1)
        return address;
    address.family = Family::ipv6;
    if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1)
        return address;
    return std::nullopt;
}

// Digits only, up to `most`.
std::optional<unsigned> parse_bits(std::string_view text, unsigned most) {
    unsigned bits = 0;
    const char *const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, bits);
    if (error != std::errc() || stop != end || bits > most)
        return std::nullopt;
    return bits;
}

AddressRange range_around(const Address &address, unsigned bits) {
    AddressRange range{address, address};
    for (unsigned bit = bits; bit < bits_of(address.family); ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
        range.first.bytes[bit / 8] &= static_cast<std::uint8_t>(~mask);
        range.last.bytes[bit / 8] |= mask;
    }
    return range;
}

} // namespace

Address v4_mapped(const Address &ipv4) {
    Address ipv6{Family::ipv6, {}};
    ipv6.bytes[10] = ipv6.bytes[11] = 0xff;
    std::copy_n(ipv4.bytes.begin(), 4, ipv6.bytes.begin() + 12);
    return ipv6;
}

bool AddressRange::contains(const Address &address) const {
    const Address plain = unmapped(address);
    return plain.family == first.family && first <= plain && plain <= last;
}

std::optional<AddressRange> parse_address_range(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address)
        return std::nullopt;
    std::optional<unsigned> bits = bits_of(address->family);
    if (slash != std::string_view::npos)
        bits = parse_bits(text.substr(slash + 1), *bits);
    if (!bits)
        return std::nullopt;
    if (is_v4_mapped(*address) && *bits >= mapped_prefix_bits)
        return range_around(unmapped(*address), *bits - mapped_prefix_bits);
    return range_around(*address, *bits);
}

} // namespace portd::model
