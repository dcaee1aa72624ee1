#include "peer.hpp"

#include <cerrno>
#include <grp.h>
#include <sys/socket.h>
#include <system_error>

namespace portd::server {
namespace {

std::vector<std::uint32_t> supplementary_groups(int fd) {
    std::vector<gid_t> groups(64);
    for (;;) {
        auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
            groups.resize(bytes / sizeof(gid_t));
            return {groups.begin(), groups.end()};
        }
        // The kernel then says how many bytes it takes.
        if (errno != ERANGE)
            throw std::system_error(errno, std::generic_category(), "SO_PEERGROUPS");
        groups.resize(bytes / sizeof(gid_t));
    }
}

} // namespace

Peer peer_of(int connected_fd) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    if (::getsockopt(connected_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0)
        throw std::system_error(errno, std::generic_category(), "SO_PEERCRED");
    Peer peer{credentials.uid, supplementary_groups(connected_fd)};
    peer.groups.push_back(credentials.gid);
    return peer;
}

std::optional<std::uint32_t> group_named(const std::string &name) {
    std::vector<char> buffer(1024);
    for (;;) {
        group entry{};
        group *found = nullptr;
        const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
        if (found != nullptr)
            return found->gr_gid;
        switch (error) {
        case ERANGE:
            buffer.resize(buffer.size() * 2);
            break;
        // All of these are given for "not found", getgrnam(3).
        case 0:
        case ENOENT:
        case ESRCH:
        case EBADF:
        case EPERM:
            return std::nullopt;
        case EINTR:
            break;
        default:
            throw std::system_error(error, std::generic_category(), "group " + name);
        }
    }
}

} // namespace portd::server
