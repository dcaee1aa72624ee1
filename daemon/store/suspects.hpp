// Parts that a Reader found damaged, for the Writer, which alone changes files, to look at. May be
// used by several threads.
#pragma once

#include "store/part_files.hpp"

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace portd::store {

class Suspects {
  public:
    using Reasons = std::map<PartFile, std::string>;

    void add(const PartFile &part, const std::string &reason) {
        const std::scoped_lock lock(mutex_);
        reasons_.emplace(part, reason);
    }
    // Those since the last call.
    Reasons take() {
        const std::scoped_lock lock(mutex_);
        return std::exchange(reasons_, {});
    }

  private:
    std::mutex mutex_;
    Reasons reasons_;
};

} // namespace portd::store
