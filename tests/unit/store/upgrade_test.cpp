// Stores of earlier versions, as SQL that their portd's files were dumped as (version_5), with what
// its reader said of them, but for the names of users.
#include "proto/codec.hpp"
#include "store/checksum.hpp"
#include "store/database.hpp"
#include "store/fault.hpp"
#include "store/part_files.hpp"
#include "store/schema.hpp"
#include "unit/store/failing_vfs.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <sstream>

#include <sys/wait.h>

namespace portd::store::test {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

const std::filesystem::path dumped =
    std::filesystem::path(PORTD_SOURCE) / "tests/unit/store/version_5";
const std::vector<PartFile> parts{{1, true}, {2, true}, {3, false}, {4, false}};
// As of the last setting of its clock.
const BootInfo boot{"0b5e1c7a-3f6d-4a52-9c1e-5d2f8a7b6c01", 1'700'000'007'000'000};
const Limits limits{.max_bytes = std::int64_t{1} << 40, .max_age = std::chrono::hours(24 * 3650)};

std::string contents(const std::filesystem::path &file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

// Part 3 was given up and is not sealed yet, part 4 is the one that is written.
void load(const std::filesystem::path &directory) {
    const std::string schema = contents(dumped / "schema.sql");
    for (const PartFile &part : parts) {
        const auto file = path_of(directory, part);
        Database database(file, Database::Access::write);
        database.execute("PRAGMA synchronous = OFF");
        if (!part.is_sealed)
            database.execute("PRAGMA journal_mode = WAL");
        database.execute(schema);
        database.execute(contents(dumped / (file.stem().string() + ".sql")));
        database.execute("PRAGMA user_version = 5; PRAGMA application_id = " +
                         std::to_string(application_id));
        if (part.is_sealed)
            write_checksum(file, file);
    }
}

// They are of the machine that is asked, not of the store.
void erase_user_names(nlohmann::json &value) {
    if (value.is_object())
        value.erase("user");
    if (value.is_structured())
        for (auto &inner : value)
            erase_user_names(inner);
}

std::string answers(const std::filesystem::path &directory) {
    Reader reader(directory);
    std::string lines;
    for (const proto::Lease &lease : all_pages(reader, {}, 7)) {
        nlohmann::json encoded = proto::encode(lease);
        erase_user_names(encoded);
        lines += encoded.dump() + "\n";
    }
    return lines;
}

std::vector<std::int64_t> versions(const std::filesystem::path &directory) {
    std::vector<std::int64_t> found;
    for (const PartFile &part : list_parts(directory))
        found.push_back(Database(path_of(directory, part), Database::Access::read)
                            .integer("PRAGMA user_version"));
    return found;
}

void expect_checksums(const std::filesystem::path &directory) {
    for (const PartFile &part : list_parts(directory)) {
        if (!part.is_sealed)
            continue;
        const auto file = path_of(directory, part);
        EXPECT_TRUE(matches_checksum(file, checksum_path(file))) << file;
        EXPECT_FALSE(std::filesystem::exists(checksum_path(file).native() + ".new")) << file;
    }
}

void open_and_close(const std::filesystem::path &directory, const TellUpgrade &tell = {}) {
    Writer writer(directory, boot, limits, tell);
    writer.close_cleanly();
}

class Upgrade : public testing::Test {
  protected:
    Upgrade() { load(path()); }

    const std::filesystem::path &path() const { return directory_.path(); }
    void expect_equal_answers() {
        EXPECT_THAT(versions(path()), Each(schema_version));
        EXPECT_EQ(answers(path()), contents(dumped / "answers.jsonl"));
        expect_checksums(path());
    }

    TemporaryDirectory directory_;
};

TEST_F(Upgrade, GivesEqualAnswersAndTellsOfEachPart) {
    std::vector<std::string> told;
    open_and_close(path(), [&](const UpgradeProgress &progress) {
        told.push_back(progress.file.filename().string() + " " + std::to_string(progress.ordinal) +
                       "/" + std::to_string(progress.count));
    });
    EXPECT_THAT(told, testing::ElementsAre("history-000001.db 1/4", "history-000002.db 2/4",
                                           "current-000003.db 3/4", "current-000004.db 4/4"));
    expect_equal_answers();
    told.clear();
    open_and_close(path(), [&](const UpgradeProgress &) { told.emplace_back(); });
    EXPECT_THAT(told, SizeIs(0)) << "once";
}

TEST_F(Upgrade, OpenLeasesGoOnAndPartsAreSealedAsEver) {
    Writer writer(path(), boot, limits);
    EXPECT_THAT(writer.open_leases(), SizeIs(10));
    const std::int64_t serial = writer.next_serial();
    EXPECT_EQ(serial, 61);
    for (const model::Lease &lease : writer.open_leases())
        commit(writer, {freed(lease, 2'200'000'000)});
    commit(writer, {make_lease(serial, 40000, 2'200'000'000)});
    writer.begin_part();
    writer.settle();
    EXPECT_THAT(list_parts(path()), SizeIs(5));
    for (const PartFile &part : list_parts(path()))
        EXPECT_EQ(part.is_sealed, part.number < 5) << part.number;
    expect_checksums(path());
    Reader reader(path());
    EXPECT_THAT(all_pages(reader, {}), SizeIs(61));
}

TEST_F(Upgrade, GoesOnWhereverAFaultCutItOff) {
    for (const auto what : {FailingVfs::What::io_error, FailingVfs::What::no_room}) {
        std::int64_t failed = 1;
        for (std::int64_t nth = 1; failed > 0; nth += 1 + nth / 8) {
            TemporaryDirectory directory;
            std::filesystem::copy(path(), directory.path());
            {
                FailingVfs vfs;
                vfs.fail(nth, FailingVfs::How::from_then_on, what);
                try {
                    open_and_close(directory.path());
                } catch (const std::exception &refusal) {
                    EXPECT_THAT(refusal.what(), HasSubstr(directory.path().string()));
                }
                failed = vfs.failed();
            }
            EXPECT_THAT(list_parts(directory.path()), SizeIs(4)) << nth;
            open_and_close(directory.path());
            ASSERT_EQ(answers(directory.path()), contents(dumped / "answers.jsonl")) << nth;
            ASSERT_THAT(versions(directory.path()), Each(schema_version)) << nth;
            expect_checksums(directory.path());
        }
    }
}

TEST_F(Upgrade, GoesOnWhereAKillCutItOff) {
    for (const std::size_t last : {1u, 2u, 3u, 4u}) {
        TemporaryDirectory directory;
        std::filesystem::copy(path(), directory.path());
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            open_and_close(directory.path(), [&](const UpgradeProgress &progress) {
                if (progress.ordinal == last)
                    _exit(7);
            });
            _exit(0);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        const auto between = versions(directory.path());
        EXPECT_EQ(std::ranges::count(between, 6), static_cast<std::ptrdiff_t>(last) - 1);
        open_and_close(directory.path());
        EXPECT_EQ(answers(directory.path()), contents(dumped / "answers.jsonl"));
        expect_checksums(directory.path());
    }
}

// Between the two renames.
TEST_F(Upgrade, APartIsNotTakenForDamagedBecauseItsChecksumDidNotFollow) {
    const auto file = path_of(path(), parts[0]);
    const std::string old_sum = contents(checksum_path(file));
    open_and_close(path());
    const auto to_come = checksum_path(file).native() + ".new";
    std::filesystem::rename(checksum_path(file), to_come);
    std::ofstream(checksum_path(file)) << old_sum;
    open_and_close(path());
    expect_equal_answers();
    std::ofstream(to_come) << old_sum; // of a part that never came
    open_and_close(path());
    expect_equal_answers();
}

TEST_F(Upgrade, WithoutRoomIsRefusedAndLosesNothing) {
    std::vector<std::string> before;
    for (const PartFile &part : parts)
        before.push_back(contents(path_of(path(), part)));
    {
        FailingVfs vfs;
        std::string told;
        try {
            open_and_close(path(), [&](const UpgradeProgress &) {
                vfs.fail(1, FailingVfs::How::from_then_on, FailingVfs::What::no_room);
            });
        } catch (const FailedUpgrade &refusal) {
            told = refusal.what();
        }
        EXPECT_THAT(told, testing::AllOf(HasSubstr(path_of(path(), parts[0]).string()),
                                         HasSubstr("cannot be carried over"),
                                         HasSubstr("nothing is lost")));
    }
    for (std::size_t i = 0; i < parts.size(); ++i)
        EXPECT_TRUE(contents(path_of(path(), parts[i])) == before[i]) << i;
    for (const auto &entry : std::filesystem::directory_iterator(path()))
        EXPECT_THAT(entry.path().string(), testing::Not(HasSubstr(".unfinished")));
    open_and_close(path());
    expect_equal_answers();
}

TEST_F(Upgrade, ADamagedPartIsSetAsideAndTheOthersAreCarriedOver) {
    const auto file = path_of(path(), parts[1]);
    {
        Database database(file, Database::Access::write);
        database.execute("UPDATE lease SET port = port + 1");
    }
    Writer writer(path(), boot, limits);
    const auto notices = writer.take_notices();
    ASSERT_THAT(notices, SizeIs(1));
    EXPECT_EQ(notices[0].kind, Notice::Kind::set_aside);
    EXPECT_THAT(notices[0].text, HasSubstr("SHA-256"));
    EXPECT_TRUE(std::filesystem::exists(notices[0].set_aside_as));
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_THAT(versions(path()), testing::ElementsAre(6, 6, 6));
}

TEST_F(Upgrade, NothingIsTouchedIfTheNewestPartIsANewerPortds) {
    {
        Database database(path_of(path(), parts[3]), Database::Access::write);
        database.execute("PRAGMA user_version = " + std::to_string(schema_version + 1));
    }
    const std::string before = contents(path_of(path(), parts[0]));
    EXPECT_THROW(Writer(path(), boot, limits), ForeignStore);
    EXPECT_TRUE(contents(path_of(path(), parts[0])) == before);
}

} // namespace
} // namespace portd::store::test
