// The process at the other end of a Unix socket, as it was when it connected (unix(7)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::server {

struct Peer {
    std::uint32_t uid = 0;
    std::vector<std::uint32_t> groups; // the primary one and the supplementary ones
};

// SO_PEERCRED and SO_PEERGROUPS. Throws std::system_error.
Peer peer_of(int connected_fd);

// The group's number, or nothing if there is no such group. Throws std::system_error if the group
// database cannot be read.
std::optional<std::uint32_t> group_named(const std::string &name);

} // namespace portd::server
