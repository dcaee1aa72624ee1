// The ring is a file in memory that is laid out as the kernel lays out its own: the consumer's
// page, the producer's page, and the data.
#include "capture/ring_consumer.hpp"

#include "system/fd.hpp"

#include <cstring>
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace portd::capture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Ring : public testing::Test {
  protected:
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t data_bytes = 4096;

    Ring() : fd_(::memfd_create("ring", MFD_CLOEXEC)) {
        if (::ftruncate(fd_.get(), 2 * page + data_bytes) != 0)
            throw std::runtime_error("ftruncate");
        map_ = static_cast<std::byte *>(::mmap(nullptr, 2 * page + data_bytes,
                                               PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
    }
    ~Ring() override { ::munmap(map_, 2 * page + data_bytes); }

    std::uint64_t consumer_position() const { return read<std::uint64_t>(0); }

    // Puts a record at the end; gives its place.
    std::uint64_t produce(const std::string &text, std::uint32_t flags = 0) {
        const auto place = produced_;
        const std::uint32_t header[2] = {static_cast<std::uint32_t>(text.size()) | flags, 0};
        write(place, header, sizeof header);
        write(place + sizeof header, text.data(), text.size());
        produced_ += (sizeof header + text.size() + 7) / 8 * 8;
        std::memcpy(map_ + page, &produced_, sizeof produced_);
        return place;
    }
    void set_length(std::uint64_t place, std::uint32_t length) {
        write(place, &length, sizeof length);
    }

    std::vector<std::string> read_all(RingConsumer &consumer) {
        std::vector<std::string> texts;
        consumer.read([&](std::span<const std::byte> record) {
            texts.emplace_back(reinterpret_cast<const char *>(record.data()), record.size());
        });
        return texts;
    }

    system::Fd fd_;
    std::byte *map_ = nullptr;

  private:
    template <typename Value>
    Value read(std::size_t place) const {
        Value value;
        std::memcpy(&value, map_ + place, sizeof value);
        return value;
    }
    void write(std::uint64_t position, const void *bytes, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const auto offset = (position + i) % data_bytes;
            const auto byte = static_cast<const std::byte *>(bytes)[i];
            map_[2 * page + offset] = byte;
        }
    }

    std::uint64_t produced_ = 0;
};

void nobody(std::span<const std::byte> /*record*/) {}

TEST_F(Ring, HandsOverEachRecordOnce) {
    RingConsumer consumer(fd_.get(), data_bytes);
    produce("one");
    produce("eighteen, and more");
    EXPECT_THAT(read_all(consumer), ElementsAre("one", "eighteen, and more"));
    EXPECT_THAT(read_all(consumer), IsEmpty());
    EXPECT_EQ(consumer.received(), 2U);
}

TEST_F(Ring, KeepsTheRoomUntilItIsAcknowledged) {
    RingConsumer consumer(fd_.get(), data_bytes);
    produce("four");
    read_all(consumer);
    EXPECT_EQ(consumer_position(), 0U);
    EXPECT_EQ(consumer.unacknowledged_bytes(), 16U);
    consumer.acknowledge();
    EXPECT_EQ(consumer_position(), 16U);
    EXPECT_EQ(consumer.unacknowledged_bytes(), 0U);
}

TEST_F(Ring, ARecordThatIsBeingWrittenHoldsUpThoseBehindIt) {
    RingConsumer consumer(fd_.get(), data_bytes);
    produce("first");
    const auto busy = produce("second", BPF_RINGBUF_BUSY_BIT);
    produce("third");
    EXPECT_THAT(read_all(consumer), ElementsAre("first"));
    EXPECT_FALSE(consumer.read(nobody));
    set_length(busy, 6);
    EXPECT_THAT(read_all(consumer), ElementsAre("second", "third"));
    EXPECT_TRUE(consumer.read(nobody));
}

TEST_F(Ring, ADiscardedRecordIsPassedOver) {
    RingConsumer consumer(fd_.get(), data_bytes);
    produce("gone", BPF_RINGBUF_DISCARD_BIT);
    produce("here");
    EXPECT_THAT(read_all(consumer), ElementsAre("here"));
    EXPECT_EQ(consumer.received(), 1U);
}

TEST_F(Ring, ARecordThatWrapsRoundIsInOnePiece) {
    RingConsumer consumer(fd_.get(), data_bytes);
    const std::string long_text(1000, 'x');
    for (int i = 0; i < 4; ++i)
        produce(long_text);
    EXPECT_EQ(read_all(consumer).size(), 4U);
    consumer.acknowledge();
    const std::string wrapping(500, 'y');
    produce(wrapping);
    EXPECT_THAT(read_all(consumer), ElementsAre(wrapping));
}

// Another instance goes on after what the first had acknowledged.
TEST_F(Ring, WhatWasNotAcknowledgedIsReadAgain) {
    produce("stored");
    produce("not stored");
    {
        RingConsumer first(fd_.get(), data_bytes);
        read_all(first);
    }
    RingConsumer second(fd_.get(), data_bytes);
    EXPECT_THAT(read_all(second), ElementsAre("stored", "not stored"));
}

// What was stored and not acknowledged is not read again.
TEST_F(Ring, AnotherInstanceGoesOnBehindWhatWasStored) {
    produce("stored");
    std::uint64_t stored_until = 0;
    {
        RingConsumer first(fd_.get(), data_bytes);
        read_all(first);
        stored_until = first.position();
    }
    produce("after");
    RingConsumer second(fd_.get(), data_bytes);
    EXPECT_EQ(second.positions().consumer, 0U);
    EXPECT_EQ(second.positions().producer, 32U);
    second.resume(stored_until, 7);
    EXPECT_THAT(read_all(second), ElementsAre("after"));
    EXPECT_EQ(second.received(), 8U);
    second.acknowledge();
    EXPECT_EQ(consumer_position(), 32U);
}

TEST_F(Ring, WhatCannotBeMappedIsAFault) {
    EXPECT_THROW(RingConsumer(-1, data_bytes), std::system_error);
}

bool is_readable(int fd) {
    pollfd asked{fd, POLLIN, 0};
    return ::poll(&asked, 1, 0) == 1;
}

// An eventfd stands for the ring: it, too, stays readable until what was written is taken out.
TEST(RingWakeups, EachIsToldOnceThoughTheRingStaysReadable) {
    const system::Fd ring(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    RingWakeups wakeups(ring.get());
    EXPECT_FALSE(is_readable(wakeups.descriptor()));
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(::eventfd_write(ring.get(), 1), 0);
        EXPECT_TRUE(is_readable(wakeups.descriptor()));
        wakeups.clear();
        EXPECT_TRUE(is_readable(ring.get()));
        EXPECT_FALSE(is_readable(wakeups.descriptor()));
    }
}

TEST(RingWakeups, WhatCannotBePolledIsAFault) {
    EXPECT_THROW(RingWakeups(-1), std::system_error);
}

} // namespace
} // namespace portd::capture
