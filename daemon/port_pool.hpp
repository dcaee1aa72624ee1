// How many of the ports from which the kernel chooses are taken: a port counts once, however many
// leases it has.
#pragma once

#include "model/lease.hpp"
#include "model/port_policy.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace portd {

class PortPool {
  public:
    // Of this network namespace (its inode number).
    explicit PortPool(std::uint32_t network_namespace) : network_namespace_(network_namespace) {}

    void follow(const model::NamespacePorts &ports);
    // A lease that began, changed or ended.
    void note(const model::Lease &lease);

    std::size_t size() const { return size_; }
    // Looks at every open lease, unless they are so few that the pool cannot be short.
    std::size_t used(Protocol protocol) const;

  private:
    struct Taken {
        Protocol protocol;
        std::uint16_t port;
    };

    const std::uint32_t network_namespace_;
    model::NamespacePorts ports_;
    std::size_t size_ = 0;
    std::unordered_map<std::int64_t, Taken> open_; // by serial
};

} // namespace portd
