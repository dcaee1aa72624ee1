// Private to the store: the writing of leases, inside the caller's transaction.
//
// Most leases are stored twice in their life: when they are found, and when their end is known. So
// new ones go in by many rows a statement, and what is stored of an open lease is remembered, to
// write only what changed.
#pragma once

#include "model/lease.hpp"
#include "store/database.hpp"
#include "store/end_order.hpp"
#include "store/flows.hpp"
#include "store/interning.hpp"
#include "store/late_index.hpp"
#include "store/part.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace portd::store {

class LeaseWriter {
  public:
    struct Counts {
        std::int64_t leases = 0;
        std::int64_t last_serial = 0;
    };
    // The boot of the leases, as a row and in wall-clock microseconds at its begin.
    struct Boot {
        std::int64_t row = 0;
        std::int64_t base_offset_us = 0;
    };

    // `interning` and `part` live longer, as does `recent_ends`, if it is there; the part gets its
    // origin with the first lease. `waiting_leases`: see store/late_index.hpp.
    LeaseWriter(Database &database, Interning &interning, Part &part, const Boot &boot,
                Counts stored, std::int64_t waiting_leases, RecentEnds *recent_ends = nullptr);

    const Counts &counts() const { return counts_; }
    EndOrder &end_order() { return end_order_; }
    // Throws std::invalid_argument if a serial is not positive.
    void write(std::span<const model::Lease> leases);
    // The end of a stored lease, of whichever boot.
    void end(const model::Lease &lease, const Boot &boot);
    // The transaction was rolled back to what `before` counted.
    void roll_back(const Counts &before);

  private:
    // Of an open lease, what its row says apart from its progress.
    struct Known {
        std::int64_t flow = 0;
        std::uint16_t port = 0;
        model::Endpoint peer;
        bool has_holder_rows = false;
    };
    using Fresh = std::span<const model::Lease *const>;

    void insert(Fresh leases);
    void insert_rows(Statement &statement, Fresh leases);
    void replace(const model::Lease &lease);
    // Whether there was such a row.
    bool update(const model::Lease &lease, std::int64_t flow, const Known *known);
    // Before its row says so.
    void follow(const model::Lease &lease, std::int64_t flow);
    LateIndex::Entry entry(const model::Lease &lease, std::int64_t flow);
    model::Instant filed_at(const model::Lease &lease, const Boot &boot) const;
    std::optional<std::int64_t> peer_of(const model::Lease &lease);
    bool insert_holders(const model::Lease &lease);
    void replace_holders(const model::Lease &lease, const Known *known);
    void remember(const model::Lease &lease, std::int64_t flow, bool has_holder_rows);
    void bind_row(Execution &execution, const model::Lease &lease, std::int64_t flow);
    void bind_progress(Execution &execution, const model::Lease &lease, const Boot &boot);

    Database &database_;
    Part &part_;
    const Boot boot_;
    Interning &interning_;
    Flows flows_;
    LateIndex late_index_;
    EndOrder end_order_;
    Statement select_entry_;
    Statement insert_one_;
    Statement insert_many_;
    Statement update_all_;
    Statement update_progress_;
    Statement insert_holder_;
    Statement delete_holders_;
    Counts counts_;
    std::unordered_map<std::int64_t, Known> known_;
};

} // namespace portd::store
