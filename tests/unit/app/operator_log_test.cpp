#include "operator_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace portd {
namespace {

using namespace std::chrono_literals;
using system::Message;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class OperatorLogTest : public testing::Test {
  protected:
    std::vector<Message> take() { return std::exchange(told_, {}); }

    std::vector<Message> told_;
    std::string last_;
    OperatorLog log_{[this](Message message, const std::string &text, const auto &) {
        told_.push_back(message);
        last_ = text;
    }};
    const model::Instant start_ = model::instant_from_us(1'000'000);
};

TEST_F(OperatorLogTest, LossesAreToldWhenTheyBeginAndWhenTheyAreOver) {
    for (int i = 0; i < 1000; ++i)
        log_.lost("ringFull", 3, start_ + i * 100ms);
    EXPECT_THAT(take(), ElementsAre(Message::gap_opened));
    const auto end = start_ + 999 * 100ms;
    log_.pass(end + OperatorLog::quiet - 1us);
    EXPECT_THAT(take(), IsEmpty());
    log_.pass(end + OperatorLog::quiet);
    EXPECT_THAT(take(), ElementsAre(Message::gap_closed));
    EXPECT_THAT(last_, HasSubstr("3000 were"));
    log_.pass(end + 2 * OperatorLog::quiet);
    EXPECT_THAT(take(), IsEmpty());
    log_.lost("ringFull", 1, end + 3 * OperatorLog::quiet);
    EXPECT_THAT(take(), ElementsAre(Message::gap_opened));
}

TEST_F(OperatorLogTest, EachCauseHasItsOwnWord) {
    log_.lost("ringFull", 1, start_);
    log_.lost("overflow", 1, start_ + 1s);
    log_.lost("ringFull", 1, start_ + 2s);
    EXPECT_THAT(take(), ElementsAre(Message::gap_opened, Message::gap_opened));
}

TEST_F(OperatorLogTest, SamplingThatFailsIsToldOnceWhateverItsReasons) {
    log_.sampled("");
    EXPECT_THAT(take(), IsEmpty());
    for (const char *reason : {"one", "one", "another", "one"})
        log_.sampled(reason);
    EXPECT_THAT(take(), ElementsAre(Message::gap_opened));
    log_.sampled("");
    log_.sampled("");
    EXPECT_THAT(take(), ElementsAre(Message::gap_closed));
}

TEST_F(OperatorLogTest, AFailedSelfCheckIsToldUntilItPassesAgain) {
    log_.checked(std::nullopt);
    log_.checked(capture::SelfCheck{start_, true, "all"});
    EXPECT_THAT(take(), IsEmpty());
    log_.checked(capture::SelfCheck{start_, false, "not all"});
    log_.checked(capture::SelfCheck{start_ + 1h, false, "not all"});
    EXPECT_THAT(take(), ElementsAre(Message::self_check_failed));
    log_.checked(capture::SelfCheck{start_ + 2h, true, "all"});
    log_.checked(capture::SelfCheck{start_ + 3h, false, "not all"});
    EXPECT_THAT(take(), ElementsAre(Message::self_check_failed));
}

TEST_F(OperatorLogTest, APoolIsShortFromNinetyUntilEightyOfAHundred) {
    log_.counted_pool(Protocol::tcp, 899, 1000);
    EXPECT_THAT(take(), IsEmpty());
    log_.counted_pool(Protocol::tcp, 900, 1000);
    log_.counted_pool(Protocol::tcp, 1000, 1000);
    log_.counted_pool(Protocol::tcp, 850, 1000);
    log_.counted_pool(Protocol::tcp, 950, 1000);
    EXPECT_THAT(take(), ElementsAre(Message::pool_nearly_exhausted));
    log_.counted_pool(Protocol::udp, 1000, 1000);
    EXPECT_THAT(take(), ElementsAre(Message::pool_nearly_exhausted));
    log_.counted_pool(Protocol::tcp, 799, 1000);
    log_.counted_pool(Protocol::tcp, 900, 1000);
    EXPECT_THAT(take(), ElementsAre(Message::pool_nearly_exhausted));
    log_.counted_pool(Protocol::tcp, 0, 0);
    EXPECT_THAT(take(), IsEmpty());
}

} // namespace
} // namespace portd
