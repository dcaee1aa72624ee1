// Names of users, from the system's user database.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace portd::store {

// getpwuid_r(3), remembered for a minute: the database can be a server far away.
class UserNames {
  public:
    // Absent where the uid has no name, or the database cannot say.
    std::optional<std::string> name(std::uint32_t uid);

  private:
    using Clock = std::chrono::steady_clock;
    std::unordered_map<std::uint32_t, std::optional<std::string>> names_;
    Clock::time_point begun_{};
};

} // namespace portd::store
