// The reading end of a BPF ring buffer (kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst).
// libbpf's own advances the consumer's position after each record; this one leaves that to the
// owner, so that records stay in the ring until what they told has been stored.
#pragma once

#include "system/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace portd::capture {

// Becomes readable when the kernel wakes the reader of the ring, until clear(). The ring's own
// descriptor counts as readable for as long as anything in it is not acknowledged.
class RingWakeups {
  public:
    // Throws std::system_error if that descriptor cannot be polled.
    explicit RingWakeups(int ring_fd);

    int descriptor() const { return events_.get(); }
    void clear();

  private:
    system::Fd events_; // an epoll(7) instance that tells each wake-up once
};

class RingConsumer {
  public:
    // `ring_fd` is a BPF_MAP_TYPE_RINGBUF of `bytes` (a power of two, a multiple of the page size).
    // Throws std::system_error if it cannot be mapped.
    RingConsumer(int ring_fd, std::size_t bytes);

    struct Positions {
        std::uint64_t consumer = 0; // what is before it was acknowledged
        std::uint64_t producer = 0; // the end of what was written
    };
    Positions positions() const;

    // Goes on at a position between these, after `received` records.
    void resume(std::uint64_t position, std::uint64_t received);
    ~RingConsumer();
    RingConsumer(const RingConsumer &) = delete;
    RingConsumer &operator=(const RingConsumer &) = delete;

    // Hands over every record that is complete and was not handed over before, oldest first. A
    // record that is still being written holds up those behind it until the next call; false then.
    bool read(const std::function<void(std::span<const std::byte>)> &on_record);

    // Gives the room of all that was handed over back to the kernel.
    void acknowledge();

    // What was handed over and not acknowledged, in bytes of the ring.
    std::uint64_t unacknowledged_bytes() const;
    // What was handed over ends there.
    std::uint64_t position() const { return read_position_; }
    std::uint64_t received() const { return received_; }

  private:
    std::span<const std::byte> payload_at(std::size_t offset, std::size_t length);

    const std::size_t bytes_;
    void *consumer_page_ = nullptr;
    void *producer_pages_ = nullptr;
    std::vector<std::byte> wrapped_; // the last record that went round the end
    std::uint64_t read_position_ = 0;
    std::uint64_t received_ = 0;
};

} // namespace portd::capture
