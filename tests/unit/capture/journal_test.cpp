#include "capture/journal.hpp"

#include <cstring>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace portd::capture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const Journal::Identity ours{0x1234, 77, {5, 6, 7}};

std::vector<std::byte> bytes_of(const std::string &text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

// As another instance gets it.
system::Fd copy_of(const Journal &journal) {
    return system::Fd(::fcntl(journal.fd(), F_DUPFD_CLOEXEC, 3));
}

std::optional<std::vector<std::pair<std::uint64_t, std::string>>> read(Journal &journal,
                                                                       std::uint64_t last) {
    const auto frames = journal.rewind(last);
    if (!frames)
        return std::nullopt;
    std::vector<std::pair<std::uint64_t, std::string>> texts;
    for (const auto &[number, payload] : *frames)
        texts.emplace_back(
            number, std::string(reinterpret_cast<const char *>(payload.data()), payload.size()));
    return texts;
}

TEST(Journal, IsReadByAnotherInstance) {
    Journal first(ours);
    first.append(1, bytes_of("one"));
    first.append(2, {});
    first.append(3, bytes_of("three"));
    auto second = Journal::open(copy_of(first));
    ASSERT_TRUE(second);
    EXPECT_EQ(second->identity(), ours);
    EXPECT_THAT(*read(*second, 3), ElementsAre(Pair(1, "one"), Pair(2, ""), Pair(3, "three")));
}

TEST(Journal, WhatWasNotCommittedNeverHappened) {
    Journal first(ours);
    first.append(1, bytes_of("committed"));
    first.append(2, bytes_of("not committed"));
    auto second = Journal::open(copy_of(first));
    EXPECT_THAT(*read(*second, 1), ElementsAre(Pair(1, "committed")));
    second->append(2, bytes_of("another"));
    auto third = Journal::open(copy_of(first));
    EXPECT_THAT(*read(*third, 2), ElementsAre(Pair(1, "committed"), Pair(2, "another")));
    EXPECT_THAT(*read(*third, 0), IsEmpty());
}

TEST(Journal, LacksAFrameThatItNeverHad) {
    Journal journal(ours);
    journal.append(1, bytes_of("one"));
    EXPECT_FALSE(read(journal, 2));
    EXPECT_TRUE(read(journal, 1)) << "nothing has changed";
}

TEST(Journal, OneFrameWithEverythingTakesThePlaceOfAll) {
    Journal first(ours);
    const std::string much(3 << 20, 'x');
    first.append(1, bytes_of(much));
    EXPECT_FALSE(first.is_overgrown());
    first.append(2, bytes_of(much));
    EXPECT_TRUE(first.is_overgrown());
    first.replace(2, bytes_of("all"));
    EXPECT_FALSE(first.is_overgrown());
    first.append(3, bytes_of("more"));
    auto second = Journal::open(copy_of(first));
    EXPECT_THAT(*read(*second, 3), ElementsAre(Pair(2, "all"), Pair(3, "more")));
    second->replace(3, bytes_of("all again"));
    auto third = Journal::open(copy_of(first));
    EXPECT_THAT(*read(*third, 3), ElementsAre(Pair(3, "all again")));
}

// A process that is killed while it writes leaves bytes behind the end.
TEST(Journal, AFrameThatWasBeingWrittenIsNotThere) {
    Journal first(ours);
    first.append(1, bytes_of("one"));
    const auto end = ::lseek(first.fd(), 0, SEEK_END);
    const std::uint64_t begun[] = {2, 1000, 0x6162};
    ASSERT_EQ(::pwrite(first.fd(), begun, sizeof begun, end), ssize_t{sizeof begun});
    auto second = Journal::open(copy_of(first));
    EXPECT_FALSE(read(*second, 2));
    EXPECT_THAT(*read(*second, 1), ElementsAre(Pair(1, "one")));
}

TEST(Journal, OtherFilesAreNone) {
    EXPECT_FALSE(Journal::open(system::Fd(::open("/dev/null", O_RDONLY))));
    EXPECT_FALSE(Journal::open(system::Fd()));
    system::Fd empty(::memfd_create("empty", MFD_CLOEXEC));
    EXPECT_FALSE(Journal::open(std::move(empty)));
    system::Fd rubbish(::memfd_create("rubbish", MFD_CLOEXEC));
    const std::string text(10'000, 'r');
    ASSERT_GT(::write(rubbish.get(), text.data(), text.size()), 0);
    EXPECT_FALSE(Journal::open(std::move(rubbish)));
}

TEST(Journal, OneThatWasCutOffIsNone) {
    Journal first(ours);
    first.append(1, bytes_of(std::string(5000, 'x')));
    ASSERT_EQ(::ftruncate(first.fd(), 6000), 0);
    EXPECT_FALSE(Journal::open(copy_of(first)));
    ASSERT_EQ(::ftruncate(first.fd(), 20), 0);
    EXPECT_FALSE(Journal::open(copy_of(first)));
}

// Every word of the frames' headers in turn is one that cannot be.
TEST(Journal, FramesThatMakeNoSenseAreNotRead) {
    constexpr off_t frames_begin = 4096;
    for (const off_t word : {0, 8, 16 + 8, 24 + 8}) {
        Journal first(ours);
        first.append(1, bytes_of("12345678"));
        first.append(2, bytes_of("12345678"));
        const std::uint64_t nonsense = 0xffff'ffff'ffff'fff0;
        ASSERT_EQ(::pwrite(first.fd(), &nonsense, sizeof nonsense, frames_begin + word), 8);
        auto second = Journal::open(copy_of(first));
        ASSERT_TRUE(second);
        EXPECT_FALSE(read(*second, 2)) << word;
    }
}

} // namespace
} // namespace portd::capture
