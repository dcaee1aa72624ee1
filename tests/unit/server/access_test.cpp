#include "server/access.hpp"

#include "fake_backend.hpp"

#include <gtest/gtest.h>

#include <string>

namespace portd::server {
namespace {

TEST(SightOf, RootAndMembersOfTheGroupSeeEverything) {
    const struct {
        std::uint32_t uid;
        std::vector<std::uint32_t> groups;
        std::optional<std::uint32_t> portd_group;
        Sight sight;
    } cases[] = {
        {0, {}, std::nullopt, Sight::everything},
        {0, {}, 990, Sight::everything},
        {1000, {1000, 990}, 990, Sight::everything},
        {1000, {990}, 990, Sight::everything},
        {1000, {1000}, 990, Sight::own},
        {1000, {}, 990, Sight::own},
        {1000, {0}, std::nullopt, Sight::own},
        {1000, {0, 990}, std::nullopt, Sight::own},
    };
    for (const auto &test : cases)
        EXPECT_EQ(sight_of(test.uid, test.groups, test.portd_group), test.sight) << test.uid;
}

enum class View { whole, cut, nothing };

View view_of(const proto::Lease &lease, const Caller &caller, OthersOpen others) {
    const auto seen = visible(lease, caller, others);
    if (!seen)
        return View::nothing;
    if (*seen == lease)
        return View::whole;
    EXPECT_TRUE(seen->incomplete);
    return View::cut;
}

TEST(Visible, DependsOnTheUidOfTheSocket) {
    const proto::Lease open = open_lease("o", 50000, 1000, 5);
    const proto::Lease freed = freed_lease("f", 50000, 1000, 5, 9);
    proto::Lease lingering = open;
    lingering.phase = Phase::lingering;
    lingering.closed = observed(8);
    proto::Lease nobodys = open;
    nobodys.uid.reset();
    proto::Lease nobodys_freed = freed;
    nobodys_freed.uid.reset();
    // The caller's process holds it, but the socket is somebody else's.
    proto::Lease inherited = open;
    inherited.holders[0].uid = 2000;

    const Caller root{0, Sight::everything};
    const Caller member{2000, Sight::everything};
    const Caller owner{1000, Sight::own};
    const Caller other{2000, Sight::own};
    const auto cut = OthersOpen::cut;
    const auto withheld = OthersOpen::withheld;
    const struct {
        const char *name;
        const proto::Lease &lease;
        const Caller &caller;
        OthersOpen others;
        View view;
    } cases[] = {
        {"root, open", open, root, withheld, View::whole},
        {"root, freed", freed, root, withheld, View::whole},
        {"member, open", open, member, withheld, View::whole},
        {"member, freed", freed, member, withheld, View::whole},
        {"member, unknown uid", nobodys_freed, member, withheld, View::whole},
        {"owner, open", open, owner, withheld, View::whole},
        {"owner, freed", freed, owner, withheld, View::whole},
        {"owner, lingering", lingering, owner, withheld, View::whole},
        {"other, open", open, other, cut, View::cut},
        {"other, lingering", lingering, other, cut, View::cut},
        {"other, freed", freed, other, cut, View::nothing},
        {"other, open, past", open, other, withheld, View::nothing},
        {"other, freed, past", freed, other, withheld, View::nothing},
        {"unknown uid, open", nobodys, owner, cut, View::cut},
        {"unknown uid, freed", nobodys_freed, owner, cut, View::nothing},
        {"holder of another's socket", inherited, other, cut, View::cut},
    };
    for (const auto &test : cases)
        EXPECT_EQ(view_of(test.lease, test.caller, test.others), test.view) << test.name;
}

TEST(Visible, CutLeaseHasWhatTheKernelShowsAndNoMore) {
    proto::Lease lease = open_lease("o", 50000, 1000, 5);
    lease.phase = Phase::lingering;
    lease.closed = observed(8);
    lease.outcome = Outcome::reset;

    proto::Lease expected;
    expected.id = lease.id;
    expected.boot_id = lease.boot_id;
    expected.cookie = lease.cookie;
    expected.local_address = lease.local_address;
    expected.local_port = lease.local_port;
    expected.peer_address = lease.peer_address;
    expected.peer_port = lease.peer_port;
    expected.network_namespace = lease.network_namespace;
    expected.role = lease.role;
    expected.phase = lease.phase;
    expected.uid = lease.uid;
    expected.user = lease.user;
    expected.incomplete = true;
    EXPECT_EQ(visible(lease, {2000, Sight::own}, OthersOpen::cut), expected);
}

TEST(Visible, BindFailuresAreThoseOfTheCallersSockets) {
    proto::BindFailure failure = bind_failure(50000, 1000, 5);
    failure.in_the_way = {open_lease("mine", 50000, 1000, 1), freed_lease("b", 50000, 2000, 2, 9),
                          open_lease("c", 50000, 2000, 3)};
    proto::BindFailure nobodys = failure;
    nobodys.uid.reset();
    proto::BindFailure alone = failure;
    alone.in_the_way.resize(1);

    EXPECT_EQ(visible(failure, {0, Sight::everything}), failure);
    EXPECT_EQ(visible(nobodys, {5, Sight::everything}), nobodys);
    EXPECT_EQ(visible(failure, {2000, Sight::own}), std::nullopt);
    EXPECT_EQ(visible(nobodys, {1000, Sight::own}), std::nullopt);
    EXPECT_EQ(visible(alone, {1000, Sight::own}), alone);
    alone.incomplete = true;
    EXPECT_EQ(visible(failure, {1000, Sight::own}), alone);
}

} // namespace
} // namespace portd::server
