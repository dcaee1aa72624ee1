#include "store/user_names.hpp"

#include <cerrno>
#include <cstddef>
#include <vector>

#include <pwd.h>

namespace portd::store {
namespace {

constexpr std::size_t max_names = 4096;
constexpr std::size_t max_entry_bytes = 1 << 20;
constexpr std::chrono::seconds remembered{60};

std::optional<std::string> look_up(std::uint32_t uid) {
    std::vector<char> buffer(1024);
    passwd entry{};
    passwd *found = nullptr;
    while (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == ERANGE &&
           buffer.size() < max_entry_bytes)
        buffer.resize(buffer.size() * 2);
    if (!found || !found->pw_name)
        return std::nullopt;
    return found->pw_name;
}

} // namespace

std::optional<std::string> UserNames::name(std::uint32_t uid) {
    const Clock::time_point now = Clock::now();
    if (now - begun_ > remembered || names_.size() >= max_names) {
        names_.clear();
        begun_ = now;
    }
    if (const auto known = names_.find(uid); known != names_.end())
        return known->second;
    return names_.emplace(uid, look_up(uid)).first->second;
}

} // namespace portd::store
