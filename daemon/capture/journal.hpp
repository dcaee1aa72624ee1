// What capture knew beyond the stored leases, in memory that outlives the process.
//
// A memfd: a header, and frames, one for each commit to the store. A frame is written before its
// commit and has a number that is stored with it: so what the store tells says which frames count,
// and later ones never happened. A frame that was being written when the process was killed is not
// there: the header's word of how far the frames reach is written last, and at once.
//
// Frames tell what changed. When they have grown well beyond what they tell, one with everything is
// written to the file's other half, which then takes the place of the first.
#pragma once

#include "system/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace portd::capture {

class Journal {
  public:
    // Whose it is. BPF objects are named by the kernel's numbers, which it gives once in a boot.
    struct Identity {
        std::uint64_t build = 0;      // of the BPF program, the settings and the frames' form
        std::uint64_t generation = 0; // model::RingMark
        std::vector<std::uint32_t> objects;

        bool operator==(const Identity &) const = default;
    };
    static constexpr std::size_t most_objects = 64;

    // An empty one. Throws std::system_error, as the functions below do.
    explicit Journal(const Identity &identity);
    // One that another instance left; nothing if it is none.
    static std::optional<Journal> open(system::Fd file);

    const Identity &identity() const { return identity_; }
    int fd() const { return file_.get(); }

    struct Frame {
        std::uint64_t number = 0;
        std::vector<std::byte> payload;
    };
    // From the first to the one of this number, which is the last from now on. Nothing, and nothing
    // changes, if there is no such frame or the file makes no sense. 0: before the first.
    std::optional<std::vector<Frame>> rewind(std::uint64_t last);

    // Numbers grow.
    void append(std::uint64_t number, std::span<const std::byte> payload);
    // Takes the place of all frames, of which it has the number of the last.
    void replace(std::uint64_t number, std::span<const std::byte> payload);
    bool is_overgrown() const;

  private:
    struct Header;

    Journal(system::Fd file, const Header &header);
    static Identity identity_of(const Header &header);
    std::uint64_t begin_of(unsigned half) const;
    void write_frame(std::uint64_t offset, std::uint64_t number,
                     std::span<const std::byte> payload);
    void set_extent(unsigned half, std::uint64_t used);

    system::Fd file_;
    Identity identity_;
    unsigned half_ = 0;
    std::uint64_t used_ = 0;       // bytes of frames
    std::uint64_t everything_ = 0; // bytes of the last frame that told all
};

} // namespace portd::capture
