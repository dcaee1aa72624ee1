#include "store/database.hpp"
#include "store/fault.hpp"
#include "store/schema.hpp"
#include "store/set_aside.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include <sys/stat.h>

namespace portd::store::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string contents(const std::filesystem::path &file) {
    std::string bytes(std::filesystem::file_size(file), '\0');
    std::ifstream stream(file, std::ios::binary);
    stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

void overwrite(const std::filesystem::path &file, std::streamoff where, const std::string &bytes) {
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(where);
    stream << bytes;
    ASSERT_TRUE(stream.good());
}

template <typename Fault, typename Act>
std::string message_of(Act act) {
    try {
        act();
    } catch (const Fault &fault) {
        return fault.what();
    }
    return "(no such fault)";
}

// The database that was set aside; empty if there is none.
std::filesystem::path set_aside_in(const std::filesystem::path &directory) {
    for (const auto &entry : std::filesystem::directory_iterator(directory)) {
        const std::string name = entry.path().filename();
        if (name.find(".damaged-") != std::string::npos && !name.ends_with("-wal") &&
            !name.ends_with("-shm"))
            return entry.path();
    }
    return {};
}

std::string damage_told(Writer &writer) {
    std::string text;
    for (const Notice &notice : writer.take_notices())
        if (notice.kind == Notice::Kind::set_aside || notice.kind == Notice::Kind::loss)
            text += notice.text + "\n";
    return text;
}

// A store with 200 leases, closed cleanly: one file, without a write-ahead log.
void fill(const std::filesystem::path &directory) {
    Writer writer(directory, first_boot);
    std::vector<model::Lease> leases;
    for (std::int64_t serial = 1; serial <= 200; ++serial) {
        leases.push_back(make_lease(serial, 40000, serial * 10));
        add_holder(leases.back(), make_process(static_cast<std::int32_t>(serial)));
    }
    commit(writer, leases);
    writer.close_cleanly();
}

TEST(StateDirectory, IsMadeForOwnerAndGroupOnly) {
    TemporaryDirectory parent;
    const Writer writer(parent / "state", first_boot);
    struct stat status {};
    ASSERT_EQ(stat((parent / "state").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0007u, 0u);
    EXPECT_EQ(status.st_mode & 0700u, 0700u);
    ASSERT_EQ(stat((parent / "state/current-000001.db").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0007u, 0u);
}

TEST(StateDirectory, ThatCannotBeMadeIsNamed) {
    TemporaryDirectory parent;
    const auto missing = parent / "nowhere/state";
    EXPECT_THAT(message_of<std::system_error>([&] { Writer writer(missing, first_boot); }),
                HasSubstr(missing.string()));
    std::ofstream(parent / "file") << "x";
    EXPECT_THAT(message_of<std::system_error>([&] { Writer writer(parent / "file", first_boot); }),
                HasSubstr((parent / "file").string()));
}

TEST(StateDirectory, AdmitsOneWriterAndNamesItToTheOther) {
    TemporaryDirectory directory;
    auto first = std::make_unique<Writer>(directory.path(), first_boot);
    try {
        Writer second(directory.path(), first_boot);
        FAIL() << "a second writer was admitted";
    } catch (const StateDirectoryInUse &refusal) {
        EXPECT_EQ(refusal.owner(), getpid());
        EXPECT_THAT(refusal.what(), HasSubstr(std::to_string(getpid())));
        EXPECT_THAT(refusal.what(), HasSubstr(directory.path().string()));
    }
    commit(*first, {make_lease(1, 40000, 10)}); // the first is none the worse for it
    first.reset();
    Writer third(directory.path(), first_boot);
    EXPECT_EQ(third.stored_leases(), 1);
}

TEST(Opening, AnEmptyStoreSaysSo) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    EXPECT_EQ(writer.next_serial(), 1);
    EXPECT_EQ(writer.stored_leases(), 0);
    EXPECT_GT(writer.stored_bytes(), 0);
    EXPECT_TRUE(writer.open_leases().empty());
    EXPECT_FALSE(writer.watched_until());
    EXPECT_FALSE(writer.watched_until_row_us());
    EXPECT_TRUE(writer.take_notices().empty());
    Reader reader(directory.path());
    EXPECT_TRUE(reader.page({}, {}, 10).leases.empty());
    EXPECT_FALSE(reader.page({}, {}, 10).next);
    model::LeaseQuery port;
    port.port = 40000;
    EXPECT_FALSE(reader.last_freed(port));
    EXPECT_TRUE(reader.newest_gaps(16).empty());
    const proto::Coverage coverage = reader.coverage(std::nullopt, 100);
    EXPECT_FALSE(coverage.complete);
    EXPECT_TRUE(coverage.intervals.empty());
    EXPECT_THAT(coverage.gaps,
                ElementsAre(proto::Gap{std::nullopt, 100, "notRunning", std::nullopt}));
}

TEST(Opening, AReaderWithoutAStoreNamesTheFile) {
    TemporaryDirectory directory;
    EXPECT_THAT(message_of<std::runtime_error>([&] { Reader reader(directory.path()); }),
                HasSubstr(directory.path().string()));
}

TEST(Opening, RowTimeGoesOnWhateverWasDoneToTheClock) {
    TemporaryDirectory directory;
    {
        Writer writer(directory.path(), first_boot);
        commit(writer, {make_lease(1, 40000, 10)});
        watch(writer, 5, 20);
        writer.close_cleanly();
    }
    BootInfo later = first_boot;
    later.wall_offset_us += 3'600'000'000; // the clock was set
    Writer writer(directory.path(), later);
    EXPECT_EQ(writer.boot().base_offset_us, first_boot.wall_offset_us);
    EXPECT_EQ(writer.row_us(at_us(30)), first_boot.wall_offset_us + 30);
    EXPECT_EQ(writer.wall_us(at_us(7)), first_boot.wall_offset_us + 7);
    EXPECT_EQ(writer.wall_us(at_us(30)), later.wall_offset_us + 30);
    EXPECT_EQ(writer.watched_until(), at_us(20));
    EXPECT_EQ(writer.watched_until_row_us(), first_boot.wall_offset_us + 20);
    ASSERT_EQ(writer.open_leases().size(), 1u);
    EXPECT_EQ(writer.open_leases()[0].opened, model::When::observed(at_us(10)));
}

TEST(Opening, LeasesThatAnotherBootLeftOpenEndBetweenTheBoots) {
    TemporaryDirectory directory;
    {
        Writer writer(directory.path(), first_boot);
        model::Lease lingering = make_lease(2, 40001, 20);
        lingering.phase = Phase::lingering;
        lingering.closed = model::When::observed(at_us(25));
        // Found after the coverage that was stored last.
        commit(writer, {make_lease(1, 40000, 10), lingering, make_lease(3, 40002, 90),
                        freed(make_lease(4, 40003, 30), 40)});
        watch(writer, 5, 50);
    }
    Writer writer(directory.path(), second_boot);
    EXPECT_TRUE(writer.open_leases().empty());
    EXPECT_EQ(writer.next_serial(), 5);
    EXPECT_FALSE(writer.watched_until()) << "nothing was watched in this boot yet";
    EXPECT_EQ(writer.watched_until_row_us(), first_boot.wall_offset_us + 50);

    Reader reader(directory.path());
    const auto found = all_pages(reader, {});
    ASSERT_EQ(cookies(found), (std::vector<std::string>{"1", "2", "3", "4"}));
    const std::int64_t base = first_boot.wall_offset_us;
    const auto between = [base](std::int64_t earliest) {
        return proto::Moment{std::nullopt, earliest, second_boot.wall_offset_us,
                             Provenance::inferred, second_boot.wall_offset_us - base};
    };
    for (const proto::Lease &lease : found)
        EXPECT_EQ(lease.phase, Phase::freed);
    EXPECT_EQ(found[0].closed, between(base + 50));
    EXPECT_EQ(found[0].freed, between(base + 50));
    EXPECT_EQ(found[1].closed->usec, base + 25);
    EXPECT_EQ(found[1].freed, between(base + 50));
    EXPECT_EQ(found[2].freed, between(base + 90));
    EXPECT_EQ(found[3].freed->usec, base + 40);
}

TEST(Opening, ABootWhoseClockIsWrongBoundsNothingAndFollowsAtOnce) {
    constexpr std::int64_t ten_years_us = std::int64_t{3652} * 86'400 * 1'000'000;
    BootInfo wrong = second_boot;
    for (const std::int64_t wrong_by_us : {-ten_years_us, -std::int64_t{1'000'000}, ten_years_us}) {
        TemporaryDirectory directory;
        const std::int64_t end_us = first_boot.wall_offset_us + 50;
        {
            Writer writer(directory.path(), first_boot);
            commit(writer, {make_lease(1, 40000, 10)});
            watch(writer, 5, 50);
        }
        wrong.wall_offset_us = first_boot.wall_offset_us + wrong_by_us;
        Writer writer(directory.path(), wrong);
        EXPECT_EQ(writer.row_us(at_us(0)), end_us + 1);
        EXPECT_EQ(writer.wall_us(at_us(7)), wrong.wall_offset_us + 7);
        Reader reader(directory.path());
        const auto found = all_pages(reader, {});
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].freed,
                  (proto::Moment{std::nullopt, end_us, std::nullopt, Provenance::inferred, 50}));
    }
}

class OtherSchema : public testing::TestWithParam<std::pair<int, const char *>> {};

TEST_P(OtherSchema, IsRefusedAndNotTouched) {
    const auto [distance, told] = GetParam();
    TemporaryDirectory directory;
    fill(directory.path());
    const auto file = directory / "current-000001.db";
    {
        Database database(file, Database::Access::write);
        database.execute("PRAGMA user_version = " + std::to_string(schema_version + distance));
    }
    const std::string before = contents(file);
    EXPECT_THAT(
        message_of<std::runtime_error>([&] { Writer writer(directory.path(), first_boot); }),
        testing::AllOf(HasSubstr(file.string()), HasSubstr(told)));
    EXPECT_EQ(contents(file), before);
    EXPECT_THAT(message_of<std::runtime_error>([&] { Reader reader(directory.path()); }),
                HasSubstr(told));
}

INSTANTIATE_TEST_SUITE_P(Opening, OtherSchema,
                         testing::Values(std::pair(1, "newer portd"),
                                         std::pair(-2, "older portd")));

TEST(Opening, ADatabaseOfAnotherApplicationIsRefusedAndNotTouched) {
    TemporaryDirectory directory;
    const auto file = directory / "current-000001.db";
    {
        Database database(file, Database::Access::write);
        database.execute("CREATE TABLE note(text)");
    }
    const std::string before = contents(file);
    EXPECT_THAT(
        message_of<std::runtime_error>([&] { Writer writer(directory.path(), first_boot); }),
        testing::AllOf(HasSubstr(file.string()), HasSubstr("not portd's")));
    EXPECT_EQ(contents(file), before);
}

struct Damage {
    std::string name;
    void (*inflict)(const std::filesystem::path &file);
};

class Damaged : public testing::TestWithParam<Damage> {};

TEST_P(Damaged, FileIsSetAsideWholeAndANewOneBegun) {
    TemporaryDirectory directory;
    fill(directory.path());
    const auto file = directory / "current-000001.db";
    GetParam().inflict(file);
    const std::string damaged = contents(file);
    // The machine went down: another boot, and no word of a clean end.
    std::filesystem::remove(directory / "lock");

    auto writer = std::make_unique<Writer>(directory.path(), second_boot);
    const auto aside = set_aside_in(directory.path());
    EXPECT_THAT(aside.filename().string(), testing::StartsWith("current-000001.db.damaged-"));
    EXPECT_THAT(damage_told(*writer), HasSubstr(aside.string()));
    EXPECT_EQ(contents(aside), damaged);
    EXPECT_EQ(writer->stored_leases(), 0);
    commit(*writer, {make_lease(1, 40000, 10)});
    writer->close_cleanly();
    writer.reset();

    Writer again(directory.path(), second_boot);
    EXPECT_TRUE(again.take_notices().empty());
    EXPECT_EQ(again.stored_leases(), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Opening, Damaged,
    testing::Values(
        Damage{"Header", [](const auto &file) { overwrite(file, 0, "not a database!!"); }},
        Damage{"Truncated",
               [](const auto &file) {
                   std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
               }},
        Damage{"TruncatedWithinAPage",
               [](const auto &file) {
                   std::filesystem::resize_file(file, std::filesystem::file_size(file) - 100);
               }},
        Damage{"Garbage",
               [](const auto &file) {
                   const auto size = std::filesystem::file_size(file);
                   std::filesystem::remove(file);
                   std::ofstream(file, std::ios::binary) << std::string(size, '\xa5');
               }},
        Damage{"PagesOverwritten",
               [](const auto &file) {
                   const auto size = static_cast<std::streamoff>(std::filesystem::file_size(file));
                   for (std::streamoff page = size / 4096 / 2; page < size / 4096; ++page)
                       overwrite(file, page * 4096, std::string(512, '\xff'));
               }},
        Damage{"SchemaOverwritten",
               [](const auto &file) { overwrite(file, 100, std::string(400, '\x7f')); }}),
    [](const auto &one) { return one.param.name; });

TEST(Opening, DamageMetWhileRunningSetsTheFileAsideAndANewOneGoesOn) {
    TemporaryDirectory directory;
    fill(directory.path());
    const auto file = directory / "current-000001.db";
    std::int64_t page = 0;
    {
        Database database(file, Database::Access::read);
        page = database.integer("SELECT rootpage FROM sqlite_schema WHERE name = 'process_by_pid'");
    }
    overwrite(file, (page - 1) * 4096, std::string(64, '\xff'));
    const std::string damaged = contents(file);
    // The last end was clean and in this boot: the file is not looked through.
    Writer writer(directory.path(), first_boot);
    EXPECT_TRUE(writer.take_notices().empty());
    model::Lease lease = make_lease(201, 40000, 1);
    add_holder(lease, make_process(1));
    EXPECT_THROW(commit(writer, {lease}), DamagedStore);
    EXPECT_FALSE(writer.is_open());
    EXPECT_EQ(writer.recover(), Recovery::anew);
    EXPECT_EQ(contents(set_aside_in(directory.path())).size(), damaged.size());
    EXPECT_THAT(damage_told(writer), HasSubstr("malformed"));
    EXPECT_EQ(writer.stored_leases(), 0);
    commit(writer, {lease});
    Reader reader(directory.path());
    EXPECT_EQ(cookies(all_pages(reader, {})), (std::vector<std::string>{"201"}));
}

TEST(Opening, ARowThatNoPortdWroteIsDamage) {
    for (const std::string change :
         {"lease SET state = -1", "lease SET state = 1 << 25", "lease SET state = state & ~7 | 6",
          "lease SET ports = 32768 * 65536", "lease SET flow = 999",
          "lease SET state = state | (31 << 20)", "lease SET spreads = '[0,7,null,null]'",
          "lease SET spreads = '['", "lease SET freed_us = 1", "flow SET protocol = -1",
          "flow SET local_address = 99", "flow SET opener = 5", "flow SET uid = -1",
          "flow SET boot = 99", "flow SET port_chosen_by = 4", "flow SET process = 999",
          "flow SET key_kind = 3", "address SET value = x'00'"}) {
        TemporaryDirectory directory;
        fill(directory.path());
        {
            Database database(directory / "current-000001.db", Database::Access::write);
            database.execute("UPDATE " + change +
                             " WHERE id = " + (change.starts_with("lease") ? "100" : "1"));
        }
        const auto suspects = std::make_shared<Suspects>();
        Reader reader(directory.path(), {}, suspects);
        EXPECT_TRUE(all_pages(reader, {}).empty()) << change;
        EXPECT_EQ(suspects->take().size(), 1u) << change;
        const proto::Coverage coverage = reader.coverage(std::nullopt, 100);
        ASSERT_EQ(coverage.gaps.size(), 1u) << change;
        EXPECT_EQ(coverage.gaps[0].cause, "unreadable") << change;
    }
}

TEST(Opening, DamageAmongTheOpenLeasesSetsTheFileAside) {
    TemporaryDirectory directory;
    fill(directory.path());
    {
        Database database(directory / "current-000001.db", Database::Access::write);
        database.execute(
            "UPDATE lease SET state = (state & ~(7 << 12)) | (1 << 12) WHERE id = 100");
    }
    Writer writer(directory.path(), first_boot);
    EXPECT_TRUE(writer.open_leases().empty());
    EXPECT_FALSE(writer.is_open());
    EXPECT_EQ(writer.recover(), Recovery::anew);
    EXPECT_THAT(damage_told(writer), HasSubstr("lease 100"));
    EXPECT_FALSE(set_aside_in(directory.path()).empty());
}

TEST(Opening, OnlyAnEndTogetherWithTheMachineMakesTheWholeFileSuspect) {
    struct Case {
        std::string how_it_ended;
        BootInfo next_boot;
        bool looked_through;
    };
    for (const Case &one : {Case{"clean", first_boot, false}, Case{"clean", second_boot, false},
                            Case{"running", first_boot, false}, Case{"running", second_boot, true},
                            Case{"", second_boot, true}}) {
        TemporaryDirectory directory;
        fill(directory.path());
        const auto file = directory / "current-000001.db";
        std::int64_t page = 0;
        {
            Database database(file, Database::Access::read);
            page = database.integer(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'process_by_pid'");
        }
        overwrite(file, (page - 1) * 4096, std::string(64, '\xff'));
        if (one.how_it_ended.empty())
            std::ofstream(directory / "lock") << "";
        else
            std::ofstream(directory / "lock") << "1\n"
                                              << first_boot.boot_id << "\n"
                                              << one.how_it_ended << "\n";
        const Writer writer(directory.path(), one.next_boot);
        EXPECT_EQ(!set_aside_in(directory.path()).empty(), one.looked_through)
            << one.how_it_ended << " " << one.next_boot.boot_id;
    }
}

TEST(Opening, FilesSetAsideInTheSameSecondDoNotReplaceEachOther) {
    TemporaryDirectory directory;
    std::vector<std::filesystem::path> paths;
    for (int i = 0; i < 3; ++i) {
        const auto file = directory / "current-000001.db";
        std::ofstream(file) << "damaged " << i;
        paths.push_back(store::set_aside(file, "because").path);
    }
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(contents(paths[static_cast<std::size_t>(i)]), "damaged " + std::to_string(i));
}

TEST(Opening, ACleanCloseLeavesOneFile) {
    TemporaryDirectory directory;
    fill(directory.path());
    EXPECT_FALSE(std::filesystem::exists(directory / "current-000001.db-wal"));
    Writer writer(directory.path(), first_boot);
    EXPECT_EQ(writer.stored_leases(), 200);
    EXPECT_EQ(writer.open_leases().size(), 200u);
}

TEST(Opening, AClosedStoreTakesNothingMore) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    writer.close_cleanly();
    EXPECT_THROW(commit(writer, {make_lease(1, 40000, 10)}), StoreFault);
}

} // namespace
} // namespace portd::store::test
