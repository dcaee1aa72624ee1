// Private to the store: the writing of leases with their holders, inside the caller's transaction.
//
// Most leases are stored twice in their life: when they are found, and when their end is known. So
// new ones go in by many rows a statement, and what is stored of an open lease is remembered, to
// write only what changed.
#pragma once

#include "model/lease.hpp"
#include "store/database.hpp"
#include "store/epochs.hpp"
#include "store/interning.hpp"
#include "store/lease_rows.hpp"

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

    // `interning` lives longer.
    LeaseWriter(Database &database, Interning &interning, std::int64_t boot,
                std::int64_t base_offset_us, Counts stored);

    const Counts &counts() const { return counts_; }
    void write(std::span<const model::Lease> leases);
    // The transaction was rolled back to what `before` counted.
    void roll_back(const Counts &before);

  private:
    // What hardly ever changes once a lease is stored.
    struct Settled {
        model::LeaseId id;
        Protocol protocol = Protocol::tcp;
        model::Endpoint local;
        model::Endpoint peer;
        std::optional<Role> role;
        std::optional<PortChoice> port_choice;
        model::When opened;
        std::optional<std::uint32_t> uid;
        model::Attribution opener;

        bool operator==(const Settled &) const = default;
    };
    struct Known {
        Settled settled;
        std::vector<HolderRow> holders;
    };
    struct NewHolder {
        std::int64_t lease = 0;
        std::int64_t ordinal = 0;
        HolderRow row;
    };
    using Fresh = std::span<const model::Lease *const>;

    static Settled settled(const model::Lease &lease);
    void insert(Fresh leases);
    void insert_rows(Statement &statement, Fresh leases);
    void insert_rows(Statement &statement, std::span<const NewHolder> holders);
    void replace(const model::Lease &lease);
    bool update(const model::Lease &lease, const Known *known);
    void update_holders(std::int64_t serial, const std::vector<HolderRow> &holders,
                        const Known *known);
    void remember(const model::Lease &lease, std::vector<HolderRow> holders);
    std::vector<HolderRow> holder_rows(const model::Lease &lease);
    std::int64_t row_us(model::Instant at) const { return to_us(at) + base_offset_us_; }
    Filing filing(std::int64_t epoch) const { return {boot_, base_offset_us_, epoch}; }

    Database &database_;
    Interning &interning_;
    std::int64_t boot_;
    std::int64_t base_offset_us_;
    Epochs epochs_;
    Statement insert_one_;
    Statement insert_many_;
    Statement insert_holder_;
    Statement insert_holders_;
    Statement update_all_;
    Statement update_progress_;
    Statement put_holder_;
    Statement drop_holders_;
    Counts counts_;
    std::unordered_map<std::int64_t, Known> known_;
};

} // namespace portd::store
