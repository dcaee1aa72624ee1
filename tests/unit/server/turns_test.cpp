#include "server/turns.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace portd::server {
namespace {

// Turns whose next one is taken by hand.
class Hall {
  public:
    // `name` is done; then comes what `then` does.
    void add(std::uint32_t uid, const std::string &name, const std::function<void()> &then = {}) {
        turns_.add(uid, [this, name, then] {
            done_ += name + " ";
            if (then)
                then();
        });
    }
    // What is done until nobody waits, in its order.
    std::string run() {
        while (due_ > 0) {
            --due_;
            turns_.run_one();
        }
        return done_;
    }
    int due() const { return due_; }

  private:
    int due_ = 0;
    std::string done_;
    Turns turns_{[this] { ++due_; }};
};

TEST(Turns, ServeOneUserInOrder) {
    Hall hall;
    hall.add(7, "a");
    hall.add(7, "b");
    hall.add(7, "c");
    EXPECT_EQ(hall.run(), "a b c ");
}

TEST(Turns, OneWhoAsksMuchLetsOthersPass) {
    Hall hall;
    for (const char *name : {"a1", "a2", "a3", "a4"})
        hall.add(1, name);
    hall.add(2, "b1");
    hall.add(3, "c1");
    hall.add(3, "c2");
    EXPECT_EQ(hall.run(), "a1 b1 c1 a2 c2 a3 a4 ");
}

TEST(Turns, WhoComesMeanwhileWaitsForOnePieceOfWorkOfEachOther) {
    Hall hall;
    hall.add(1, "a1", [&] { hall.add(2, "b1"); });
    hall.add(1, "a2");
    hall.add(1, "a3");
    EXPECT_EQ(hall.run(), "a1 a2 b1 a3 ");
}

TEST(Turns, WorkThatGoesOnIsBehindThatOfOthers) {
    Hall hall;
    int pages = 0;
    std::function<void()> page = [&] {
        if (++pages < 3)
            hall.add(1, "page", page);
    };
    hall.add(1, "page", page);
    hall.add(2, "b1");
    hall.add(2, "b2");
    EXPECT_EQ(hall.run(), "page b1 page b2 page ");
}

TEST(Turns, AreDueOneAtATimeAndOnlyWhileSomebodyWaits) {
    Hall hall;
    EXPECT_EQ(hall.due(), 0);
    hall.add(1, "a");
    hall.add(1, "b");
    hall.add(2, "c");
    EXPECT_EQ(hall.due(), 1);
    hall.run();
    EXPECT_EQ(hall.due(), 0);
    hall.add(1, "d", [&] { EXPECT_EQ(hall.due(), 0); });
    EXPECT_EQ(hall.due(), 1);
    EXPECT_EQ(hall.run(), "a c b d ");
}

} // namespace
} // namespace portd::server
