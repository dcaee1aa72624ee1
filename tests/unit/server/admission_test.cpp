#include "server/admission.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace portd::server {
namespace {

Limits limits_of(std::size_t all, std::size_t per_user, std::size_t root) {
    Limits limits;
    limits.connections = all;
    limits.connections_per_user = per_user;
    limits.connections_of_root = root;
    return limits;
}

class Door {
  public:
    explicit Door(const Limits &limits) : admission_(limits) {}

    // "in", or the limit that was exceeded and its value.
    std::string enter(std::uint32_t uid) {
        auto admitted = admission_.admit(uid);
        if (const auto *refusal = std::get_if<Refusal>(&admitted))
            return std::string(refusal->limit) + " " + std::to_string(refusal->value);
        inside_.emplace_back(uid, std::get<Admission::Place>(std::move(admitted)));
        return "in";
    }
    void leave(std::uint32_t uid) {
        inside_.erase(std::ranges::find(inside_, uid, [](const auto &one) { return one.first; }));
    }

  private:
    Admission admission_;
    std::list<std::pair<std::uint32_t, Admission::Place>> inside_;
};

TEST(Admission, CountsEachUser) {
    Door door(limits_of(10, 2, 3));
    EXPECT_EQ(door.enter(1000), "in");
    EXPECT_EQ(door.enter(1000), "in");
    EXPECT_EQ(door.enter(1000), "connectionsPerUser 2");
    EXPECT_EQ(door.enter(1001), "in");
    door.leave(1000);
    EXPECT_EQ(door.enter(1000), "in");
    EXPECT_EQ(door.enter(1000), "connectionsPerUser 2");
}

TEST(Admission, KeepsRoomForRoot) {
    Door door(limits_of(6, 2, 3));
    for (std::uint32_t uid : {1000u, 1000u, 1001u})
        EXPECT_EQ(door.enter(uid), "in");
    EXPECT_EQ(door.enter(1001), "connections 6");
    EXPECT_EQ(door.enter(1002), "connections 6");
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(door.enter(0), "in");
    EXPECT_EQ(door.enter(0), "connectionsPerUser 3");
    door.leave(0);
    EXPECT_EQ(door.enter(1002), "connections 6");
    door.leave(1000);
    EXPECT_EQ(door.enter(1002), "in");
}

TEST(Admission, DefaultsLetRootInWhateverOthersTake) {
    Door door{Limits{}};
    for (std::uint32_t uid = 1000; uid < 1300; ++uid)
        while (door.enter(uid) == "in")
            continue;
    EXPECT_EQ(door.enter(0), "in");
}

RC_GTEST_PROP(Admission, AgreesWithAPlainCount, ()) {
    const Limits limits =
        limits_of(*rc::gen::inRange<std::size_t>(0, 8), *rc::gen::inRange<std::size_t>(0, 4),
                  *rc::gen::inRange<std::size_t>(0, 8));
    Door door(limits);
    std::map<std::uint32_t, std::size_t> inside;
    std::size_t ordinary = 0;
    std::size_t all = 0;
    for (const auto &[uid, leaves] : *rc::gen::container<std::vector<std::pair<unsigned, bool>>>(
             rc::gen::pair(rc::gen::inRange(0u, 4u), rc::gen::arbitrary<bool>()))) {
        if (leaves && inside[uid] > 0) {
            door.leave(uid);
            --inside[uid];
            --all;
            ordinary -= uid == 0 ? 0 : 1;
        } else if (!leaves && door.enter(uid) == "in") {
            ++inside[uid];
            ++all;
            ordinary += uid == 0 ? 0 : 1;
        }
        RC_ASSERT(all <= limits.connections);
        RC_ASSERT(inside[0] <= limits.connections_of_root);
        RC_ASSERT(uid == 0 || inside[uid] <= limits.connections_per_user);
        RC_ASSERT(ordinary + std::min(limits.connections_of_root, limits.connections) <=
                  limits.connections);
    }
}

} // namespace
} // namespace portd::server
