// What processes have, look by look: what a look shows that the one before did not.
//
// The kernel's iterator goes from process to process, and through the descriptors of each in their
// order. So a process that did nothing shows the same rows in the same order, and to find that out
// is one comparison a row. Where a process shows others, its two lists of sockets are compared.
#pragma once

#include "capture/bpf_events.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace portd::capture {

class HeldSockets {
  public:
    struct Held {
        SocketRow row;
        std::uint32_t looks = 1; // in succession that showed it like this, this one included
    };
    // That an image of a process has a socket.
    struct Holder {
        model::SocketKey key;
        ImageId image;
        model::ProcessRef process;
    };

    // What follows is another look. It counts when it was accept()ed.
    void begin();
    void begin_process(const ImageId &image);
    // False before the first process.
    bool add(const SocketRow &row);
    void accept();
    // Of the look that was accepted last: before gained() and lost().
    void name_processes(const std::function<model::ProcessRef(const ImageId &)> &find);

    // Of the last look that was accepted. A socket comes once for each process that has it.
    std::span<const Held> rows() const { return now_.rows; }
    // Until the next begin(). Each once: who has a socket since the look before, and who let go of
    // one that others still have.
    std::vector<Holder> gained() const;
    std::vector<Holder> lost() const;
    // All who have those sockets, which are sorted by key; sorted likewise.
    std::vector<Holder> holders_of(std::span<const Holder> some) const;

  private:
    // The rows of one process.
    struct Holding {
        ImageId image;
        model::ProcessRef process;
        std::size_t begin = 0;
        std::size_t end = 0;
        bool is_as_before = true;
    };
    struct Look {
        std::vector<Held> rows;
        std::vector<Holding> holdings;
    };

    void end_process();
    const Held *find_before(const SocketRow &row);
    std::unordered_set<ImageId> unchanged_images() const;
    static std::vector<Holder> holders(const Look &look, const std::unordered_set<ImageId> &but);

    Look coming_;
    Look now_;
    Look before_;
    std::unordered_map<ImageId, std::size_t> holding_now_; // those that are alone with their image
    std::size_t expected_ = 0; // where in now_ the next row of the process is likely to be
    std::size_t expected_end_ = 0;
};

} // namespace portd::capture
