// When a long search that finds nothing is to give a sign of life. Clients wait for a reply as long
// as they think that somebody works on it.
#pragma once

#include <cstddef>

namespace portd::server {

class Silence {
  public:
    // Each time so many pages were looked through.
    static constexpr std::size_t longest = 16;

    // To be told of each page. True: something is to be said now.
    bool is_too_long(bool page_was_empty) {
        turns_ = page_was_empty ? turns_ + 1 : 0;
        if (turns_ < longest)
            return false;
        turns_ = 0;
        return true;
    }

  private:
    std::size_t turns_ = 0;
};

} // namespace portd::server
