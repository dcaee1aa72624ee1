// When to look for attempts to bind(2) that were refused and of which no event has told: only where
// there are some that did not succeed, for the look goes over the descriptors of all processes.
// Pure.
#pragma once

#include "capture/bpf_program.hpp"
#include "model/instant.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace portd::capture {

class BindLooks {
  public:
    // Before they are this old, attempts that fail cannot be told from such as are under way;
    // mostly they are over by then, and no look is needed.
    static constexpr model::Duration patience = std::chrono::milliseconds(900);

    bool wants_one(const BindCounts &counts, model::Instant now) {
        if (unseen_ && counts.begun - counts.settled == *unseen_) {
            wanted_since_.reset();
            return false;
        }
        if (!wanted_since_)
            wanted_since_ = now;
        return now - *wanted_since_ >= patience;
    }

    // `under_way`: attempts that the look, which began at `began`, came upon and did not tell of.
    // Where there are none, and none began or ended meanwhile, what is not settled is no matter of
    // a look: its sockets are gone, or no descriptor refers to them.
    void have_looked(const BindCounts &before, const BindCounts &after, std::uint64_t under_way,
                     model::Instant began) {
        unseen_.reset();
        wanted_since_ = began;
        if (under_way == 0 && before == after) {
            unseen_ = after.begun - after.settled;
            wanted_since_.reset();
        }
    }

  private:
    std::optional<std::uint64_t> unseen_; // attempts that no look finds; nothing: not known
    std::optional<model::Instant> wanted_since_;
};

} // namespace portd::capture
