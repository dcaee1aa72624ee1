// History over many files: one follows another, is packed, is dropped.
#include "store/database.hpp"
#include "store/part_files.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace portd::store::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t second_us = 1'000'000;

TEST(PartFiles, HaveNumbersInTheirNames) {
    EXPECT_EQ(path_of("/x", {7, false}), "/x/current-000007.db");
    EXPECT_EQ(path_of("/x", {1'234'567, true}), "/x/history-1234567.db");
    for (const PartFile part : {PartFile{7, false}, PartFile{1'234'567, true}})
        EXPECT_EQ(parse_part_name(path_of("/x", part).filename().native()), part);
    for (const char *name : {"", "current-.db", "current-7.db", "current-000007.dbx", "lock",
                             "history-00000x.db", "history--00007.db", "current-000000.db",
                             "current-99999999999999999999.db", "history-000001.db-wal"})
        EXPECT_EQ(parse_part_name(name), std::nullopt) << name;
}

std::vector<std::string> files(const std::filesystem::path &directory) {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(directory))
        if (entry.path().extension() == ".db")
            names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
}

class Parts : public testing::Test {
  protected:
    // A lease a second; each is freed as the next one is found, but every tenth.
    void live(int leases) {
        for (int i = 0; i < leases; ++i) {
            const std::int64_t now_us = ++serial_ * second_us;
            std::vector<model::Lease> batch{make_lease(serial_, 40000, now_us)};
            add_holder(batch[0], make_process(static_cast<std::int32_t>(serial_ % 7)));
            if (serial_ % 10 != 1 && previous_)
                batch.push_back(freed(*previous_, now_us));
            previous_ = batch[0];
            writer_->commit({batch, Watched{CaptureTier::ebpf, at_us(0), at_us(now_us)}, {}});
        }
    }

    std::vector<std::string> all() {
        std::vector<std::string> expected;
        for (std::int64_t serial = 1; serial <= serial_; ++serial)
            expected.push_back(std::to_string(serial));
        return expected;
    }

    TemporaryDirectory directory_;
    Limits limits_{.max_bytes = 1 << 30, .max_age = std::chrono::hours(100)};
    std::unique_ptr<Writer> writer_ =
        std::make_unique<Writer>(directory_.path(), first_boot, limits_);
    std::int64_t serial_ = 0;
    std::optional<model::Lease> previous_;
};

TEST_F(Parts, HoldEachLeaseOnce) {
    Reader reader(directory_.path());
    for (int part = 1; part <= 5; ++part) {
        live(25);
        EXPECT_EQ(cookies(all_pages(reader, {}, 7)), all());
        writer_->begin_part();
        EXPECT_EQ(cookies(all_pages(reader, {}, 7)), all());
        writer_->settle();
        EXPECT_EQ(cookies(all_pages(reader, {}, 7)), all());
        EXPECT_EQ(writer_->stored_leases(), serial_);
        model::LeaseQuery newest_first;
        newest_first.newest_first = true;
        const auto found = cookies(all_pages(reader, newest_first, 7));
        EXPECT_EQ(std::vector(found.rbegin(), found.rend()), all());
    }
    EXPECT_THAT(files(directory_.path()),
                ElementsAre("current-000006.db", "history-000001.db", "history-000002.db",
                            "history-000003.db", "history-000004.db", "history-000005.db"));
    EXPECT_THAT(writer_->take_notices(), IsEmpty());
    EXPECT_TRUE(
        reader.coverage(first_boot.wall_offset_us, first_boot.wall_offset_us + serial_ * second_us)
            .complete);
}

TEST_F(Parts, OpenLeasesGoOn) {
    live(41);
    model::Lease long_lived = make_lease(42, 40001, 42 * second_us);
    add_holder(long_lived, make_process(1));
    add_holder(long_lived, make_process(2));
    long_lived.holders[0].last_seen = at_us(43 * second_us);
    long_lived.holders[0].present = false;
    commit(*writer_, {long_lived});
    serial_ = 42;
    const auto open = writer_->open_leases();
    for (int i = 0; i < 3; ++i) {
        writer_->begin_part();
        const auto moved = writer_->open_leases();
        ASSERT_EQ(moved.size(), open.size());
        for (std::size_t l = 0; l < open.size(); ++l) {
            EXPECT_EQ(moved[l].id, open[l].id);
            EXPECT_EQ(moved[l].opened, open[l].opened);
            ASSERT_EQ(moved[l].holders.size(), open[l].holders.size());
            for (std::size_t h = 0; h < open[l].holders.size(); ++h) {
                EXPECT_EQ(*moved[l].holders[h].process, *open[l].holders[h].process);
                EXPECT_EQ(moved[l].holders[h].last_seen, open[l].holders[h].last_seen);
                EXPECT_EQ(moved[l].holders[h].present, open[l].holders[h].present);
            }
        }
    }
    writer_.reset();
    writer_ = std::make_unique<Writer>(directory_.path(), first_boot, limits_);
    EXPECT_THAT(writer_->open_leases(), SizeIs(open.size()));
    EXPECT_EQ(writer_->next_serial(), 43);
    commit(*writer_, {freed(long_lived, 100 * second_us)});
    Reader reader(directory_.path());
    model::LeaseQuery query;
    query.port = 40001;
    ASSERT_THAT(all_pages(reader, query), SizeIs(1));
    query.since_us = query.until_us = first_boot.wall_offset_us + 60 * second_us;
    EXPECT_THAT(all_pages(reader, query), SizeIs(1));
}

// Or a long history would take more and more bytes a lease.
TEST_F(Parts, HaveNoMoreFlowsAndProcessesThanLeasesAndNumberThemAnew) {
    const auto with_peer = [](std::int64_t serial) {
        model::Lease lease = make_lease(serial, 40000, serial * second_us);
        lease.local.address.bytes = {10, 0, 0, static_cast<std::uint8_t>(serial)};
        lease.peer = {{Family::ipv4, {192, 0, 2, static_cast<std::uint8_t>(serial)}}, 443};
        add_holder(lease, make_process(static_cast<std::int32_t>(serial)));
        add_holder(lease, make_process(static_cast<std::int32_t>(serial + 100)));
        return lease;
    };
    const auto number = [&](const PartFile &part, const std::string &sql) {
        Database database(path_of(directory_.path(), part), Database::Access::read);
        database.on_close(Database::OnClose::leave);
        return database.integer("SELECT " + sql);
    };
    for (std::int64_t serial = 1; serial <= 30; ++serial)
        commit(*writer_, {with_peer(serial)});
    for (const std::int64_t serial : {1, 3, 4, 6, 7, 9, 28})
        commit(*writer_, {freed(with_peer(serial), 31 * second_us)});
    watch(*writer_, 0, 100 * second_us);
    Reader reader(directory_.path());
    const auto before = all_pages(reader, {});
    ASSERT_THAT(before, SizeIs(30));
    writer_->begin_part();
    for (const std::string table : {"flow", "address"}) {
        const std::string count = "count(*) FROM " + table;
        EXPECT_EQ(number({2, false}, count), table == "flow" ? 23 : 46);
        EXPECT_EQ(number({2, false}, "max(id) FROM " + table), number({2, false}, count));
    }
    EXPECT_EQ(all_pages(reader, {}), before);
    writer_->settle();
    EXPECT_EQ(number({1, true}, "count(*) FROM flow"), 7);
    EXPECT_EQ(number({1, true}, "count(*) FROM flow_of_process"), 7);
    EXPECT_EQ(number({1, true}, "count(*) FROM flow_holder"), 7);
    EXPECT_EQ(number({1, true}, "count(*) FROM process"), 14);
    EXPECT_EQ(all_pages(reader, {}), before);
}

TEST_F(Parts, LateNewsOfAFreedLeaseFindsIt) {
    live(5);
    previous_ = freed(*previous_, 5 * second_us);
    commit(*writer_, {*previous_});
    writer_->begin_part();
    writer_->settle();
    previous_->outcome = Outcome::reset;
    commit(*writer_, {*previous_});
    Reader reader(directory_.path());
    const auto found = all_pages(reader, {});
    EXPECT_EQ(cookies(found), all());
    EXPECT_EQ(found.back().outcome, Outcome::reset);
}

TEST_F(Parts, ASealedPartIsSmallerAndSound) {
    live(3000);
    const auto current = path_of(directory_.path(), {1, false});
    const auto before = bytes_of(current);
    writer_->begin_part();
    writer_->settle();
    const auto sealed = path_of(directory_.path(), {1, true});
    EXPECT_LT(bytes_of(sealed), before);
    Database database(sealed, Database::Access::sealed);
    EXPECT_EQ(database.text("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(database.integer("SELECT count(*) FROM history WHERE phase <> 'freed'"), 0);
    EXPECT_FALSE(std::filesystem::exists(sealed.native() + "-wal"));
    const std::string check = "cd '" + directory_.path().string() +
                              "' && sha256sum --check --status --strict history-000001.db.sha256";
    EXPECT_EQ(std::system(check.c_str()), 0);
}

// SQLite calls such a file sound.
TEST_F(Parts, ThatAreNotWhatWasSealedAreSetAside) {
    live(50);
    writer_->begin_part();
    live(50);
    writer_->settle();
    writer_.reset();
    const auto sealed = path_of(directory_.path(), {1, true});
    {
        Database database(sealed, Database::Access::write);
        database.execute("PRAGMA journal_mode = DELETE; UPDATE process SET uid = uid + 1");
    }
    writer_ = std::make_unique<Writer>(directory_.path(), first_boot, limits_);
    live(1);
    writer_->settle();
    const auto notices = writer_->take_notices();
    ASSERT_THAT(notices, SizeIs(1));
    EXPECT_EQ(notices[0].kind, Notice::Kind::set_aside);
    EXPECT_THAT(notices[0].text, HasSubstr("not what was sealed"));
    EXPECT_TRUE(std::filesystem::exists(notices[0].set_aside_as));
    EXPECT_TRUE(std::filesystem::exists(notices[0].set_aside_as.native() + ".sha256"));
    EXPECT_FALSE(std::filesystem::exists(sealed));
    live(2); // the gap comes with the commit after the next
    Reader reader(directory_.path());
    const auto coverage =
        reader.coverage(first_boot.wall_offset_us, first_boot.wall_offset_us + serial_ * second_us);
    ASSERT_THAT(coverage.gaps, SizeIs(1));
    EXPECT_EQ(coverage.gaps[0].cause, "unreadable");
}

TEST_F(Parts, WhatWasCutOffIsTakenUpAgain) {
    live(50);
    writer_->begin_part();
    live(50);
    writer_.reset(); // the first part may be sealed by now, or not
    if (!std::filesystem::exists(path_of(directory_.path(), {1, true}))) {
        Database copy(path_of(directory_.path(), {1, false}), Database::Access::write);
        copy.execute("VACUUM INTO '" + (directory_ / "history-000001.db.unfinished").string() +
                     "'");
    }
    std::ofstream(directory_ / "current-000003.db.unfinished") << "half";
    writer_ = std::make_unique<Writer>(directory_.path(), first_boot, limits_);
    live(1);
    writer_->settle();
    Reader reader(directory_.path());
    EXPECT_EQ(cookies(all_pages(reader, {}, 7)), all());
    EXPECT_THAT(files(directory_.path()), ElementsAre("current-000002.db", "history-000001.db"));
    EXPECT_FALSE(std::filesystem::exists(directory_ / "current-000003.db.unfinished"));
}

TEST_F(Parts, ThatAreOldAreDropped) {
    limits_.max_age = std::chrono::hours(1);
    writer_.reset();
    writer_ = std::make_unique<Writer>(directory_.path(), first_boot, limits_);
    live(20);
    writer_->begin_part();
    previous_.reset();
    serial_ = 3700; // more than an hour later
    live(1);
    writer_->begin_part();
    live(3700);
    writer_->settle();
    Reader reader(directory_.path());
    const auto found = cookies(all_pages(reader, {}));
    EXPECT_THAT(found, testing::Contains("3702"));
    EXPECT_THAT(found, testing::Not(testing::Contains("12")));
    EXPECT_THAT(found, testing::Contains("10")) << "still open";
    EXPECT_FALSE(std::filesystem::exists(path_of(directory_.path(), {1, true})));
    EXPECT_FALSE(std::filesystem::exists(directory_ / "history-000001.db.sha256"));
    const auto notices = writer_->take_notices();
    ASSERT_FALSE(notices.empty());
    EXPECT_EQ(notices[0].kind, Notice::Kind::dropped);
    EXPECT_THAT(notices[0].text, HasSubstr("max_age"));
    const auto coverage =
        reader.coverage(first_boot.wall_offset_us, first_boot.wall_offset_us + serial_ * second_us);
    ASSERT_THAT(coverage.gaps, SizeIs(1));
    EXPECT_EQ(coverage.gaps[0].cause, "expired");
}

TEST_F(Parts, ThatAreTooManyAreDropped) {
    limits_.max_bytes = 1 << 20;
    writer_.reset();
    writer_ = std::make_unique<Writer>(directory_.path(), first_boot, limits_);
    for (int part = 0; part < 12; ++part) {
        live(1500);
        writer_->begin_part();
        writer_->settle();
    }
    live(1);
    EXPECT_LE(writer_->stored_bytes(), limits_.max_bytes);
    Reader reader(directory_.path());
    model::LeaseQuery newest;
    newest.newest_first = true;
    EXPECT_EQ(reader.page(newest, {}, 1).leases.at(0).cookie, std::to_string(serial_));
    EXPECT_GT(files(directory_.path()).size(), 2u);
    EXPECT_LT(files(directory_.path()).size(), 12u);
}

TEST_F(Parts, PagesGoOnOverTheBeginOfAnother) {
    live(200);
    Reader reader(directory_.path());
    std::vector<std::string> seen;
    std::optional<model::LeaseCursor> after;
    do {
        const model::LeasePage page = reader.page({}, after, 7);
        for (const std::string &cookie : cookies(page.leases))
            seen.push_back(cookie);
        after = page.next;
        if (seen.size() % 5 == 0)
            writer_->begin_part();
    } while (after);
    EXPECT_EQ(seen, all());
}

} // namespace
} // namespace portd::store::test
