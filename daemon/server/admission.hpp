// Who may connect: a count of connections, in all and for each uid.
#pragma once

#include "limits.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <variant>

namespace portd::server {

// The parameters of io.portd.Ports.LimitExceeded.
struct Refusal {
    std::string_view limit;
    std::size_t value = 0;
};

class Admission {
  public:
    explicit Admission(const Limits &limits) : limits_(limits) {}

    // One connection, counted as long as this lives. It must not outlive the Admission.
    class Place {
      public:
        Place(Place &&other) noexcept;
        Place &operator=(Place &&) = delete;
        ~Place();

      private:
        friend Admission;
        Place(Admission &admission, std::uint32_t uid) : admission_(&admission), uid_(uid) {}

        Admission *admission_;
        std::uint32_t uid_;
    };

    std::variant<Place, Refusal> admit(std::uint32_t uid);

  private:
    void leave(std::uint32_t uid);

    const Limits limits_;
    std::size_t ordinary_ = 0; // connections of others than root
    std::unordered_map<std::uint32_t, std::size_t> by_uid_;
};

} // namespace portd::server
