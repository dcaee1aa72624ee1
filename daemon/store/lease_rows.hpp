// Private to the store: leases as they stand in one part, read back.
#pragma once

#include "model/lease.hpp"
#include "store/boot.hpp"
#include "store/database.hpp"
#include "store/part.hpp"
#include "store/process_rows.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace portd::store {

// Equal processes are one object until forget(). Rows that no portd can have written are a
// DamagedStore.
class LeaseRows {
  public:
    // `part` lives longer.
    LeaseRows(Database &database, const Part &part);

    struct Stored {
        model::Lease lease;
        std::int64_t boot_row = 0;
        const StoredBoot *boot = nullptr; // lives as long as this object
        std::optional<std::string> network_namespace_name;
    };
    // The row must exist.
    Stored lease(std::int64_t serial);
    ProcessRows &processes() { return processes_; }
    // Flows and processes that were read: away with them, or only where there are more.
    void forget();
    bool forget_beyond(std::size_t most_flows, std::size_t most_processes);
    // What the namespace was called at that moment, in row time.
    std::optional<std::string> namespace_name(std::int64_t boot, std::uint32_t inode,
                                              std::int64_t at_us);

  private:
    // What a flow says of its leases.
    struct Flow {
        model::Lease lease;
        std::int64_t boot_row = 0;
    };

    const Flow &flow(std::int64_t id);
    void add_holders(std::int64_t flow, std::optional<std::int64_t> first, model::Lease &lease);
    void set_holder_times(std::int64_t id, std::int64_t base_offset_us, model::Lease &lease);
    model::Address address(std::int64_t id);

    Database &database_;
    const Part &part_;
    ProcessRows processes_;
    Statement select_lease_;
    Statement select_flow_;
    Statement select_other_holders_;
    Statement select_holder_times_;
    Statement select_address_;
    Statement select_namespace_name_;
    std::unordered_map<std::int64_t, Flow> flows_;
};

} // namespace portd::store
