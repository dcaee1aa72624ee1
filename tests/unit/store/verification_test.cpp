// Whether what is wrong with a store is found, and nothing else.
#include "store/database.hpp"
#include "store/verification.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace portd::store::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(Contradiction, IsFoundInALeaseThatCannotBe) {
    const model::Lease open = make_lease(1, 40000, 100);
    const model::Lease ended = freed(open, 200);
    EXPECT_EQ(contradiction_in(open), std::nullopt);
    EXPECT_EQ(contradiction_in(ended), std::nullopt);
    const auto wrong = [](model::Lease lease, const auto &change) {
        change(lease);
        return contradiction_in(lease).has_value();
    };
    EXPECT_TRUE(wrong(open, [](auto &lease) { lease.local.port = 0; }));
    EXPECT_TRUE(
        wrong(open, [](auto &lease) { lease.opened = model::When::sampled(at_us(5), at_us(4)); }));
    EXPECT_TRUE(wrong(ended, [](auto &lease) { lease.freed = model::When::observed(at_us(99)); }));
    EXPECT_TRUE(wrong(ended, [](auto &lease) { lease.closed = model::When::observed(at_us(99)); }));
    EXPECT_TRUE(wrong(ended, [](auto &lease) { lease.phase = Phase::connected; }));
    EXPECT_TRUE(wrong(open, [](auto &lease) { lease.phase = Phase::freed; }));
    EXPECT_TRUE(wrong(open, [](auto &lease) { lease.opener.holder = 0; }));
    // Bounds that overlap contradict nothing.
    EXPECT_FALSE(wrong(
        ended, [](auto &lease) { lease.freed = model::When::sampled(at_us(50), at_us(150)); }));
}

TEST(Record, HasNoHolesAndNothingTurnedAround) {
    CheckedFile file;
    file.report.file = "history-000001.db";
    file.intervals = {{10, 20, CaptureTier::ebpf}};
    file.gaps = {{20, 30, "notRunning", std::nullopt}, {std::nullopt, 5, "expired", std::nullopt}};
    EXPECT_THAT(findings_in_record({{1, true}, {2, false}}, {file}), IsEmpty());
    EXPECT_THAT(findings_in_record({{1, true}, {4, false}}, {file}), SizeIs(1));
    file.intervals.push_back({30, 29, CaptureTier::ebpf});
    file.gaps.push_back({9, 8, "overflow", std::nullopt});
    file.gaps.push_back({9, 10, "", std::nullopt});
    EXPECT_THAT(findings_in_record({{1, true}}, {file}), SizeIs(3));
}

class Verify : public testing::Test {
  protected:
    void SetUp() override {
        Writer writer(directory_.path(), first_boot);
        for (int part = 0; part < 2; ++part) {
            std::vector<model::Lease> leases;
            for (int i = 0; i < 1500; ++i) {
                const std::int64_t serial = ++serial_;
                const std::int64_t at_us = serial * 10 + part * 60'000'000;
                leases.push_back(make_lease(serial, 40000, at_us));
                add_holder(leases.back(), make_process(static_cast<std::int32_t>(serial % 9 + 1)));
                if (serial % 3 != 0)
                    leases.back() = freed(leases.back(), at_us + 5);
            }
            commit(writer, leases);
            if (part == 0) {
                watch(writer, 0, 30'000'000);
                writer.begin_part();
                writer.settle();
            }
        }
        writer.close_cleanly();
    }

    // All that is told, but for progress.
    std::vector<proto::VerifyReply> verify() {
        Reader reader(directory_.path());
        return verify(reader);
    }
    static std::vector<proto::VerifyReply> verify(Reader &reader) {
        const auto verification = reader.verify();
        std::vector<proto::VerifyReply> told;
        while (told.empty() || !told.back().sound) {
            if (auto reply = verification->next(); reply && !reply->progress)
                told.push_back(*std::move(reply));
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return told;
    }

    void change(const std::string &file, const std::string &sql) {
        Database database(directory_ / file, Database::Access::write);
        database.execute("PRAGMA foreign_keys = OFF; " + sql);
    }

    TemporaryDirectory directory_;
    std::int64_t serial_ = 0;
};

TEST_F(Verify, FindsNothingWrongWithWhatAWriterWrote) {
    const auto told = verify();
    ASSERT_THAT(told, SizeIs(3));
    EXPECT_EQ(told[0].file->file, "history-000001.db");
    EXPECT_TRUE(told[0].file->sealed);
    EXPECT_EQ(told[1].file->file, "current-000002.db");
    EXPECT_FALSE(told[1].file->sealed);
    for (const std::size_t i : {0U, 1U}) {
        EXPECT_THAT(told[i].file->findings, IsEmpty());
        EXPECT_GT(told[i].file->bytes, 4096);
    }
    // What was open when the part was begun stands in the next one.
    EXPECT_EQ(told[0].file->leases, 1000);
    EXPECT_EQ(told[1].file->leases, 2000);
    EXPECT_EQ(told[2].sound, true);
    EXPECT_THAT(told[2].record, IsEmpty());
}

TEST_F(Verify, NamesTheFileOfARowThatNoPortdWrote) {
    change("current-000002.db",
           "UPDATE lease SET ports = -32768 * 65536 WHERE id = (SELECT max(id) FROM lease)");
    const auto told = verify();
    EXPECT_THAT(told[0].file->findings, IsEmpty());
    EXPECT_THAT(told[1].file->findings, Not(IsEmpty()));
    EXPECT_EQ(told[2].sound, false);
}

TEST_F(Verify, FindsAReferenceToWhatIsNotThere) {
    change("history-000001.db", "PRAGMA journal_mode = DELETE; DELETE FROM text");
    EXPECT_THAT(verify()[0].file->findings, Not(IsEmpty()));
}

TEST_F(Verify, FindsAFileThatIsNotPortds) {
    Reader reader(directory_.path());
    change("current-000002.db", "PRAGMA application_id = 1");
    const auto told = verify(reader);
    EXPECT_THAT(told[1].file->findings, SizeIs(1));
    EXPECT_EQ(told[2].sound, false);
}

TEST_F(Verify, FindsAChangedValueInASealedPart) {
    // SQLite calls the file sound: it is another, and a right one, only not what was sealed.
    change("history-000001.db", "PRAGMA journal_mode = DELETE; UPDATE process SET uid = uid + 1");
    const auto told = verify();
    EXPECT_THAT(told[0].file->findings, ElementsAre(HasSubstr("not what was sealed")));
    EXPECT_EQ(told[2].sound, false);
}

TEST_F(Verify, FindsDamagedPages) {
    {
        std::fstream file(directory_ / "history-000001.db",
                          std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(3 * 4096);
        file << std::string(2 * 4096, '\x5a');
    }
    const auto told = verify();
    EXPECT_THAT(told[0].file->findings, Not(IsEmpty()));
    EXPECT_LE(told[0].file->findings.size(), 16U);
    EXPECT_THAT(told[1].file->findings, IsEmpty());
    EXPECT_EQ(told[2].sound, false);
}

TEST_F(Verify, IsDoneOnceAtATimeAndCanBeGivenUp) {
    Reader reader(directory_.path());
    auto first = reader.verify();
    ASSERT_TRUE(first);
    EXPECT_FALSE(reader.verify());
    first.reset();
    EXPECT_TRUE(reader.verify());
}

} // namespace
} // namespace portd::store::test
