// Why a port cannot be bound, from what is known of its leases. Pure.
#pragma once

#include "audit_table.hpp"
#include "blocked_times.hpp"
#include "model/bind_rules.hpp"
#include "model/port_policy.hpp"
#include "proto/answers.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace portd::server {

class BindDiagnosis {
  public:
    BindDiagnosis(model::IntendedBind bind, std::int64_t since_us);

    // The settings of the namespace of the bind, where they are known.
    void set_ports(const model::NamespacePorts &ports, std::uint16_t port);
    // Leases that are open now.
    void add_open(proto::Lease lease);
    // Leases that were there at some moment since since_us, those that are open among them.
    void add_past(const proto::Lease &lease);
    // Newest first.
    void add(proto::BindFailure failure);

    // Without what only others know: coverage, withheld, recorded.
    proto::Diagnosis finish();

    static constexpr std::size_t most_obstacles = 16;
    static constexpr std::size_t most_failures = 8;
    static constexpr std::size_t most_programs = 5;

  private:
    model::IntendedBind bind_;
    proto::Diagnosis told_;
    BlockedTimes times_;
    AuditTable programs_{AuditBy::program};
};

} // namespace portd::server
