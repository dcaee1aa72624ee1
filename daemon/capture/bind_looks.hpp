// When to look for attempts to bind(2) that were refused and of which no event has told: only where
// there are some that did not succeed, for the look goes over the descriptors of all processes.
// Pure.
#pragma once

#include "capture/bpf_program.hpp"

#include <cstdint>
#include <optional>

namespace portd::capture {

class BindLooks {
  public:
    bool wants_one(const BindCounts &now) const {
        return !unseen_ || now.begun - now.settled != *unseen_;
    }

    // `under_way`: attempts that the look came upon and did not tell of. Where there are none, and
    // none began or ended meanwhile, what is not settled is no matter of a look: its sockets are
    // gone, or no descriptor refers to them.
    void have_looked(const BindCounts &before, const BindCounts &after, std::uint64_t under_way) {
        unseen_.reset();
        if (under_way == 0 && before == after)
            unseen_ = after.begun - after.settled;
    }

  private:
    std::optional<std::uint64_t> unseen_; // attempts that no look finds; nothing: not known
};

} // namespace portd::capture
