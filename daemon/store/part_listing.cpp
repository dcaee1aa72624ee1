#include "store/part_listing.hpp"

#include <sys/stat.h>

namespace portd::store {
namespace {

// Longer than a step of the times of any file system.
constexpr auto young = std::chrono::seconds(3);

} // namespace

// Absent if it cannot be said.
std::optional<PartListing::Version> PartListing::version() const {
    struct stat status {};
    if (::stat(directory_.c_str(), &status) != 0)
        return std::nullopt;
    return Version{status.st_dev, status.st_ino,
                   status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec};
}

const std::vector<PartFile> &PartListing::now() {
    const auto before = version();
    if (before && before == listed_)
        return parts_;
    const auto begun = clock_().time_since_epoch();
    listed_.reset();
    parts_ = list_parts(directory_);
    if (before && std::chrono::nanoseconds(before->changed_ns) + young < begun)
        listed_ = before;
    return parts_;
}

} // namespace portd::store
