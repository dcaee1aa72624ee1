// Which class each port of a map has: by the program that has it, how long it has been held, or how
// often it was taken. Pure.
#pragma once

#include "client/port_map.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace portd::client {

enum class MapBy { program, age, churn };

class MapClasses {
  public:
    // Ages are those at `at_usec`.
    MapClasses(MapBy by, std::int64_t low, std::int64_t high, std::int64_t at_usec)
        : by_(by),
          low_(low),
          high_(high),
          at_usec_(at_usec),
          ports_(static_cast<std::size_t>(high - low + 1)) {}

    // A lease that had its port at that moment, or for MapBy::churn at some moment before.
    void add(const proto::Lease &lease, Charset charset);

    PortMap map() const;
    std::int64_t used() const;

  private:
    struct Port {
        std::int64_t leases = 0;
        std::optional<std::size_t> program;      // of programs_; of those that a process has
        std::optional<std::int64_t> oldest_usec; // age
        bool lingering = false;
    };

    PortMap by_program() const;
    PortMap by_steps(const std::vector<std::string> &labels,
                     const std::vector<std::int64_t> &from) const;

    MapBy by_;
    std::int64_t low_;
    std::int64_t high_;
    std::int64_t at_usec_;
    std::vector<Port> ports_;
    std::map<std::string, std::size_t> programs_; // escaped names
};

} // namespace portd::client
