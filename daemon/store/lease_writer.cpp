#include "store/lease_writer.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace portd::store {
namespace {

constexpr std::size_t max_known_leases = 1 << 17;
constexpr std::size_t rows_at_once = 32;

// "(?, ?), (?, ?)", for so many rows.
std::string places(std::size_t columns, std::size_t rows) {
    std::string row = "(?";
    for (std::size_t i = 1; i < columns; ++i)
        row += ", ?";
    row += ")";
    std::string all = row;
    for (std::size_t i = 1; i < rows; ++i)
        all += ", " + row;
    return all;
}

std::string insert_holders_sql(std::size_t rows) {
    return "INSERT OR ROLLBACK INTO lease_holder(lease, ordinal, process, first_us, last_us, "
           "present) VALUES " +
           places(6, rows);
}

void bind_holder(Execution &execution, std::int64_t lease, std::int64_t ordinal,
                 const HolderRow &row) {
    execution.bind(lease)
        .bind(ordinal)
        .bind(row.process)
        .bind(row.first_us)
        .bind(row.last_us)
        .bind(std::int64_t{row.present});
}

// Hands out all of them, many at once as long as there are so many.
template <typename Item, typename Act>
void in_chunks(std::span<const Item> items, Statement &many, Statement &one, Act act) {
    while (!items.empty()) {
        const std::size_t count = items.size() >= rows_at_once ? rows_at_once : 1;
        act(count == 1 ? one : many, items.first(count));
        items = items.subspan(count);
    }
}

} // namespace

LeaseWriter::LeaseWriter(Database &database, Interning &interning, std::int64_t boot,
                         std::int64_t base_offset_us, Counts stored)
    : database_(database),
      interning_(interning),
      boot_(boot),
      base_offset_us_(base_offset_us),
      epochs_(database),
      insert_one_(database, insert_lease_sql() + places(lease_column_count, 1)),
      insert_many_(database, insert_lease_sql() + places(lease_column_count, rows_at_once)),
      insert_holder_(database, insert_holders_sql(1)),
      insert_holders_(database, insert_holders_sql(rows_at_once)),
      update_all_(database, update_lease_sql()),
      update_progress_(database, update_progress_sql()),
      put_holder_(database, insert_holders_sql(1) +
                                " ON CONFLICT(lease, ordinal) DO UPDATE SET "
                                "process = excluded.process, first_us = excluded.first_us, "
                                "last_us = excluded.last_us, present = excluded.present"),
      drop_holders_(database, "DELETE FROM lease_holder WHERE lease = ?1 AND ordinal >= ?2"),
      counts_(stored) {}

LeaseWriter::Settled LeaseWriter::settled(const model::Lease &lease) {
    return {lease.id,          lease.protocol, lease.local, lease.peer,  lease.role,
            lease.port_choice, lease.opened,   lease.uid,   lease.opener};
}

void LeaseWriter::roll_back(const Counts &before) {
    counts_ = before;
    known_.clear();
    epochs_.reload();
}

// A lease can be there twice: its first state goes in, and the next one replaces it.
void LeaseWriter::write(std::span<const model::Lease> leases) {
    std::vector<const model::Lease *> fresh;
    std::vector<const model::Lease *> others;
    for (const model::Lease &lease : leases) {
        const std::int64_t last = fresh.empty() ? counts_.last_serial : fresh.back()->serial;
        (lease.serial > last ? fresh : others).push_back(&lease);
    }
    insert(fresh);
    for (const model::Lease *lease : others)
        replace(*lease);
}

void LeaseWriter::insert(Fresh leases) {
    std::vector<NewHolder> new_holders;
    for (const model::Lease *lease : leases) {
        std::vector<HolderRow> rows = holder_rows(*lease);
        for (std::size_t i = 0; i < rows.size(); ++i)
            new_holders.push_back({lease->serial, static_cast<std::int64_t>(i), rows[i]});
        if (lease->is_open())
            remember(*lease, std::move(rows));
    }
    in_chunks(leases, insert_many_, insert_one_,
              [this](Statement &statement, Fresh chunk) { insert_rows(statement, chunk); });
    in_chunks(std::span<const NewHolder>(new_holders), insert_holders_, insert_holder_,
              [this](Statement &statement, std::span<const NewHolder> chunk) {
                  insert_rows(statement, chunk);
              });
}

void LeaseWriter::insert_rows(Statement &statement, Fresh leases) {
    Execution execution(statement);
    for (const model::Lease *lease : leases) {
        bind_lease(execution, *lease, filing(epochs_.file(row_us(opened_by(*lease)))));
        counts_.last_serial = std::max(counts_.last_serial, lease->serial);
    }
    execution.run();
    counts_.leases += static_cast<std::int64_t>(leases.size());
}

void LeaseWriter::insert_rows(Statement &statement, std::span<const NewHolder> holders) {
    Execution execution(statement);
    for (const NewHolder &holder : holders)
        bind_holder(execution, holder.lease, holder.ordinal, holder.row);
    execution.run();
}

void LeaseWriter::replace(const model::Lease &lease) {
    const auto found = known_.find(lease.serial);
    const Known *known = found == known_.end() ? nullptr : &found->second;
    if (!update(lease, known)) {
        const model::Lease *const one = &lease;
        insert({&one, 1});
        return;
    }
    std::vector<HolderRow> holders = holder_rows(lease);
    update_holders(lease.serial, holders, known);
    if (lease.is_open())
        remember(lease, std::move(holders));
    else
        known_.erase(lease.serial);
}

bool LeaseWriter::update(const model::Lease &lease, const Known *known) {
    if (known && known->settled == settled(lease)) {
        Execution execution(update_progress_);
        bind_progress(execution, lease, base_offset_us_);
        execution.run();
    } else {
        Execution execution(update_all_);
        bind_lease(execution, lease, filing(epochs_.epoch_of(row_us(opened_by(lease)))));
        execution.run();
    }
    return database_.changed_rows() == 1;
}

void LeaseWriter::update_holders(std::int64_t serial, const std::vector<HolderRow> &holders,
                                 const Known *known) {
    static const std::vector<HolderRow> none;
    const std::vector<HolderRow> &stored = known ? known->holders : none;
    if (!known || stored.size() > holders.size())
        Execution(drop_holders_)
            .bind(serial)
            .bind(known ? static_cast<std::int64_t>(holders.size()) : 0)
            .run();
    for (std::size_t i = 0; i < holders.size(); ++i) {
        if (i < stored.size() && stored[i] == holders[i])
            continue;
        Execution put(put_holder_);
        bind_holder(put, serial, static_cast<std::int64_t>(i), holders[i]);
        put.run();
    }
}

void LeaseWriter::remember(const model::Lease &lease, std::vector<HolderRow> holders) {
    if (known_.size() >= max_known_leases && !known_.contains(lease.serial))
        known_.clear();
    known_.insert_or_assign(lease.serial, Known{settled(lease), std::move(holders)});
}

std::vector<HolderRow> LeaseWriter::holder_rows(const model::Lease &lease) {
    std::vector<HolderRow> rows;
    rows.reserve(lease.holders.size());
    for (const model::Holder &holder : lease.holders)
        rows.push_back({interning_.process(holder.process), row_us(holder.first_seen),
                        row_us(holder.last_seen), holder.present});
    return rows;
}

} // namespace portd::store
