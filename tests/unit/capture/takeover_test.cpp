#include "capture/takeover.hpp"

#include "capture/bytes.hpp"
#include "capture/checkpoint.hpp"

#include <cerrno>
#include <gmock/gmock.h>
#include <memory>

namespace portd::capture {
namespace {

using testing::HasSubstr;
using testing::Optional;

const Journal::Identity journal{0x1234, 77, {5, 6, 7}};
constexpr RingConsumer::Positions ring{.consumer = 4096, .producer = 8192};
constexpr model::RingMark stored{.generation = 77, .position = 5000, .frame = 3};

TEST(WhyNot, GoesOnWithWhatIsOursAndStored) {
    EXPECT_EQ(why_not(journal, 0x1234, {5, 6, 7}, ring, stored), std::nullopt);
}

TEST(WhyNot, AnotherBuildOrOtherSettings) {
    EXPECT_THAT(why_not(journal, 0x1235, {5, 6, 7}, ring, stored),
                Optional(HasSubstr("other settings")));
}

TEST(WhyNot, ObjectsThatTheJournalDoesNotName) {
    for (const std::vector<std::uint32_t> &numbers :
         {std::vector<std::uint32_t>{5, 6}, {5, 6, 8}, {5, 6, 7, 8}, {}})
        EXPECT_THAT(why_not(journal, 0x1234, numbers, ring, stored),
                    Optional(HasSubstr("not what its journal names")));
}

TEST(WhyNot, AHistoryThatEndsElsewhereThanTheEvents) {
    auto mark = stored;
    for (const std::uint64_t position : {0U, 4095U, 8193U}) {
        mark.position = position;
        EXPECT_THAT(why_not(journal, 0x1234, {5, 6, 7}, ring, mark),
                    Optional(HasSubstr("ends elsewhere")));
    }
    for (const std::uint64_t position : {4096U, 8192U}) {
        mark.position = position;
        EXPECT_EQ(why_not(journal, 0x1234, {5, 6, 7}, ring, mark), std::nullopt);
    }
}

TEST(WhyNot, AHistoryThatKnowsNothingOfTheRing) {
    auto of_another = stored;
    of_another.generation = 78;
    for (const auto &mark : {std::optional<model::RingMark>(), std::optional(of_another)}) {
        EXPECT_THAT(why_not(journal, 0x1234, {5, 6, 7}, ring, mark),
                    Optional(HasSubstr("not the one")));
        EXPECT_EQ(why_not(journal, 0x1234, {5, 6, 7}, {.consumer = 0, .producer = 8192}, mark),
                  std::nullopt)
            << "killed before its first commit";
    }
}

TEST(TakeOver, WhatIsNoneOfOursIsRefused) {
    Kept kept;
    EXPECT_THAT(std::get<std::string>(take_over(std::move(kept), 1, 4096)),
                HasSubstr("no journal"));
    Kept wrong;
    wrong.descriptors.push_back({journal_name, system::Fd(::dup(0))});
    EXPECT_THAT(std::get<std::string>(take_over(std::move(wrong), 1, 4096)),
                HasSubstr("journal is none"));
    Kept lonely;
    const Journal own(journal);
    lonely.descriptors.push_back({journal_name, system::Fd(::dup(own.fd()))});
    EXPECT_THAT(std::get<std::string>(take_over(std::move(lonely), 1, 4096)),
                HasSubstr("no hooks"));
}

struct Written {
    Checkpoint checkpoint;
    model::LedgerNotes notes;

    std::vector<std::byte> payload() const {
        ByteWriter writer;
        encode(checkpoint, notes, writer);
        return writer.take();
    }
};

Written make_checkpoint() {
    Written written;
    auto &[checkpoint, notes] = written;
    checkpoint.account = {1000, {1010, 7, 3}, model::instant_from_us(55)};
    SocketEvent event;
    event.key = {42, 4026531840, model::SocketKey::Kind::cookie};
    event.image = ImageId{1, 2, 3};
    event.error = ECONNREFUSED;
    checkpoint.waiting = {event, event};
    model::LedgerNote note{.serial = 9, .key = event.key, .state = {}};
    note.state.standing = model::Standing::ended;
    note.state.left_at = model::instant_from_us(77);
    note.state.alias = event.key;
    notes.changed = {note};
    notes.forgotten = {1, 2, 3};
    model::Process process;
    process.key = {12, model::instant_from_us(5)};
    process.executable = "/bin/x";
    process.command = "x";
    process.uid = 33;
    process.control_group = "/system.slice/x.service";
    process.unit = "x.service";
    process.slice = "system.slice";
    process.ancestors = {{1, "init"}};
    notes.claims = {{event.key, std::make_shared<const model::Process>(process),
                     model::instant_from_us(56), model::Claim::opened}};
    checkpoint.images = {std::byte{1}, std::byte{2}};
    return written;
}

TEST(Checkpoint, IsReadAsItWasWritten) {
    const auto [written, notes] = make_checkpoint();
    const auto [read, read_notes] = decode_checkpoint(make_checkpoint().payload());
    EXPECT_EQ(read.account.received, 1000U);
    EXPECT_EQ(read.account.counted.ring_full, 7U);
    EXPECT_EQ(read.account.drained_at, model::instant_from_us(55));
    ASSERT_EQ(read.waiting.size(), 2U);
    EXPECT_EQ(read.waiting[1].key, written.waiting[1].key);
    EXPECT_EQ(read.waiting[1].image, written.waiting[1].image);
    EXPECT_EQ(read.waiting[1].error, ECONNREFUSED);
    EXPECT_EQ(read_notes.changed, notes.changed);
    EXPECT_EQ(read_notes.forgotten, notes.forgotten);
    ASSERT_EQ(read_notes.claims.size(), 1U);
    EXPECT_EQ(read_notes.claims[0].key, notes.claims[0].key);
    EXPECT_EQ(*read_notes.claims[0].process, *notes.claims[0].process);
    EXPECT_EQ(read.images, written.images);
}

TEST(Checkpoint, CutOffAnywhereItIsRefused) {
    const auto payload = make_checkpoint().payload();
    for (std::size_t length = 0; length < payload.size(); ++length)
        EXPECT_THROW(decode_checkpoint(std::span(payload).first(length)), TruncatedBytes) << length;
}

TEST(Checkpoint, ACountBeyondTheEndIsRefused) {
    ByteWriter writer;
    writer.put(Checkpoint::Account{});
    writer.put<std::uint64_t>(std::uint64_t{1} << 62);
    EXPECT_THROW(decode_checkpoint(writer.take()), TruncatedBytes);
}

} // namespace
} // namespace portd::capture
