// The store while its files fail: each operation in turn, once or from then on.
#include "store/database.hpp"
#include "store/fault.hpp"
#include "store/part_files.hpp"
#include "store/rotation.hpp"
#include "unit/store/failing_vfs.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

namespace portd::store::test {
namespace {

using How = FailingVfs::How;
using What = FailingVfs::What;
using testing::HasSubstr;

constexpr int steps = 8;
constexpr std::int64_t step_us = 1'000'000;

// What an owner does: keeps what was not stored, and tries again.
class Owner {
  public:
    explicit Owner(const std::filesystem::path &directory) : directory_(directory) {}

    // One lease is found in each step, and the one of two steps ago is freed.
    void step() {
        const std::int64_t now_us = ++step_ * step_us;
        note(make_lease(step_, 40000, now_us));
        if (step_ > 2)
            note(freed(make_lease(step_ - 2, 40000, (step_ - 2) * step_us), now_us));
        if (attempt() && step_ % 4 == 0) {
            report([&] { writer_->begin_part(); });
            writer_->settle();
        }
        if (step_ % 3 == 0)
            ask();
    }

    // True if all is stored.
    bool attempt() {
        if (!writer_)
            report([&] { writer_ = std::make_unique<Writer>(directory_, first_boot); });
        if (!writer_)
            return false;
        const bool stored = report([&] {
            if (!writer_->is_open() && writer_->recover() == Recovery::anew)
                for (const auto &[serial, lease] : known_)
                    if (lease.is_open())
                        waiting_.insert_or_assign(serial, lease);
            std::vector<model::Lease> leases;
            for (const auto &[serial, lease] : waiting_)
                leases.push_back(lease);
            writer_->commit(
                {leases, Watched{CaptureTier::ebpf, at_us(0), at_us(step_ * step_us)}, {}});
        });
        for (const Notice &notice : writer_->take_notices())
            reports_.push_back(notice.text);
        if (stored) {
            for (const auto &[serial, lease] : waiting_)
                acknowledged_.insert_or_assign(serial, lease);
            waiting_.clear();
        }
        return stored;
    }

    // An answer that says that it is complete has all that was acknowledged.
    void ask() {
        try {
            Reader reader(directory_);
            const auto found = all_pages(reader, {}, 4);
            const std::int64_t base = first_boot.wall_offset_us;
            if (acknowledged_.empty() ||
                !reader.coverage(base, base + acknowledged_.rbegin()->first * step_us).complete)
                return;
            EXPECT_EQ(cookies(found), expected());
        } catch (const std::runtime_error &fault) {
            reports_.push_back(fault.what());
        }
    }

    void close() {
        if (writer_)
            report([&] { writer_->close_cleanly(); });
        writer_.reset();
    }

    std::vector<std::string> expected() const {
        std::vector<std::string> serials;
        for (const auto &[serial, lease] : acknowledged_)
            serials.push_back(std::to_string(serial));
        return serials;
    }
    const std::map<std::int64_t, model::Lease> &acknowledged() const { return acknowledged_; }
    const std::vector<std::string> &reports() const { return reports_; }

  private:
    void note(const model::Lease &lease) {
        known_.insert_or_assign(lease.serial, lease);
        waiting_.insert_or_assign(lease.serial, lease);
    }

    template <typename Act>
    bool report(Act act) {
        try {
            act();
            return true;
        } catch (const std::runtime_error &fault) {
            reports_.push_back(fault.what());
            return false;
        }
    }

    const std::filesystem::path directory_;
    std::unique_ptr<Writer> writer_;
    std::int64_t step_ = 0;
    std::map<std::int64_t, model::Lease> known_;
    std::map<std::int64_t, model::Lease> waiting_;
    std::map<std::int64_t, model::Lease> acknowledged_;
    std::vector<std::string> reports_;
};

bool has_set_aside(const std::filesystem::path &directory) {
    for (const auto &entry : std::filesystem::directory_iterator(directory))
        if (entry.path().native().find(".damaged-") != std::string::npos)
            return true;
    return false;
}

// What must be so after each round, whatever failed in it.
void check(const TemporaryDirectory &directory, const Owner &owner) {
    EXPECT_FALSE(has_set_aside(directory.path())) << "a sound file was set aside";
    Writer writer(directory.path(), first_boot);
    writer.settle();
    EXPECT_THAT(writer.take_notices(), testing::IsEmpty());
    Reader reader(directory.path());
    const auto found = all_pages(reader, {});
    EXPECT_EQ(cookies(found), owner.expected());
    for (const proto::Lease &lease : found) {
        const bool is_open = owner.acknowledged().at(std::stoll(*lease.cookie)).is_open();
        EXPECT_EQ(lease.phase != Phase::freed, is_open) << *lease.cookie;
    }
    const std::int64_t base = first_boot.wall_offset_us;
    for (const proto::Gap &gap : reader.coverage(base, base + steps * step_us).gaps)
        ADD_FAILURE() << gap.cause << " from " << gap.since_usec.value_or(base) - base << " to "
                      << gap.until_usec.value_or(base) - base
                      << "; told: " << testing::PrintToString(owner.reports());
}

struct Round {
    How how;
    What what;
    const char *name;
};

class FailingFiles : public testing::TestWithParam<Round> {};

// The files are mended after three quarters of the steps; from then on everything works.
void run(FailingVfs &vfs, std::int64_t nth, const Round &round) {
    const TemporaryDirectory directory;
    Owner owner(directory.path());
    vfs.fail(nth, round.how, round.what);
    for (int step = 0; step < steps * 3 / 4; ++step)
        owner.step();
    const std::string first = vfs.first();
    vfs.mend();
    owner.attempt();
    for (int step = steps * 3 / 4; step < steps; ++step)
        owner.step();
    EXPECT_TRUE(owner.attempt()) << "it did not recover";
    owner.close();
    // What fails once, SQLite may get over by itself.
    if (round.how == How::from_then_on && (first == "sync" || first == "write")) {
        EXPECT_THAT(owner.reports(), testing::Not(testing::IsEmpty())) << "nobody was told";
    }
    check(directory, owner);
}

TEST_P(FailingFiles, LoseNothingThatWasAcknowledged) {
    FailingVfs vfs;
    run(vfs, 0, GetParam());
    const std::int64_t all = vfs.operations();
    ASSERT_GT(all, 100);
    const char *const full = std::getenv("PORTD_FULL");
    const std::int64_t stride = full && *full ? 1 : std::max<std::int64_t>(1, all / 15);
    std::map<std::string, int> failed;
    std::int64_t rounds = 0;
    for (std::int64_t nth = 1; nth <= all && !HasFailure(); nth += stride, ++rounds) {
        SCOPED_TRACE(std::string(GetParam().name) + ", operation " + std::to_string(nth) + " of " +
                     std::to_string(all));
        run(vfs, nth, GetParam());
    }
    std::cout << GetParam().name << ": " << rounds << " rounds over " << all << " operations\n";
}

INSTANTIATE_TEST_SUITE_P(Store, FailingFiles,
                         testing::Values(Round{How::once, What::io_error, "IoErrorOnce"},
                                         Round{How::from_then_on, What::io_error, "IoErrors"},
                                         Round{How::once, What::no_room, "NoRoomOnce"},
                                         Round{How::from_then_on, What::no_room, "NoRoom"}),
                         [](const auto &one) { return std::string(one.param.name); });

// ---- What others do to the files

// Far enough apart that what has ended is not taken along to the next part.
constexpr std::int64_t tick_us = 20'000'000;

// Some leases in each of four parts, the last of which is being written.
class Meddling : public testing::Test {
  protected:
    Meddling() {
        for (int part = 0; part < 4; ++part) {
            if (part > 0)
                writer_.begin_part();
            for (int i = 0; i < 5; ++i)
                live();
        }
        writer_.settle();
    }

    model::Lease next(std::uint16_t port) {
        ++serial_;
        return make_lease(serial_, port, serial_ * tick_us);
    }
    void live() {
        const model::Lease lease = next(40000);
        store({freed(lease, serial_ * tick_us + 1)});
    }
    void store(const std::vector<model::Lease> &leases) {
        writer_.commit(
            {leases, Watched{CaptureTier::ebpf, at_us(0), at_us(serial_ * tick_us)}, {}});
    }
    proto::Coverage coverage() { return reader_.coverage(base_, base_ + serial_ * tick_us); }
    std::filesystem::path part(std::int64_t number, bool is_sealed) {
        return path_of(directory_.path(), {number, is_sealed});
    }
    std::string told() {
        std::string text;
        for (const Notice &notice : writer_.take_notices())
            text += notice.text + "\n";
        return text;
    }

    const std::int64_t base_ = first_boot.wall_offset_us;
    TemporaryDirectory directory_;
    Writer writer_{directory_.path(), first_boot};
    Reader reader_{directory_.path(), {}, writer_.suspects()};
    std::int64_t serial_ = 0;
};

std::vector<std::string> serials(std::int64_t from, std::int64_t to) {
    std::vector<std::string> all;
    for (std::int64_t serial = from; serial <= to; ++serial)
        all.push_back(std::to_string(serial));
    return all;
}

TEST_F(Meddling, ADamagedSealedPartIsSetAsideAndTheRestAnswered) {
    const auto size = std::filesystem::file_size(part(2, true));
    {
        std::fstream file(part(2, true), std::ios::binary | std::ios::in | std::ios::out);
        file << std::string(size / 2, '\xff');
    }
    const std::size_t before = writer_.take_notices().size();
    EXPECT_EQ(before, 0u);
    auto expected = serials(1, 4); // what ended lately is taken along to the next part
    for (const std::string &serial : serials(10, 20))
        expected.push_back(serial);
    EXPECT_EQ(cookies(all_pages(reader_, {}, 3)), expected);
    auto gaps = coverage().gaps;
    ASSERT_EQ(gaps.size(), 1u);
    EXPECT_EQ(gaps[0].cause, "unreadable");
    EXPECT_LE(gaps[0].since_usec, base_ + 6 * tick_us);
    EXPECT_GE(gaps[0].until_usec, base_ + 10 * tick_us);

    live(); // the writer looks after it
    EXPECT_TRUE(has_set_aside(directory_.path()));
    EXPECT_FALSE(std::filesystem::exists(part(2, true)));
    EXPECT_THAT(told(), HasSubstr(".damaged-"));
    live();
    gaps = coverage().gaps;
    ASSERT_EQ(gaps.size(), 1u);
    EXPECT_EQ(gaps[0].cause, "unreadable");
    model::LeaseQuery query;
    query.port = 40000;
    ASSERT_TRUE(reader_.last_freed(query));
    EXPECT_EQ(reader_.last_freed(query)->cookie, std::to_string(serial_));
}

TEST_F(Meddling, WhoHadAPortLastIsUnknownBehindAMissingPart) {
    store({freed(next(41000), serial_ * tick_us + 1)});
    model::LeaseQuery query;
    query.port = 41000;
    EXPECT_TRUE(reader_.last_freed(query));
    writer_.begin_part();
    live();
    writer_.begin_part();
    live();
    writer_.settle();
    EXPECT_TRUE(reader_.last_freed(query));
    std::filesystem::remove(part(5, true));
    EXPECT_FALSE(reader_.last_freed(query));
    EXPECT_EQ(coverage().gaps.at(0).cause, "unreadable");
}

TEST_F(Meddling, ARemovedCurrentPartIsNoticedAndANewOneBegun) {
    const model::Lease open = next(40001);
    store({open});
    std::filesystem::remove(part(4, false));
    EXPECT_THROW(live(), StoreFault);
    EXPECT_EQ(writer_.recover(), Recovery::anew);
    store({open, freed(make_lease(serial_, 40000, serial_ * tick_us), serial_ * tick_us + 1)});
    auto expected = serials(1, 14);
    for (const std::int64_t serial : {serial_ - 1, serial_})
        expected.push_back(std::to_string(serial));
    EXPECT_EQ(cookies(all_pages(reader_, {})), expected);
    const auto gaps = coverage().gaps;
    ASSERT_EQ(gaps.size(), 1u);
    EXPECT_EQ(gaps[0].cause, "unreadable");
    EXPECT_EQ(writer_.open_leases().size(), 1u);
    EXPECT_THAT(told(), HasSubstr("was removed"));
}

TEST(Removal, OfTheOnlyPartIsToldByAnswersAboutAllOfHistory) {
    const TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const std::int64_t base = first_boot.wall_offset_us;
    watch(writer, 0, 5 * step_us);
    std::filesystem::remove(path_of(directory.path(), {1, false}));
    EXPECT_THROW(watch(writer, 0, 6 * step_us), StoreFault);
    EXPECT_EQ(writer.recover(), Recovery::anew);
    watch(writer, 0, 7 * step_us);
    Reader reader(directory.path());
    const proto::Coverage coverage = reader.coverage(std::nullopt, base + 7 * step_us);
    EXPECT_FALSE(coverage.complete);
    ASSERT_EQ(coverage.gaps.size(), 1u);
    EXPECT_EQ(coverage.gaps[0].cause, "unreadable");
    EXPECT_TRUE(reader.coverage(base + 6 * step_us, base + 7 * step_us).complete);
}

TEST_F(Meddling, AnotherFileInThePlaceOfTheCurrentPartIsSetAsideToo) {
    std::filesystem::remove(part(4, false));
    std::ofstream(part(4, false)) << "something else";
    EXPECT_THROW(live(), StoreFault);
    EXPECT_EQ(writer_.recover(), Recovery::anew);
    EXPECT_TRUE(has_set_aside(directory_.path()));
    live();
    EXPECT_EQ(cookies(all_pages(reader_, {})).back(), std::to_string(serial_));
    EXPECT_FALSE(coverage().complete);
}

TEST_F(Meddling, AnOverwrittenCurrentPartIsSetAside) {
    {
        std::fstream file(part(4, false), std::ios::binary | std::ios::in | std::ios::out);
        file << std::string(4096, 'x');
    }
    EXPECT_THROW(live(), StoreFault);
    EXPECT_EQ(writer_.recover(), Recovery::anew);
    EXPECT_TRUE(has_set_aside(directory_.path()));
    live();
    EXPECT_EQ(cookies(all_pages(reader_, {})).back(), std::to_string(serial_));
    EXPECT_FALSE(coverage().complete);
}

TEST_F(Meddling, ALogThatIsRemovedIsNoticed) {
    std::filesystem::remove(part(4, false).native() + "-wal");
    EXPECT_THROW(live(), StoreFault);
    EXPECT_EQ(writer_.recover(), Recovery::anew) << "what was in it is gone";
    live();
    EXPECT_FALSE(coverage().complete);
}

TEST_F(Meddling, TouchingTheFileDoesNoHarm) {
    std::filesystem::last_write_time(part(4, false), std::filesystem::file_time_type::clock::now() +
                                                         std::chrono::hours(1));
    EXPECT_THROW(live(), StoreFault);
    EXPECT_EQ(writer_.recover(), Recovery::unchanged);
    --serial_;
    live();
    EXPECT_EQ(cookies(all_pages(reader_, {})), serials(1, serial_));
    EXPECT_TRUE(coverage().complete);
    EXPECT_FALSE(has_set_aside(directory_.path()));
}

TEST_F(Meddling, APartIsPackedThoughTheNextOneIsMissing) {
    const model::Lease open = next(40001);
    store({open});
    // As if the part after this one had been lost before this one was packed.
    std::filesystem::copy_file(part(4, false), directory_ / "kept");
    std::filesystem::copy_file(part(4, false).native() + "-wal", directory_ / "kept-wal");
    writer_.begin_part();
    writer_.settle();
    std::filesystem::remove(part(4, true));
    std::filesystem::rename(directory_ / "kept", part(4, false));
    std::filesystem::rename(directory_ / "kept-wal", part(4, false).native() + "-wal");
    std::filesystem::remove(part(5, false));
    seal(directory_.path(), 4);
    Database sealed(part(4, true), Database::Access::sealed);
    EXPECT_EQ(sealed.text("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(sealed.integer("SELECT count(*) FROM history WHERE phase <> 'freed'"), 0);
    EXPECT_EQ(sealed.text("SELECT freed_provenance FROM history WHERE local_port = 40001"),
              "inferred");
    EXPECT_EQ(sealed.integer("SELECT count(*) FROM history WHERE local_port = 40001 AND "
                             "freed_latest IS NOT NULL"),
              0);
}

TEST(ReadErrors, AreNotTakenForDamage) {
    FailingVfs vfs;
    const TemporaryDirectory directory;
    {
        Writer writer(directory.path(), first_boot);
        for (std::int64_t serial = 1; serial < 500; ++serial)
            commit(writer, {make_lease(serial, 40000, serial * tick_us)});
        writer.close_cleanly();
    }
    Database database(path_of(directory.path(), {1, false}), Database::Access::read);
    EXPECT_EQ(database.integer("SELECT count(*) FROM lease"), 499);
    for (const How how : {How::once, How::from_then_on}) {
        for (std::int64_t nth = 1; nth < 12; ++nth) {
            Database read(path_of(directory.path(), {1, false}), Database::Access::read);
            EXPECT_GT(read.integer("SELECT count(*) FROM sqlite_schema"), 0);
            vfs.fail(nth, how, What::io_error);
            try {
                read.verify(Database::Depth::whole);
            } catch (const DamagedStore &damage) {
                ADD_FAILURE() << damage.what();
            } catch (const StoreFault &) {
            }
            vfs.mend();
        }
    }
}

} // namespace
} // namespace portd::store::test
