#include "capture/ring_consumer.hpp"

#include <atomic>
#include <cerrno>
#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace portd::capture {
namespace {

std::size_t page_bytes() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// The kernel's positions, and the length word of a record: written there, read here.
template <typename Word>
std::atomic_ref<Word> shared(void *place) {
    return std::atomic_ref<Word>(*static_cast<Word *>(place));
}

constexpr std::uint64_t rounded_up(std::uint64_t bytes) {
    return (bytes + 7) / 8 * 8;
}

} // namespace

RingWakeups::RingWakeups(int ring_fd) : events_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event wanted{};
    wanted.events = EPOLLIN | EPOLLET;
    if (!events_ || ::epoll_ctl(events_.get(), EPOLL_CTL_ADD, ring_fd, &wanted) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot watch the ring");
}

void RingWakeups::clear() {
    epoll_event heard{};
    ::epoll_wait(events_.get(), &heard, 1, 0);
}

// The first page is the consumer's to write; behind it lie the producer's position and the data.
// The kernel offers the data a second time behind that, so that a record that goes round the end is
// in one piece; but what is mapped counts as resident memory, and one record in thousands can be
// copied.
RingConsumer::RingConsumer(int ring_fd, std::size_t bytes) : bytes_(bytes) {
    consumer_page_ = ::mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, 0);
    if (consumer_page_ == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "cannot map the ring's position");
    producer_pages_ = ::mmap(nullptr, page_bytes() + bytes_, PROT_READ, MAP_SHARED, ring_fd,
                             static_cast<off_t>(page_bytes()));
    if (producer_pages_ == MAP_FAILED) {
        const int error = errno;
        ::munmap(consumer_page_, page_bytes());
        throw std::system_error(error, std::generic_category(), "cannot map the ring's data");
    }
    read_position_ = shared<std::uint64_t>(consumer_page_).load(std::memory_order_acquire);
}

RingConsumer::~RingConsumer() {
    ::munmap(producer_pages_, page_bytes() + bytes_);
    ::munmap(consumer_page_, page_bytes());
}

RingConsumer::Positions RingConsumer::positions() const {
    return {shared<std::uint64_t>(consumer_page_).load(std::memory_order_acquire),
            shared<std::uint64_t>(producer_pages_).load(std::memory_order_acquire)};
}

void RingConsumer::resume(std::uint64_t position, std::uint64_t received) {
    read_position_ = position;
    received_ = received;
}

bool RingConsumer::read(const std::function<void(std::span<const std::byte>)> &on_record) {
    const auto end = shared<std::uint64_t>(producer_pages_).load(std::memory_order_acquire);
    auto *const data = static_cast<std::byte *>(producer_pages_) + page_bytes();
    while (read_position_ < end) {
        const std::size_t offset = read_position_ & (bytes_ - 1);
        std::byte *const record = data + offset;
        const auto length = shared<std::uint32_t>(record).load(std::memory_order_acquire);
        if (length & BPF_RINGBUF_BUSY_BIT)
            return false;
        const std::uint32_t payload = length & ~std::uint32_t{BPF_RINGBUF_DISCARD_BIT};
        if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
            ++received_;
            on_record(payload_at(offset + BPF_RINGBUF_HDR_SZ, payload));
        }
        read_position_ += rounded_up(payload + BPF_RINGBUF_HDR_SZ);
    }
    return true;
}

std::span<const std::byte> RingConsumer::payload_at(std::size_t offset, std::size_t length) {
    const auto *const data = static_cast<const std::byte *>(producer_pages_) + page_bytes();
    offset &= bytes_ - 1;
    const std::size_t before_end = bytes_ - offset;
    if (length <= before_end)
        return {data + offset, length};
    wrapped_.assign(data + offset, data + bytes_);
    wrapped_.insert(wrapped_.end(), data, data + (length - before_end));
    return wrapped_;
}

void RingConsumer::acknowledge() {
    shared<std::uint64_t>(consumer_page_).store(read_position_, std::memory_order_release);
}

std::uint64_t RingConsumer::unacknowledged_bytes() const {
    return read_position_ - shared<std::uint64_t>(consumer_page_).load(std::memory_order_relaxed);
}

} // namespace portd::capture
