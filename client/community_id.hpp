// Community ID version 1 (github.com/corelight/community-id-spec): a name of a flow that network
// monitors give it as well. Both directions of a flow have the same. Pure.
#pragma once

#include "proto/vocabulary.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portd::client {

// With the seed 0. Nothing if one of the addresses is none. An IPv4 address that an IPv6 socket has
// ("::ffff:192.0.2.1") is one of IPv4, as its packets are.
std::optional<std::string> community_id(Protocol protocol, const std::string &local_address,
                                        std::int64_t local_port, const std::string &peer_address,
                                        std::int64_t peer_port);

// Whether the text has the form of one of version 1.
bool is_community_id(std::string_view text);

} // namespace portd::client
