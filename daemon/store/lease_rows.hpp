// Private to the store: leases as rows.
#pragma once

#include "model/lease.hpp"
#include "store/boot.hpp"
#include "store/database.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace portd::store {

// A holder as it stands in lease_holder.
struct HolderRow {
    std::int64_t process = 0;
    std::int64_t first_us = 0;
    std::int64_t last_us = 0;
    bool present = false;

    bool operator==(const HolderRow &) const = default;
};

// Statements over the lease table that take all of its columns, in this order of parameters.
std::string insert_lease_sql();
std::string update_lease_sql();
// Leaves out what hardly ever changes but stands in an index, so that the index is left alone.
std::string update_unmoved_lease_sql();
void bind_lease(Execution &execution, const model::Lease &lease, std::int64_t boot,
                std::int64_t base_offset_us);

// The latest moment at which the lease can have been opened; what listings are sorted by. Where
// opened.latest is not known, portd had word of the lease at first_observed: it was open by then.
model::Instant opened_by(const model::Lease &lease);

// Reads leases back. Equal processes are one object until forget_processes(). Rows that no portd
// can have written are a DamagedStore.
class LeaseRows {
  public:
    explicit LeaseRows(Database &database);

    struct Stored {
        model::Lease lease;
        const BootInfo *boot = nullptr; // lives as long as this object
    };
    // The row must exist.
    Stored lease(std::int64_t serial);
    model::ProcessRef process(std::int64_t id);
    void forget_processes() { processes_.clear(); }

  private:
    const BootInfo &boot(std::int64_t id);
    std::vector<model::Holder> holders(std::int64_t serial, std::int64_t base_offset_us);
    std::vector<model::Ancestor> ancestors(std::int64_t process);

    Database &database_;
    Statement select_lease_;
    Statement select_holders_;
    Statement select_process_;
    Statement select_ancestors_;
    Statement select_boot_;
    std::unordered_map<std::int64_t, BootInfo> boots_;
    std::unordered_map<std::int64_t, model::ProcessRef> processes_;
};

} // namespace portd::store
