#include "admission.hpp"

#include <algorithm>
#include <utility>

namespace portd::server {

Admission::Place::Place(Place &&other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)), uid_(other.uid_) {}

Admission::Place::~Place() {
    if (admission_ != nullptr)
        admission_->leave(uid_);
}

std::variant<Admission::Place, Refusal> Admission::admit(std::uint32_t uid) {
    const bool root = uid == 0;
    const std::size_t kept = std::min(limits_.connections_of_root, limits_.connections);
    const std::size_t own = root ? kept : limits_.connections_per_user;
    const auto found = by_uid_.find(uid);
    if ((found == by_uid_.end() ? 0 : found->second) >= own)
        return Refusal{"connectionsPerUser", own};
    if (!root && ordinary_ >= limits_.connections - kept)
        return Refusal{"connections", limits_.connections};
    ++by_uid_[uid];
    ordinary_ += root ? 0 : 1;
    return Place(*this, uid);
}

void Admission::leave(std::uint32_t uid) {
    const auto found = by_uid_.find(uid);
    if (--found->second == 0)
        by_uid_.erase(found);
    ordinary_ -= uid == 0 ? 0 : 1;
}

} // namespace portd::server
