#include "client/community_id.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <nettle/base64.h>
#include <nettle/sha1.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace portd::client {
namespace {

constexpr std::string_view version = "1:";

using Bytes = std::vector<std::uint8_t>;

std::optional<Bytes> address_bytes(const std::string &address) {
    Bytes bytes(sizeof(in6_addr));
    if (::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) {
        bytes.resize(sizeof(in_addr));
        return bytes;
    }
    if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1)
        return std::nullopt;
    static const Bytes mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(mapped.begin(), mapped.end(), bytes.begin()))
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(mapped.size()));
    return bytes;
}

void append_big_endian(Bytes &bytes, std::int64_t port) {
    bytes.push_back(static_cast<std::uint8_t>(port >> 8));
    bytes.push_back(static_cast<std::uint8_t>(port));
}

std::string base64_of_sha1(std::span<const std::uint8_t> bytes) {
    sha1_ctx context;
    sha1_init(&context);
    sha1_update(&context, bytes.size(), bytes.data());
    std::array<std::uint8_t, SHA1_DIGEST_SIZE> digest{};
    sha1_digest(&context, digest.size(), digest.data());
    std::array<char, BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)> text{};
    base64_encode_raw(text.data(), digest.size(), digest.data());
    return {text.data(), text.size()};
}

} // namespace

std::optional<std::string> community_id(Protocol protocol, const std::string &local_address,
                                        std::int64_t local_port, const std::string &peer_address,
                                        std::int64_t peer_port) {
    auto local = address_bytes(local_address);
    auto peer = address_bytes(peer_address);
    if (!local || !peer || local->size() != peer->size())
        return std::nullopt;
    std::pair<Bytes, std::int64_t> first{std::move(*local), local_port};
    std::pair<Bytes, std::int64_t> second{std::move(*peer), peer_port};
    if (second < first)
        std::swap(first, second);

    Bytes bytes(2, 0); // the seed
    bytes.insert(bytes.end(), first.first.begin(), first.first.end());
    bytes.insert(bytes.end(), second.first.begin(), second.first.end());
    bytes.push_back(protocol == Protocol::tcp ? IPPROTO_TCP : IPPROTO_UDP);
    bytes.push_back(0);
    append_big_endian(bytes, first.second);
    append_big_endian(bytes, second.second);
    return std::string(version) + base64_of_sha1(bytes);
}

bool is_community_id(std::string_view text) {
    constexpr std::size_t digest_digits = BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE);
    constexpr std::string_view other_digits = "+/=";
    return text.starts_with(version) && text.size() == version.size() + digest_digits &&
           std::ranges::all_of(text.substr(version.size()), [&](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                      other_digits.find(c) != std::string_view::npos;
           });
}

} // namespace portd::client
