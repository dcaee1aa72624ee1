// The ports that programs bind of their own choice though the kernel may choose them, and how often
// it did. Pure.
#pragma once

#include "audit_table.hpp"
#include "model/port_policy.hpp"
#include "proto/answers.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace portd::server {

class ConflictTable {
  public:
    static constexpr std::size_t most_conflicts = 1024;
    static constexpr std::size_t most_programs = 3;

    ConflictTable(model::NamespacePorts ports, std::int64_t network_namespace)
        : ports_(std::move(ports)), network_namespace_(network_namespace) {}

    // First the leases that are open, and the binds that were refused, in the order of time.
    void add_open(const proto::Lease &lease);
    void add(const proto::BindFailure &failure);

    // Then, of each of these ports, the leases since the time that is asked about.
    using Port = std::pair<std::int64_t, Protocol>;
    std::vector<Port> ports() const;
    void add_past(const proto::Lease &lease);

    // Those that the kernel chose most often first.
    std::vector<proto::PortConflict> conflicts() const;
    std::int64_t reserved() const { return static_cast<std::int64_t>(reserved_.size()); }
    std::int64_t choice_unknown() const;

  private:
    struct Entry {
        proto::PortConflict told;
        AuditTable programs{AuditBy::program};
    };

    // The entry of a port that is one; nothing for others, and where there is no room.
    Entry *entry_of(const Port &port);
    bool is_in_range(std::int64_t port) const;

    model::NamespacePorts ports_;
    std::int64_t network_namespace_;
    std::map<Port, Entry> entries_;
    std::set<Port> reserved_;
    std::set<Port> choice_unknown_;
};

} // namespace portd::server
