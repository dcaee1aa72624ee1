#include "turns.hpp"

#include <algorithm>
#include <utility>

namespace portd::server {

void Turns::add(std::uint32_t uid, Work work) {
    auto user = std::ranges::find(users_, uid, &User::uid);
    if (user == users_.end()) {
        if (users_.empty())
            run_soon_();
        user = users_.insert(users_.end(), {uid, {}});
    }
    user->waiting.push_back(std::move(work));
}

// Work that adds more finds its user behind all others.
void Turns::run_one() {
    User user = std::move(users_.front());
    users_.pop_front();
    const Work work = std::move(user.waiting.front());
    user.waiting.pop_front();
    if (!user.waiting.empty())
        users_.push_back(std::move(user));
    if (!users_.empty())
        run_soon_();
    work();
}

} // namespace portd::server
