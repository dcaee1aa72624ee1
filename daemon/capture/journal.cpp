#include "capture/journal.hpp"

#include "capture/bytes.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace portd::capture {
namespace {

constexpr std::array<char, 8> magic = {'p', 'o', 'r', 't', 'd', 'j', 'n', 'l'};
constexpr std::uint64_t header_room = 4096;
// The file has holes: halves this far apart never meet.
constexpr std::uint64_t half_room = std::uint64_t{1} << 40;
constexpr std::uint64_t half_bit = std::uint64_t{1} << 63;
constexpr std::uint64_t small = 4 << 20;

struct FrameHeader {
    std::uint64_t number = 0;
    std::uint64_t length = 0; // of the payload
};

[[noreturn]] void fail(const char *what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void write_at(int file, std::uint64_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            fail("cannot write the journal");
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
}

// What is there, up to `count` bytes.
std::vector<std::byte> read_at(int file, std::uint64_t offset, std::size_t count) {
    std::vector<std::byte> bytes(count);
    std::size_t got = 0;
    while (got < count) {
        const auto part =
            ::pread(file, bytes.data() + got, count - got, static_cast<off_t>(offset + got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            fail("cannot read the journal");
        if (part == 0)
            break;
        got += static_cast<std::size_t>(part);
    }
    bytes.resize(got);
    return bytes;
}

} // namespace

struct Journal::Header {
    std::array<char, 8> magic{};
    std::uint64_t build = 0;
    std::uint64_t generation = 0;
    std::uint64_t extent = 0; // bytes of frames, and half_bit where they are in the second half
    std::uint64_t object_count = 0;
    std::array<std::uint32_t, most_objects> objects{};
};

Journal::Identity Journal::identity_of(const Header &header) {
    return {header.build,
            header.generation,
            {header.objects.begin(),
             header.objects.begin() + static_cast<std::ptrdiff_t>(header.object_count)}};
}

Journal::Journal(const Identity &identity)
    : file_(::memfd_create("portd-journal", MFD_CLOEXEC)), identity_(identity) {
    if (!file_)
        fail("cannot make the journal");
    Header header{.magic = magic,
                  .build = identity.build,
                  .generation = identity.generation,
                  .object_count = identity.objects.size()};
    std::ranges::copy(identity.objects, header.objects.begin());
    write_at(file_.get(), 0, std::as_bytes(std::span(&header, 1)));
}

Journal::Journal(system::Fd file, const Header &header)
    : file_(std::move(file)),
      identity_(identity_of(header)),
      half_((header.extent & half_bit) != 0 ? 1 : 0),
      used_(header.extent & ~half_bit) {}

std::optional<Journal> Journal::open(system::Fd file) {
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        return std::nullopt;
    const auto bytes = read_at(file.get(), 0, sizeof(Header));
    if (bytes.size() < sizeof(Header))
        return std::nullopt;
    const auto header = ByteReader(bytes).get<Header>();
    if (header.magic != magic || header.object_count > most_objects)
        return std::nullopt;
    Journal journal(std::move(file), header);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto begin = journal.begin_of(journal.half_);
    if (journal.used_ > 0 && (begin > size || journal.used_ > size - begin))
        return std::nullopt;
    return journal;
}

std::uint64_t Journal::begin_of(unsigned half) const {
    return half == 0 ? header_room : half_room;
}

void Journal::set_extent(unsigned half, std::uint64_t used) {
    const std::uint64_t extent = used | (half != 0 ? half_bit : 0);
    write_at(file_.get(), offsetof(Header, extent), std::as_bytes(std::span(&extent, 1)));
    half_ = half;
    used_ = used;
}

std::optional<std::vector<Journal::Frame>> Journal::rewind(std::uint64_t last) {
    const auto bytes = read_at(file_.get(), begin_of(half_), used_);
    std::vector<Frame> frames;
    std::uint64_t until = 0;
    for (std::span<const std::byte> rest = bytes;
         last > 0 && (frames.empty() || frames.back().number < last);) {
        if (rest.size() < sizeof(FrameHeader))
            return std::nullopt;
        const auto header = ByteReader(rest).get<FrameHeader>();
        rest = rest.subspan(sizeof header);
        const auto before = frames.empty() ? 0 : frames.back().number;
        if (header.length > rest.size() || header.number <= before || header.number > last)
            return std::nullopt;
        const auto payload = rest.first(header.length);
        frames.push_back({header.number, {payload.begin(), payload.end()}});
        rest = rest.subspan(header.length);
        until = bytes.size() - rest.size();
    }
    set_extent(half_, until);
    return frames;
}

void Journal::write_frame(std::uint64_t offset, std::uint64_t number,
                          std::span<const std::byte> payload) {
    const FrameHeader header{number, payload.size()};
    write_at(file_.get(), offset, std::as_bytes(std::span(&header, 1)));
    write_at(file_.get(), offset + sizeof header, payload);
}

void Journal::append(std::uint64_t number, std::span<const std::byte> payload) {
    write_frame(begin_of(half_) + used_, number, payload);
    set_extent(half_, used_ + sizeof(FrameHeader) + payload.size());
}

void Journal::replace(std::uint64_t number, std::span<const std::byte> payload) {
    const unsigned old_half = half_;
    const auto old_used = used_;
    write_frame(begin_of(1 - old_half), number, payload);
    set_extent(1 - old_half, sizeof(FrameHeader) + payload.size());
    everything_ = used_;
    if (old_used > 0 &&
        ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(begin_of(old_half)), static_cast<off_t>(old_used)) != 0)
        fail("cannot shorten the journal");
}

bool Journal::is_overgrown() const {
    return used_ > small && used_ > 2 * everything_;
}

} // namespace portd::capture
