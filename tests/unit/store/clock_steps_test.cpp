// The clock is set while a store is written: what was when is found by what the clock showed then.
#include "store_fixture.hpp"

#include "store/database.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace portd::store::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t s = 1'000'000;
constexpr std::int64_t hour = 3600 * s;
constexpr std::int64_t ten_years = std::int64_t{3652} * 24 * hour;

void read_clock(Writer &writer, std::int64_t at, std::int64_t ahead_us) {
    Batch batch;
    batch.clock = ClockReading{at_us(at), first_boot.wall_offset_us + ahead_us};
    writer.commit(batch);
}

std::vector<std::string> found_at(Reader &reader, std::int64_t wall_us) {
    model::LeaseQuery query;
    query.since_us = query.until_us = wall_us;
    return cookies(all_pages(reader, query, 2));
}

TEST(ClockSteps, EachTimeIsAnsweredByTheClockThatShowedIt) {
    for (const std::int64_t step : {hour, -hour, ten_years, -ten_years}) {
        TemporaryDirectory directory;
        Writer writer(directory.path(), first_boot);
        const std::int64_t base = first_boot.wall_offset_us;
        commit(writer, {freed(make_lease(1, 40000, 100 * s), 200 * s)});
        commit(writer, {make_lease(2, 40001, 300 * s)});
        read_clock(writer, 400 * s, step);
        commit(writer, {freed(make_lease(2, 40001, 300 * s), 500 * s),
                        freed(make_lease(3, 40002, 600 * s), 700 * s)});
        watch(writer, 0, 800 * s);
        // A clock that was set back shows a time again, but not yet.
        Present present;
        present.now_us = [=] { return base + 800 * s; };
        Reader reader(directory.path(), [&present] { return present; });
        EXPECT_THAT(found_at(reader, base + 150 * s), ElementsAre("1"));
        EXPECT_THAT(found_at(reader, base + 350 * s), ElementsAre("2"));
        EXPECT_THAT(found_at(reader, base + step + 450 * s), ElementsAre("2"));
        EXPECT_THAT(found_at(reader, base + step + 650 * s), ElementsAre("3"));
        EXPECT_THAT(found_at(reader, base + 650 * s), IsEmpty()) << "not shown, or not then";

        const auto all = all_pages(reader, {});
        ASSERT_EQ(cookies(all), (std::vector<std::string>{"1", "2", "3"}));
        EXPECT_EQ(all[1].opened.usec, base + 300 * s);
        EXPECT_EQ(all[1].closed->usec, base + step + 500 * s);
        EXPECT_EQ(*all[1].closed->boot_usec - *all[1].opened.boot_usec, 200 * s);

        const proto::Coverage coverage = reader.coverage(std::nullopt, std::nullopt);
        EXPECT_THAT(coverage.clock_steps,
                    ElementsAre(proto::ClockStep{base + 400 * s, base + step + 400 * s}));
        EXPECT_EQ(reader.newest_clock_steps(16), coverage.clock_steps);
        EXPECT_TRUE(reader.coverage(base + 150 * s, base + 150 * s).complete);
        // Set back to before the record: the clock showed that time before portd ran, too.
        EXPECT_EQ(reader.coverage(base + step + 650 * s, base + step + 650 * s).complete, step > 0);
    }
}

TEST(ClockSteps, ATimeThatWasShownTwiceFindsBothAndNotWhatWasBetween) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const std::int64_t base = first_boot.wall_offset_us;
    commit(writer, {freed(make_lease(1, 40000, 10 * s), 20 * s),
                    freed(make_lease(2, 40000, 30 * s), 40 * s)});
    read_clock(writer, 50 * s, -50 * s); // shows from 0 on again
    commit(writer, {freed(make_lease(3, 40000, 61 * s), 62 * s),
                    freed(make_lease(4, 40000, 80 * s), 90 * s)});
    watch(writer, 0, 100 * s);
    Reader reader(directory.path());
    EXPECT_THAT(found_at(reader, base + 11 * s), ElementsAre("1", "3"));
    EXPECT_THAT(found_at(reader, base + 15 * s), ElementsAre("1"));
    EXPECT_THAT(found_at(reader, base + 35 * s), ElementsAre("2", "4"));
    EXPECT_THAT(found_at(reader, base + 25 * s), IsEmpty());
    const proto::Coverage twice = reader.coverage(base + 11 * s, base + 11 * s);
    EXPECT_EQ(twice.intervals.size(), 2u);
    EXPECT_TRUE(twice.complete);
}

TEST(ClockSteps, ATimeThatWasNeverShownSaysSo) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const std::int64_t base = first_boot.wall_offset_us;
    commit(writer, {make_lease(1, 40000, 10 * s)});
    read_clock(writer, 50 * s, hour);
    watch(writer, 0, 100 * s);
    Reader reader(directory.path());
    EXPECT_THAT(found_at(reader, base + hour / 2), IsEmpty());
    const proto::Coverage never = reader.coverage(base + hour / 2, base + hour / 2);
    EXPECT_THAT(never.gaps, ElementsAre(proto::Gap{base + hour / 2, base + hour / 2, "clockSet",
                                                   std::nullopt}));
    EXPECT_FALSE(never.complete);
    EXPECT_THAT(never.clock_steps,
                ElementsAre(proto::ClockStep{base + 50 * s, base + hour + 50 * s}));
    EXPECT_TRUE(reader.coverage(base + 20 * s, base + hour + 90 * s).complete)
        << "nothing was missed";
}

TEST(ClockSteps, AReadingThatSaysNothingNewIsNotStored) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    for (std::int64_t i = 1; i < 100; ++i)
        read_clock(writer, i * s, i % 7 - 3);
    Database database(directory / "current-000001.db", Database::Access::read);
    EXPECT_EQ(database.integer("SELECT count(*) FROM wall_clock"), 1);
}

TEST(ClockSteps, ASettingThatWasNotCommittedIsTriedAgain) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    Batch batch;
    batch.clock = ClockReading{at_us(5 * s), first_boot.wall_offset_us + hour};
    const std::vector<model::Lease> refused{make_lease(0, 40000, 1)};
    batch.leases = refused;
    EXPECT_THROW(writer.commit(batch), std::invalid_argument);
    EXPECT_EQ(writer.wall_us(at_us(6 * s)), first_boot.wall_offset_us + 6 * s);
    batch.leases = {};
    writer.commit(batch);
    EXPECT_EQ(writer.wall_us(at_us(6 * s)), first_boot.wall_offset_us + hour + 6 * s);
}

TEST(ClockSteps, GoOnInTheNextPartAndInItsView) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const std::int64_t base = first_boot.wall_offset_us;
    commit(writer, {make_lease(1, 40000, 10 * s)});
    read_clock(writer, 50 * s, hour);
    watch(writer, 0, 60 * s);
    writer.begin_part();
    writer.settle();
    commit(writer, {freed(make_lease(1, 40000, 10 * s), 70 * s),
                    freed(make_lease(2, 40001, 80 * s), 90 * s)});
    Reader reader(directory.path());
    EXPECT_THAT(found_at(reader, base + 30 * s), ElementsAre("1"));
    EXPECT_THAT(found_at(reader, base + hour + 85 * s), ElementsAre("2"));
    Database database(directory / "current-000002.db", Database::Access::read);
    EXPECT_EQ(database.integer("SELECT strftime('%s', opened_latest) FROM history WHERE "
                               "local_port = 40000"),
              (base + 10 * s) / s);
    EXPECT_EQ(database.integer("SELECT strftime('%s', freed_latest) FROM history WHERE "
                               "local_port = 40000"),
              (base + hour + 70 * s) / s);
}

TEST(ClockSteps, HistoryDoesNotGrowOldByThem) {
    for (const std::int64_t step : {ten_years, -ten_years}) {
        TemporaryDirectory directory;
        {
            Writer writer(directory.path(), first_boot);
            commit(writer, {freed(make_lease(1, 40000, 10 * s), 20 * s)});
            writer.begin_part();
            read_clock(writer, 50 * s, step);
            watch(writer, 0, 100 * s);
            writer.settle();
            EXPECT_EQ(writer.stored_leases(), 1);
            writer.close_cleanly();
        }
        BootInfo later = second_boot;
        later.wall_offset_us = first_boot.wall_offset_us - step;
        Writer writer(directory.path(), later);
        watch(writer, 0, 100 * s);
        writer.settle();
        EXPECT_EQ(writer.stored_leases(), 1);
    }
}

struct Life {
    std::int64_t opened = 0;
    std::int64_t freed = 0;
};

// However often the clock is set, a question about an interval finds what had its port while the
// clock showed a time of it, in the order in which it was found; and in boots one after the other.
RC_GTEST_PROP(ClockSteps, FindWhatWasThereWhileTheClockShowedTheTime, ()) {
    TemporaryDirectory directory;
    std::map<std::int64_t, std::int64_t> ahead{{0, 0}};
    std::vector<Life> lives;
    {
        Writer writer(directory.path(), first_boot);
        std::int64_t now = 0;
        const auto events = *rc::gen::inRange<std::size_t>(1, 12);
        for (std::size_t i = 0; i < events; ++i) {
            now += *rc::gen::inRange<std::int64_t>(1, 40) * s;
            if (*rc::gen::arbitrary<bool>()) {
                ahead[now] = *rc::gen::inRange<std::int64_t>(-100, 100) * s;
                read_clock(writer, now, ahead[now]);
            } else {
                lives.push_back({now, now + *rc::gen::inRange<std::int64_t>(0, 60) * s});
                const auto serial = static_cast<std::int64_t>(lives.size());
                commit(writer, {freed(make_lease(serial, 40000, now), lives.back().freed)});
            }
        }
    }
    const auto shown = [&](std::int64_t at) {
        return at + std::prev(ahead.upper_bound(at))->second;
    };
    const std::int64_t since = *rc::gen::inRange<std::int64_t>(-120, 700) * s;
    const std::int64_t until = since + *rc::gen::inRange<std::int64_t>(0, 50) * s;
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < lives.size(); ++i)
        for (std::int64_t at = lives[i].opened; at <= lives[i].freed; at += s)
            if (shown(at) >= since && shown(at) <= until) {
                expected.push_back(std::to_string(i + 1));
                break;
            }
    Reader reader(directory.path());
    model::LeaseQuery query;
    query.since_us = first_boot.wall_offset_us + since;
    query.until_us = first_boot.wall_offset_us + until;
    query.newest_first = *rc::gen::arbitrary<bool>();
    if (query.newest_first)
        std::ranges::reverse(expected);
    RC_ASSERT(cookies(all_pages(reader, query, *rc::gen::inRange<std::size_t>(1, 4))) == expected);
    for (const proto::Lease &lease : all_pages(reader, {}))
        RC_ASSERT(*lease.freed->boot_usec >= *lease.opened.boot_usec);
}

} // namespace
} // namespace portd::store::test
