#include "server/peer.hpp"

#include "system/fd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <grp.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace portd::server {
namespace {

TEST(Peer, IsWhoConnected) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const system::Fd one(ends[0]);
    const system::Fd other(ends[1]);

    const Peer peer = peer_of(one.get());
    EXPECT_EQ(peer.uid, ::geteuid());

    std::vector<gid_t> expected(static_cast<std::size_t>(::getgroups(0, nullptr)));
    ASSERT_GE(::getgroups(static_cast<int>(expected.size()), expected.data()), 0);
    expected.push_back(::getegid());
    std::vector<gid_t> groups(peer.groups.begin(), peer.groups.end());
    std::ranges::sort(groups);
    std::ranges::sort(expected);
    EXPECT_EQ(groups, expected);
}

TEST(Peer, NeedsASocket) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const system::Fd one(ends[0]);
    const system::Fd other(ends[1]);
    EXPECT_THROW(peer_of(one.get()), std::system_error);
}

TEST(GroupNamed, FindsItsNumber) {
    EXPECT_EQ(group_named("root"), 0u);
    EXPECT_EQ(group_named("no-such-group-as-this"), std::nullopt);
}

} // namespace
} // namespace portd::server
