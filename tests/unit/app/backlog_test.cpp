#include "backlog.hpp"

#include "unit/store/failing_vfs.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <utility>

namespace portd {
namespace {

using namespace std::chrono_literals;
using namespace store::test;
using system::Message;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Told {
    Message message;
    std::string text;
    std::map<std::string, std::string> fields;
};

class BacklogTest : public testing::Test {
  protected:
    Backlog make(store::Writer &writer) {
        return Backlog(writer, start_,
                       [this](Message message, const std::string &text,
                              const std::vector<system::MessageField> &fields) {
                           told_.push_back({message, text, {}});
                           for (const auto &[name, value] : fields)
                               told_.back().fields[name] = value;
                       });
    }

    bool store_lease(Backlog &backlog, std::int64_t serial, model::Duration at) {
        backlog.add_leases({make_lease(serial, 40000, serial * 10)});
        return backlog.store(ledger_, {}, {},
                             {.at = start_ + at, .wall_offset_us = first_boot.wall_offset_us});
    }

    std::vector<Message> take_messages() {
        std::vector<Message> messages;
        for (const Told &told : std::exchange(told_, {}))
            messages.push_back(told.message);
        return messages;
    }

    std::filesystem::path current() const { return directory_ / "current-000001.db"; }

    FailingVfs vfs_;
    TemporaryDirectory directory_;
    std::vector<Told> told_;
    const model::Ledger ledger_{1};
    const model::Instant start_ = model::instant_from_us(1'000'000);
};

TEST_F(BacklogTest, AFullDiskIsToldOnceHoweverOftenItIsTried) {
    store::Writer writer(directory_.path(), first_boot);
    Backlog backlog = make(writer);
    ASSERT_TRUE(store_lease(backlog, 1, 0s));
    EXPECT_THAT(take_messages(), IsEmpty());

    vfs_.fail(1, FailingVfs::How::from_then_on, FailingVfs::What::no_room);
    EXPECT_FALSE(store_lease(backlog, 2, 1s));
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_EQ(told_[0].message, Message::disk_full);
    EXPECT_THAT(told_[0].text, HasSubstr(directory_.path().string()));
    told_.clear();
    for (int minute = 1; minute <= 20; ++minute)
        EXPECT_FALSE(store_lease(backlog, 2 + minute, minute * 1min));
    EXPECT_THAT(take_messages(), IsEmpty());

    vfs_.mend();
    EXPECT_TRUE(store_lease(backlog, 30, 30min));
    EXPECT_FALSE(backlog.failure());
    vfs_.fail(1, FailingVfs::How::from_then_on, FailingVfs::What::no_room);
    EXPECT_FALSE(store_lease(backlog, 31, 31min));
    EXPECT_THAT(take_messages(), ElementsAre(Message::disk_full));
}

TEST_F(BacklogTest, ADeviceThatFailsIsNotAFullDisk) {
    store::Writer writer(directory_.path(), first_boot);
    Backlog backlog = make(writer);
    ASSERT_TRUE(store_lease(backlog, 1, 0s));
    vfs_.fail(1, FailingVfs::How::from_then_on, FailingVfs::What::io_error);
    EXPECT_FALSE(store_lease(backlog, 2, 1s));
    EXPECT_THAT(take_messages(), ElementsAre(Message::store_failing));
}

TEST_F(BacklogTest, AFileThatIsSetAsideIsNamed) {
    std::ofstream(current()) << "this is no database, and longer than a header of SQLite would be: "
                             << std::string(4096, 'x');
    store::Writer writer(directory_.path(), first_boot);
    Backlog backlog = make(writer);
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_EQ(told_[0].message, Message::file_set_aside);
    const std::string file = told_[0].fields["PORTD_FILE"];
    EXPECT_THAT(file, HasSubstr(current().string() + ".damaged-"));
    EXPECT_TRUE(std::filesystem::exists(file));
    EXPECT_THAT(told_[0].text, HasSubstr(file));
    EXPECT_TRUE(store_lease(backlog, 1, 0s));
}

TEST_F(BacklogTest, AFileInThePlaceOfOursIsSetAsideAndNamed) {
    store::Writer writer(directory_.path(), first_boot);
    Backlog backlog = make(writer);
    ASSERT_TRUE(store_lease(backlog, 1, 0s));
    std::filesystem::remove(current());
    std::ofstream(current()) << "another's";
    EXPECT_FALSE(store_lease(backlog, 2, 1s));
    EXPECT_THAT(take_messages(), ElementsAre(Message::store_failing));
    EXPECT_TRUE(store_lease(backlog, 3, 1min));
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_EQ(told_[0].message, Message::file_set_aside);
    EXPECT_TRUE(std::filesystem::exists(told_[0].fields["PORTD_FILE"]));
}

} // namespace
} // namespace portd
