// Private to the store: which leases kept a program from binding a port, and so why the kernel
// refused it. Kernel: __inet_bind() in net/ipv4/af_inet.c asks for the privilege first (EACCES),
// and then for the port (EADDRINUSE). Pure.
#pragma once

#include "store/bind_failure_rows.hpp"
#include "store/lease_rows.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace portd::store {

struct Obstacles {
    std::vector<LeaseRows::Stored> leases; // at most most_in_the_way, the likeliest first
    std::optional<std::string> error;      // where it follows
};

inline constexpr std::size_t most_in_the_way = 16;

// `leases` may have had the port at that instant: of the same protocol and network namespace.
// `are_all`: there are no others.
enum class AreAll { no, yes };
Obstacles find_obstacles(const StoredBindFailure &failure, std::vector<LeaseRows::Stored> leases,
                         AreAll are_all);

} // namespace portd::store
