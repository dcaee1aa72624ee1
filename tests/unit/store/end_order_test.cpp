// Whoever is given the ends up to one horizon after the other has every lease once: whenever it is
// cut off, whatever comes late, over parts, restarts and boots.
#include "store/part_files.hpp"
#include "store_fixture.hpp"

#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace portd::store::test {
namespace {

// Takes all that ended since the last time, in pages of so many.
class Consumer {
  public:
    std::vector<std::int64_t> take(model::History &history, std::size_t limit = 3,
                                   std::size_t most_pages = 1'000) {
        std::vector<std::int64_t> serials;
        if (!reached_ && window_.is_empty())
            window_.by = history.horizon(model::Settled::end).end;
        for (std::size_t pages = 0; pages < most_pages && !window_.is_empty(); ++pages) {
            model::LeaseQuery query;
            query.ended = window_;
            const model::LeasePage page = history.page(query, reached_, limit);
            EXPECT_EQ(page.leases.size(), page.places.size());
            serials.insert(serials.end(), page.places.begin(), page.places.end());
            reached_ = page.next;
            if (!page.next)
                window_.after = window_.by;
        }
        return serials;
    }
    const model::EndMark &mark() const { return window_.after; }
    const std::optional<model::LeaseCursor> &reached() const { return reached_; }

  private:
    model::EndWindow window_;
    std::optional<model::LeaseCursor> reached_;
};

std::vector<std::int64_t> serials(std::initializer_list<std::int64_t> list) {
    return list;
}

class EndOrderTest : public testing::Test {
  protected:
    TemporaryDirectory directory_;
};

TEST_F(EndOrderTest, ALeaseIsGivenWhenTheHorizonHasPassedItsEnd) {
    Writer writer(directory_.path(), first_boot);
    Reader reader(directory_.path());
    Consumer consumer;
    EXPECT_EQ(consumer.take(reader), serials({}));
    commit(writer, {freed(make_lease(1, 50000, 100), 200), make_lease(2, 50001, 150)});
    EXPECT_EQ(consumer.take(reader), serials({}));
    watch(writer, 50, 199);
    EXPECT_EQ(consumer.take(reader), serials({}));
    watch(writer, 50, 200);
    EXPECT_EQ(consumer.take(reader), serials({1}));
    EXPECT_EQ(consumer.take(reader), serials({}));
    commit(writer, {freed(make_lease(2, 50001, 150), 201)});
    watch(writer, 50, 300);
    EXPECT_EQ(consumer.take(reader), serials({2}));
}

TEST_F(EndOrderTest, WhatIsLearntTooLateStandsBehindTheHorizon) {
    Writer writer(directory_.path(), first_boot);
    Reader reader(directory_.path());
    Consumer consumer;
    watch(writer, 0, 1'000);
    EXPECT_EQ(consumer.take(reader), serials({}));
    commit(writer, {freed(make_lease(1, 50000, 100), 200), make_lease(2, 50001, 100)});
    watch(writer, 0, 1'001);
    EXPECT_EQ(consumer.take(reader), serials({1}));
    commit(writer, {freed(make_lease(2, 50001, 100), 1'001)});
    watch(writer, 0, 1'500);
    EXPECT_EQ(consumer.take(reader), serials({2}));
    watch(writer, 0, 2'000);
    EXPECT_EQ(consumer.take(reader), serials({}));
    // Whoever comes later gets both in their turn.
    EXPECT_EQ(Consumer{}.take(reader), serials({1, 2}));
}

TEST_F(EndOrderTest, AnEndThatMovesIsGivenOnceUnlessItMovesBehindWhatWasGiven) {
    Writer writer(directory_.path(), first_boot);
    Reader reader(directory_.path());
    Consumer consumer;
    watch(writer, 0, 500);
    consumer.take(reader);
    // Sampled at first, then exact and before the horizon: not given yet, so it must not be lost.
    commit(writer, {freed(make_lease(1, 50000, 100), 900)});
    watch(writer, 0, 800);
    EXPECT_EQ(consumer.take(reader), serials({}));
    commit(writer, {freed(make_lease(1, 50000, 100), 700)});
    watch(writer, 0, 1'000);
    EXPECT_EQ(consumer.take(reader), serials({1}));
    // Given already, and moved to before: once.
    commit(writer, {freed(make_lease(1, 50000, 100), 600)});
    watch(writer, 0, 1'100);
    EXPECT_EQ(consumer.take(reader), serials({}));
    // It had not ended then after all.
    commit(writer, {make_lease(1, 50000, 100)});
    commit(writer, {freed(make_lease(1, 50000, 100), 1'200)});
    watch(writer, 0, 1'300);
    EXPECT_EQ(consumer.take(reader), serials({1}));
}

TEST_F(EndOrderTest, AnEndWithoutALatestMomentIsGivenToo) {
    Writer writer(directory_.path(), first_boot);
    Reader reader(directory_.path());
    model::Lease earliest = freed(make_lease(1, 50000, 100), 0);
    earliest.freed = model::When::inferred(at_us(150), std::nullopt);
    model::Lease neither = freed(make_lease(2, 50001, 100), 0);
    neither.freed = model::When::inferred(std::nullopt, std::nullopt);
    watch(writer, 0, 200);
    commit(writer, {earliest, neither});
    watch(writer, 0, 1'000);
    EXPECT_EQ(Consumer{}.take(reader), serials({1, 2}));
}

TEST_F(EndOrderTest, GoesOnOverParts) {
    Writer writer(directory_.path(), first_boot);
    Reader reader(directory_.path());
    Consumer consumer;
    const std::int64_t minute = 60'000'000;
    commit(writer,
           {freed(make_lease(1'000, 50000, 1'000), 2'000), make_lease(1'001, 50001, 1'001)});
    watch(writer, 0, minute);
    EXPECT_EQ(consumer.take(reader), serials({1'000}));
    commit(writer, {freed(make_lease(minute, 50002, minute), minute - 5)}); // late
    writer.begin_part();
    writer.settle();
    watch(writer, 0, 2 * minute);
    EXPECT_EQ(consumer.take(reader), serials({minute}));
    commit(writer, {freed(make_lease(1'001, 50001, 1'001), 2 * minute + 1)});
    watch(writer, 0, 3 * minute);
    writer.begin_part();
    EXPECT_EQ(consumer.take(reader), serials({1'001}));
    writer.settle();
    watch(writer, 0, 4 * minute);
    EXPECT_EQ(consumer.take(reader), serials({}));
    EXPECT_EQ(Consumer{}.take(reader), serials({1'000, 1'001, minute}));
}

TEST_F(EndOrderTest, GoesOnInTheNextBootEvenIfTheClockWasSetBack) {
    Consumer consumer;
    {
        Writer writer(directory_.path(), second_boot);
        Reader reader(directory_.path());
        commit(writer, {freed(make_lease(1, 50000, 100), 200), make_lease(2, 50001, 100)});
        watch(writer, 50, 1'000);
        EXPECT_EQ(consumer.take(reader), serials({1}));
    }
    Writer writer(directory_.path(), first_boot); // whose clock is behind
    Reader reader(directory_.path());
    EXPECT_EQ(consumer.take(reader), serials({}));
    commit(writer, {freed(make_lease(3, 50002, 100), 200)});
    watch(writer, 50, 300);
    EXPECT_EQ(consumer.take(reader), serials({2, 3}));
    EXPECT_EQ(Consumer{}.take(reader), serials({1, 2, 3}));
}

// As the daemon does it: what is committed says when.
void commit_at(Writer &writer, std::int64_t now_us, const std::vector<model::Lease> &leases) {
    Batch batch;
    batch.leases = leases;
    batch.clock = ClockReading{at_us(now_us), first_boot.wall_offset_us};
    writer.commit(batch);
}

TEST_F(EndOrderTest, RecentEndsAreTheSameAsThoseThatAreSearched) {
    Writer writer(directory_.path(), first_boot);
    Reader searching(directory_.path());
    Reader remembering(directory_.path(), {}, {}, Reader::most_sorted, writer.recent_ends());
    commit_at(writer, 0, {make_lease(1, 50000, 0)});
    const std::int64_t begin = RecentEnds::foresight_us;
    watch(writer, 0, begin);
    Consumer one;
    Consumer other;
    one.take(searching);
    other.take(remembering);
    std::int64_t serial = begin;
    for (std::int64_t horizon = begin + 1'000; horizon < begin + 20'000; horizon += 1'000) {
        for (int i = 0; i < 5; ++i) {
            ++serial;
            commit_at(writer, horizon,
                      {freed(make_lease(serial, 50000, horizon - 900), horizon - 400 * i)});
        }
        if (horizon == begin + 10'000)
            writer.begin_part();
        watch(writer, 0, horizon);
        EXPECT_TRUE(writer.recent_ends()->between(writer.row_us(at_us(begin)), 1));
        const auto found = one.take(searching);
        EXPECT_EQ(other.take(remembering), found);
        EXPECT_FALSE(found.empty());
    }
}

TEST(RecentEnds, SaysWhenItDoesNotReachBackFarEnough) {
    RecentEnds recent;
    recent.add(1, 1'000);
    EXPECT_FALSE(recent.between(0, 1 << 30)) << "nobody said since when all are here";
    recent.begin(1'000);
    recent.begin(0);
    const std::int64_t begin = 1'000 + RecentEnds::foresight_us;
    EXPECT_FALSE(recent.between(begin - 1, 1 << 30));
    EXPECT_EQ(recent.between(begin, 1 << 30), serials({}));
    const std::int64_t first = begin + 1'000;
    for (std::int64_t i = 0; i <= static_cast<std::int64_t>(RecentEnds::most_ends); ++i)
        recent.add(i, first + i);
    EXPECT_FALSE(recent.between(first - 1, first + 3));
    EXPECT_EQ(recent.between(first, first + 2), serials({1, 2}));
    recent.forget();
    EXPECT_FALSE(recent.between(first, first + 2));
}

TEST_F(EndOrderTest, WhatHasExpiredIsMissing) {
    const Limits small{.max_bytes = 1 << 20, .max_age = std::chrono::hours(1)};
    Writer writer(directory_.path(), first_boot, small);
    Reader reader(directory_.path());
    Consumer consumer;
    commit(writer, {freed(make_lease(1'000, 50000, 1'000), 2'000)});
    watch(writer, 0, 3'000);
    consumer.take(reader);
    EXPECT_TRUE(reader.missing_after(consumer.mark(), consumer.reached()).gaps.empty());
    const std::int64_t hour = 3'600'000'000;
    for (std::int64_t i = 1; i <= 4; ++i) {
        commit(writer, {freed(make_lease(i * hour, 50000, i * hour), i * hour + 1)});
        watch(writer, 0, i * hour + 2);
        writer.begin_part();
        writer.settle();
    }
    const auto missing = reader.missing_after(consumer.mark(), consumer.reached());
    EXPECT_FALSE(missing.is_other_store);
    ASSERT_EQ(missing.gaps.size(), 1u);
    EXPECT_EQ(missing.gaps[0].cause, "expired");
    EXPECT_EQ(missing.gaps[0].since_usec, writer.wall_us(at_us(3'000)));
    EXPECT_GT(*missing.gaps[0].until_usec, writer.wall_us(at_us(hour)));
    // The rest is still given, and then nothing is missing.
    EXPECT_FALSE(consumer.take(reader).empty());
    EXPECT_TRUE(reader.missing_after(consumer.mark(), consumer.reached()).gaps.empty());
}

TEST_F(EndOrderTest, AMarkOfAnotherStoreIsToldApart) {
    Writer writer(directory_.path(), first_boot);
    Reader reader(directory_.path());
    watch(writer, 0, 1'000);
    model::EndMark mark = reader.horizon(model::Settled::end).end;
    EXPECT_FALSE(reader.missing_after(mark, std::nullopt).is_other_store);
    mark.boot_id = "ffffffff";
    const auto missing = reader.missing_after(mark, std::nullopt);
    EXPECT_TRUE(missing.is_other_store);
    ASSERT_EQ(missing.gaps.size(), 1u);
    EXPECT_EQ(missing.gaps[0].cause, "expired");
    EXPECT_EQ(missing.gaps[0].until_usec, writer.wall_us(at_us(0)));
}

TEST_F(EndOrderTest, APartThatIsGoneIsMissingToWhoeverIsBeforeItsEnd) {
    const std::int64_t minute = 60'000'000;
    Writer writer(directory_.path(), first_boot);
    model::EndMark before;
    for (std::int64_t i = 1; i <= 3; ++i) {
        commit(writer, {freed(make_lease(i * minute, 50000, i * minute), i * minute + 1)});
        watch(writer, 0, i * minute + 2);
        if (i == 1)
            before = Reader(directory_.path()).horizon(model::Settled::end).end;
        writer.begin_part();
        writer.settle();
    }
    Reader reader(directory_.path());
    EXPECT_TRUE(reader.missing_after(before, std::nullopt).gaps.empty());
    std::filesystem::remove(path_of(directory_.path(), {2, true}));
    for (const model::EndMark &mark : {before, model::EndMark{}}) {
        const auto missing = reader.missing_after(mark, std::nullopt);
        EXPECT_FALSE(missing.is_other_store);
        ASSERT_EQ(missing.gaps.size(), 1u);
        EXPECT_EQ(missing.gaps[0].cause, "unreadable");
    }
    const model::EndMark now = reader.horizon(model::Settled::end).end;
    EXPECT_TRUE(reader.missing_after(now, std::nullopt).gaps.empty());
}

TEST_F(EndOrderTest, GapsHaveNumbersThatGoOnOverParts) {
    Writer writer(directory_.path(), first_boot);
    Reader reader(directory_.path());
    const auto record = [&](std::int64_t since, const char *cause) {
        const proto::Gap gap{since, since + 1, cause, std::nullopt};
        writer.commit({{}, {}, std::span(&gap, 1)});
    };
    EXPECT_TRUE(reader.gaps_after(0, 10).empty());
    record(100, "overflow");
    record(200, "ringFull");
    commit(writer, {make_lease(1, 50000, 100)});
    writer.begin_part();
    record(300, "overflow");
    const auto gaps = reader.gaps_after(0, 10);
    ASSERT_EQ(gaps.size(), 3u);
    EXPECT_EQ(gaps[0].gap.since_usec, 100);
    EXPECT_EQ(gaps[2].gap.since_usec, 300);
    EXPECT_EQ(reader.gaps_after(gaps[0].number, 1).at(0).number, gaps[1].number);
    EXPECT_EQ(reader.gaps_after(gaps[1].number, 10).size(), 1u);
    EXPECT_EQ(reader.horizon(model::Settled::end).last_gap, gaps[2].number);
}

// Leases end in any order and late, ends move, parts and boots begin, and a consumer is cut off in
// the midst of windows: in the end it has every lease that is over.
RC_GTEST_PROP(EndOrder, EveryLeaseOnce, ()) {
    const TemporaryDirectory directory;
    std::optional<Writer> writer(std::in_place, directory.path(), first_boot);
    Reader reader(directory.path());
    Consumer consumer;
    std::map<std::int64_t, model::Lease> open;
    std::map<std::int64_t, int> given;
    std::set<std::int64_t> over;
    std::int64_t now = 1'000'000;
    std::int64_t serial = 0;
    int boots = 1;
    const auto note = [&](const std::vector<std::int64_t> &taken) {
        for (const std::int64_t one : taken)
            ++given[one];
    };
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100));
    for (const int step : steps) {
        now += *rc::gen::inRange<std::int64_t>(1, 40'000'000);
        if (step < 40) {
            serial = std::max(serial + 1, now);
            const auto lease = make_lease(serial, 50000, now);
            open[serial] = lease;
            commit(*writer, {lease});
        } else if (step < 70 && !open.empty()) {
            const auto chosen = std::next(
                open.begin(),
                *rc::gen::inRange<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(open.size())));
            const std::int64_t at = now - *rc::gen::inRange<std::int64_t>(0, 200'000'000);
            commit(*writer,
                   {freed(chosen->second, std::max(at, to_us(*chosen->second.opened.latest)))});
            over.insert(chosen->first);
            open.erase(chosen);
        } else if (step < 85) {
            watch(*writer, 0, now);
        } else if (step < 92) {
            note(consumer.take(reader, 2, 1)); // and cut off
        } else if (step < 96) {
            writer->begin_part();
            if (step == 92)
                writer->settle();
        } else if (step == 96) {
            writer.reset();
            for (const auto &[one, lease] : open)
                over.insert(one);
            open.clear();
            writer.emplace(directory.path(),
                           BootInfo{std::to_string(10'000'000 + boots) + "-boot",
                                    first_boot.wall_offset_us + boots * 1'000'000});
            ++boots;
        }
    }
    watch(*writer, 0, now + 1'000'000'000);
    for (int i = 0; i < 3; ++i)
        note(consumer.take(reader));
    for (const std::int64_t one : over)
        RC_ASSERT(given[one] == 1);
    for (const auto &[one, lease] : open)
        RC_ASSERT(!given.contains(one));
}

} // namespace
} // namespace portd::store::test
