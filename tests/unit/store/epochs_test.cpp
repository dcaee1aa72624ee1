// Leases of one port that are filed under several epochs come as if there were none.
#include "store/database.hpp"
#include "store/epochs.hpp"
#include "unit/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>

namespace portd::store::test {
namespace {

constexpr std::int64_t stored = 2 * Epochs::leases_an_epoch + 5000;
constexpr std::uint16_t busy_port = 50'000;

// Every twentieth lease is of the busy port. Openings go up, but some leases were opened long
// before they were found.
model::Lease make_nth(std::int64_t serial) {
    const bool is_late = serial % 1000 == 0;
    const std::int64_t opened_us = is_late ? serial * 3 : serial * 10;
    const auto other_port = static_cast<std::uint16_t>(40'000 + serial % 5000);
    model::Lease lease = make_lease(serial, serial % 20 == 0 ? busy_port : other_port, opened_us);
    return serial % 7 == 0 ? lease : freed(lease, opened_us + 5);
}

class EpochsTest : public testing::Test {
  protected:
    EpochsTest() : writer_(std::make_unique<Writer>(directory_.path(), first_boot)) {
        std::vector<model::Lease> batch;
        for (std::int64_t serial = 1; serial <= stored; ++serial) {
            batch.push_back(make_nth(serial));
            leases_[serial] = batch.back();
            if (batch.size() == 10'000 || serial == stored) {
                commit(*writer_, batch);
                batch.clear();
            }
        }
    }

    std::int64_t count(const std::string &sql) {
        Database database(directory_ / "portd.db", Database::Access::read);
        return database.integer(sql);
    }

    // The cookies of the leases that fulfil the condition, in the order of listings.
    template <typename Admits>
    std::vector<std::string> expected(Admits admits) {
        std::vector<std::pair<std::int64_t, std::int64_t>> order;
        for (const auto &[serial, lease] : leases_)
            if (admits(lease))
                order.emplace_back(to_us(*lease.opened.latest), serial);
        std::ranges::sort(order);
        std::vector<std::string> found;
        for (const auto &[opened_us, serial] : order)
            found.push_back(std::to_string(serial));
        return found;
    }

    void expect_port(std::uint16_t port, bool open_only) {
        Reader reader(directory_.path());
        model::LeaseQuery query;
        query.port = port;
        query.open_only = open_only;
        auto all = expected([&](const model::Lease &lease) {
            return lease.local.port == port && (lease.is_open() || !open_only);
        });
        ASSERT_FALSE(all.empty());
        EXPECT_EQ(cookies(all_pages(reader, query, 97)), all) << port;
        std::ranges::reverse(all);
        query.newest_first = true;
        EXPECT_EQ(cookies(all_pages(reader, query, 97)), all) << port;
    }

    TemporaryDirectory directory_;
    std::unique_ptr<Writer> writer_;
    std::map<std::int64_t, model::Lease> leases_;
};

TEST_F(EpochsTest, APortIsPagedThroughAllOfThem) {
    EXPECT_EQ(count("SELECT count(*) FROM epoch"), 3);
    EXPECT_EQ(count("SELECT count(*) FROM lease AS l WHERE epoch <> (SELECT max(id) FROM epoch "
                    "WHERE since_us <= l.opened_latest_us)"),
              0);
    EXPECT_GT(count("SELECT count(*) FROM lease WHERE epoch < 2 AND serial > 65536"), 0)
        << "a lease that was found late is filed with its opening";
    expect_port(busy_port, false);
    expect_port(busy_port, true);
    expect_port(40'123, false);
}

TEST_F(EpochsTest, ALeaseMovesWithItsOpening) {
    model::Lease &moved = leases_.at(60'020);
    ASSERT_EQ(moved.local.port, busy_port);
    moved.opened = model::When::sampled(at_us(5), at_us(15));
    commit(*writer_, {moved});
    expect_port(busy_port, false);
    EXPECT_EQ(count("SELECT epoch FROM lease WHERE serial = 60020"), 0);
}

TEST_F(EpochsTest, GoOnAfterARestart) {
    writer_.reset();
    writer_ = std::make_unique<Writer>(directory_.path(), first_boot);
    std::vector<model::Lease> batch;
    for (std::int64_t serial = stored + 1; serial <= stored + 30'000; ++serial) {
        batch.push_back(make_nth(serial));
        leases_[serial] = batch.back();
    }
    commit(*writer_, batch);
    EXPECT_EQ(count("SELECT count(*) FROM epoch"), 4);
    expect_port(busy_port, false);
}

TEST_F(EpochsTest, TheLastFreedIsFoundInAnyOfThem) {
    Reader reader(directory_.path());
    model::LeaseQuery query;
    query.port = busy_port;
    // Opened first of all, and freed last.
    model::Lease &first = leases_.at(20);
    first = freed(first, stored * 100);
    commit(*writer_, {first});
    EXPECT_EQ(reader.last_freed(query)->cookie, "20");
    // So is a listener, though more leases than are looked at were opened after it.
    model::Lease listener = freed(make_lease(stored + 1, 45'000, 1), stored * 100);
    listener.role = Role::listener;
    std::vector<model::Lease> batch{listener};
    for (std::int64_t i = 2; i < 2 + static_cast<std::int64_t>(Reader::max_examined); ++i)
        batch.push_back(freed(make_lease(stored + i, 45'000, stored * 10 + i), stored * 20));
    commit(*writer_, batch);
    query.port = 45'000;
    EXPECT_EQ(reader.last_freed(query)->cookie, std::to_string(listener.serial));
}

TEST_F(EpochsTest, ABatchThatFailsLeavesNothing) {
    std::vector<model::Lease> batch;
    for (std::int64_t serial = stored + 1; serial <= stored + Epochs::leases_an_epoch; ++serial)
        batch.push_back(make_nth(serial));
    batch.push_back(make_lease(0, 40'000, 10)); // not a serial
    EXPECT_THROW(commit(*writer_, batch), std::runtime_error);
    EXPECT_EQ(writer_->stored_leases(), stored);
    EXPECT_EQ(writer_->next_serial(), stored + 1);
    EXPECT_EQ(count("SELECT count(*) FROM lease"), stored);
    EXPECT_EQ(count("SELECT count(*) FROM epoch"), 3);

    batch.pop_back();
    commit(*writer_, batch);
    for (const model::Lease &lease : batch)
        leases_[lease.serial] = lease;
    EXPECT_EQ(count("SELECT count(*) FROM epoch"), 4);
    expect_port(busy_port, false);
}

// What the recorder could not store before comes together with what changed since.
TEST_F(EpochsTest, ALeaseThatIsInABatchTwiceHasItsLastState) {
    model::Lease before = make_lease(stored + 1, 41'000, stored * 10 + 1);
    add_holder(before, make_process(1));
    model::Lease after = freed(before, stored * 10 + 2);
    after.holders[0].present = false;
    commit(*writer_, {before, make_lease(stored + 2, 41'000, stored * 10 + 2), after});
    EXPECT_EQ(writer_->stored_leases(), stored + 2);
    EXPECT_EQ(count("SELECT freed_provenance IS NOT NULL FROM lease WHERE serial = " +
                    std::to_string(stored + 1)),
              1);
    EXPECT_EQ(count("SELECT present FROM lease_holder WHERE lease = " + std::to_string(stored + 1)),
              0);
}

} // namespace
} // namespace portd::store::test
