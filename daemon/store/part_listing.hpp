// Private to the store: the parts of a directory, listed again only if it may have changed since.
//
// Each change of a directory's entries gives it a new time of change, which nobody can set
// (inode(7)). The kernel's clock for that goes in steps, and some file systems keep coarser ones: a
// listing that was made while the time of change was young may miss what came right after it, and
// is not relied on.
#pragma once

#include "store/part_files.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace portd::store {

class PartListing {
  public:
    using Clock = std::chrono::system_clock;
    explicit PartListing(std::filesystem::path directory,
                         std::function<Clock::time_point()> clock = Clock::now)
        : directory_(std::move(directory)), clock_(std::move(clock)) {}

    // As list_parts().
    const std::vector<PartFile> &now();

  private:
    struct Version {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::int64_t changed_ns = 0; // by the wall clock

        bool operator==(const Version &) const = default;
    };
    std::optional<Version> version() const;

    const std::filesystem::path directory_;
    const std::function<Clock::time_point()> clock_;
    std::optional<Version> listed_; // absent: `parts_` may be out of date
    std::vector<PartFile> parts_;
};

} // namespace portd::store
