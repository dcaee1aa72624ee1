// Private to the store: leases as rows.
#pragma once

#include "model/lease.hpp"
#include "store/boot.hpp"
#include "store/database.hpp"

#include <cstddef>
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

// Statements over the lease table that take all of its columns, in the order of bind_lease(). The
// places of the values of one or more rows follow the first.
inline constexpr std::size_t lease_column_count = 33;
std::string insert_lease_sql();
std::string update_lease_sql();
struct Filing {
    std::int64_t boot = 0;
    std::int64_t base_offset_us = 0;
    std::int64_t epoch = 0; // see store/epochs.hpp
};
void bind_lease(Execution &execution, const model::Lease &lease, const Filing &filing);

// What changes as a lease goes on. Of the indexes it concerns that of the open leases alone.
std::string update_progress_sql();
void bind_progress(Execution &execution, const model::Lease &lease, std::int64_t base_offset_us);

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
        std::optional<std::string> network_namespace_name;
    };
    // The row must exist.
    Stored lease(std::int64_t serial);
    model::ProcessRef process(std::int64_t id);
    void forget_processes() { processes_.clear(); }
    const BootInfo &boot(std::int64_t id); // lives as long as this object
    // What the namespace was called at that moment, in row time.
    std::optional<std::string> namespace_name(std::int64_t boot, std::uint32_t inode,
                                              std::int64_t at_us);

  private:
    std::vector<model::Holder> holders(std::int64_t serial, std::int64_t base_offset_us);
    std::vector<model::Ancestor> ancestors(std::int64_t process);

    Database &database_;
    Statement select_lease_;
    Statement select_holders_;
    Statement select_process_;
    Statement select_ancestors_;
    Statement select_boot_;
    Statement select_namespace_name_;
    std::unordered_map<std::int64_t, BootInfo> boots_;
    std::unordered_map<std::int64_t, model::ProcessRef> processes_;
};

} // namespace portd::store
