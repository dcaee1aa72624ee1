#include "store/lease_writer.hpp"

#include "store/lease_span.hpp"
#include "store/lease_state.hpp"
#include "store/lease_times.hpp"
#include "store/row.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace portd::store {
namespace {

constexpr std::size_t max_known_leases = 1 << 17;
constexpr std::size_t rows_at_once = 32;

// The columns of a row in the order in which they are bound: what is settled, and what changes as a
// lease goes on.
constexpr std::array<std::string_view, 5> settled{"id", "flow", "ports", "peer_address",
                                                  "key_value"};
constexpr std::array<std::string_view, 7> progress{
    "state", "opened_by_us", "closed_us", "freed_us", "spreads", "bytes_sent", "bytes_received"};

template <std::size_t Count>
std::string list(const std::array<std::string_view, Count> &columns) {
    std::string text;
    for (const std::string_view column : columns)
        text.append(text.empty() ? "" : ", ").append(column);
    return text;
}

// "(?, ?), (?, ?)", for so many rows.
std::string insert_sql(std::size_t rows) {
    std::string row = "(?";
    for (std::size_t i = 1; i < settled.size() + progress.size(); ++i)
        row += ", ?";
    row += ")";
    std::string all = row;
    for (std::size_t i = 1; i < rows; ++i)
        all += ", " + row;
    return "INSERT OR ROLLBACK INTO lease(" + list(settled) + ", " + list(progress) + ") VALUES " +
           all;
}

template <std::size_t Count>
std::string assignments(const std::array<std::string_view, Count> &columns, std::size_t skipped,
                        std::size_t parameter) {
    std::string text;
    for (std::size_t i = skipped; i < Count; ++i)
        text.append(text.empty() ? "" : ", ")
            .append(columns[i])
            .append(" = ?" + std::to_string(parameter++));
    return text;
}

// Of lease.spreads.
std::string spreads_text(const LeaseTimes &times) {
    const auto text = [](std::optional<std::int64_t> spread_us) {
        return spread_us ? std::to_string(*spread_us) : "null";
    };
    return "[" + std::to_string(times.first_observed_us) + "," + text(times.opened_spread_us) +
           "," + text(times.closed_spread_us) + "," + text(times.freed_spread_us) + "]";
}

// A holder of whom there is nothing to say.
bool is_plain(const model::Holder &holder, const model::Lease &lease) {
    const model::Instant opened = opened_by(lease);
    const model::Instant last = lease.closed ? lease.closed->latest.value_or(opened) : opened;
    return holder.first_seen == opened && holder.last_seen == last &&
           holder.present == !lease.closed.has_value();
}

} // namespace

LeaseWriter::LeaseWriter(Database &database, Interning &interning, Part &part, const Boot &boot,
                         Counts stored, std::int64_t waiting_leases, RecentEnds *recent_ends)
    : database_(database),
      part_(part),
      boot_(boot),
      interning_(interning),
      flows_(database, interning),
      late_index_(database, part, waiting_leases),
      end_order_(database, part, recent_ends),
      select_entry_(database, "SELECT " + span_sql() +
                                  ", port, flow, peer_address FROM lease AS l WHERE id = ?1"),
      insert_one_(database, insert_sql(1)),
      insert_many_(database, insert_sql(rows_at_once)),
      update_all_(database, "UPDATE lease SET " + assignments(settled, 1, 2) + ", " +
                                assignments(progress, 0, 1 + settled.size()) + " WHERE id = ?1"),
      update_progress_(database,
                       "UPDATE lease SET " + assignments(progress, 0, 2) + " WHERE id = ?1"),
      insert_holder_(database, "INSERT INTO open_holder(lease, ordinal, first_us, last_us, "
                               "present) VALUES(?1, ?2, ?3, ?4, ?5)"),
      delete_holders_(database, "DELETE FROM open_holder WHERE lease = ?1"),
      counts_(stored) {}

void LeaseWriter::roll_back(const Counts &before) {
    counts_ = before;
    known_.clear();
    flows_.forget();
    part_ = read_part(database_);
    late_index_.roll_back();
}

// A lease can be there twice: its first state goes in, and the next one replaces it.
void LeaseWriter::write(std::span<const model::Lease> leases) {
    std::vector<const model::Lease *> fresh;
    std::vector<const model::Lease *> others;
    for (const model::Lease &lease : leases) {
        if (lease.serial <= 0)
            throw std::invalid_argument("a lease without a serial");
        const std::int64_t last = fresh.empty() ? counts_.last_serial : fresh.back()->serial;
        (lease.serial > last ? fresh : others).push_back(&lease);
    }
    insert(fresh);
    for (const model::Lease *lease : others)
        replace(*lease);
    late_index_.fill_if_due();
}

void LeaseWriter::insert(Fresh leases) {
    if (!leases.empty() && !part_.origin) {
        const model::Lease &first = *leases.front();
        part_.origin = first.serial - 1;
        part_.shift_us = to_us(opened_by(first)) + boot_.base_offset_us - first.serial;
        write_part(database_, part_);
    }
    while (!leases.empty()) {
        const std::size_t count = leases.size() >= rows_at_once ? rows_at_once : 1;
        insert_rows(count == 1 ? insert_one_ : insert_many_, leases.first(count));
        leases = leases.subspan(count);
    }
}

void LeaseWriter::insert_rows(Statement &statement, Fresh leases) {
    Execution execution(statement);
    for (const model::Lease *lease : leases) {
        const std::int64_t flow = flows_.flow(*lease, boot_.row);
        bind_row(execution, *lease, flow);
        bind_progress(execution, *lease, boot_);
        if (lease->is_open())
            remember(*lease, flow, insert_holders(*lease));
        else
            end_order_.place(*lease, boot_.base_offset_us);
        counts_.last_serial = std::max(counts_.last_serial, lease->serial);
        late_index_.add(part_.id_of(lease->serial), entry(*lease, flow));
    }
    execution.run();
    counts_.leases += static_cast<std::int64_t>(leases.size());
}

void LeaseWriter::replace(const model::Lease &lease) {
    const auto found = known_.find(lease.serial);
    const Known *known = found == known_.end() ? nullptr : &found->second;
    const std::int64_t flow = flows_.flow(lease, boot_.row);
    if (!lease.is_open())
        end_order_.place(lease, boot_.base_offset_us);
    if (!update(lease, flow, known)) {
        const model::Lease *const one = &lease;
        insert({&one, 1});
        return;
    }
    replace_holders(lease, known);
    if (!lease.is_open())
        known_.erase(lease.serial);
}

bool LeaseWriter::update(const model::Lease &lease, std::int64_t flow, const Known *known) {
    if (known && known->flow == flow && known->port == lease.local.port &&
        known->peer == lease.peer) {
        Execution execution(update_progress_);
        execution.bind(part_.id_of(lease.serial));
        bind_progress(execution, lease, boot_);
        execution.run();
    } else {
        follow(lease, flow);
        Execution execution(update_all_);
        bind_row(execution, lease, flow);
        bind_progress(execution, lease, boot_);
        execution.run();
    }
    if (database_.changed_rows() != 1)
        return false;
    if (lease.is_open())
        remember(lease, flow, known && known->has_holder_rows);
    return true;
}

std::optional<std::int64_t> LeaseWriter::peer_of(const model::Lease &lease) {
    if (lease.peer == model::Endpoint{})
        return std::nullopt;
    return interning_.address(lease.peer.address);
}

LateIndex::Entry LeaseWriter::entry(const model::Lease &lease, std::int64_t flow) {
    return {span_of(lease, filed_at(lease, boot_)), lease.local.port, flow, peer_of(lease)};
}

void LeaseWriter::follow(const model::Lease &lease, std::int64_t flow) {
    const std::int64_t id = part_.id_of(lease.serial);
    if (!late_index_.knows(id))
        return;
    std::optional<LateIndex::Entry> before;
    {
        Execution row(select_entry_);
        if (row.bind(id).next())
            before = {static_cast<Span>(row.integer(0)), row.integer(1), row.integer(2),
                      row.optional_integer(3)};
    }
    if (before)
        late_index_.change(id, *before, entry(lease, flow));
}

model::Instant LeaseWriter::filed_at(const model::Lease &lease, const Boot &boot) const {
    return model::instant_from_us(part_.moment_us(lease.serial) - boot.base_offset_us);
}

void LeaseWriter::end(const model::Lease &lease, const Boot &boot) {
    end_order_.place(lease, boot.base_offset_us);
    {
        Execution execution(update_progress_);
        execution.bind(part_.id_of(lease.serial));
        bind_progress(execution, lease, boot);
        execution.run();
    }
    Execution(delete_holders_).bind(part_.id_of(lease.serial)).run();
}

bool LeaseWriter::insert_holders(const model::Lease &lease) {
    bool inserted = false;
    for (std::size_t i = 0; i < lease.holders.size(); ++i) {
        const model::Holder &holder = lease.holders[i];
        if (is_plain(holder, lease))
            continue;
        Execution(insert_holder_)
            .bind(part_.id_of(lease.serial))
            .bind(static_cast<std::int64_t>(i))
            .bind(to_us(holder.first_seen) + boot_.base_offset_us)
            .bind(to_us(holder.last_seen) + boot_.base_offset_us)
            .bind(std::int64_t{holder.present})
            .run();
        inserted = true;
    }
    return inserted;
}

void LeaseWriter::replace_holders(const model::Lease &lease, const Known *known) {
    if (!known || known->has_holder_rows)
        Execution(delete_holders_).bind(part_.id_of(lease.serial)).run();
    if (!lease.is_open())
        return;
    const bool inserted = insert_holders(lease);
    known_.at(lease.serial).has_holder_rows = inserted;
}

void LeaseWriter::remember(const model::Lease &lease, std::int64_t flow, bool has_holder_rows) {
    if (known_.size() >= max_known_leases && !known_.contains(lease.serial))
        known_.clear();
    known_.insert_or_assign(lease.serial,
                            Known{flow, lease.local.port, lease.peer, has_holder_rows});
}

void LeaseWriter::bind_row(Execution &execution, const model::Lease &lease, std::int64_t flow) {
    execution.bind(part_.id_of(lease.serial))
        .bind(flow)
        .bind((std::int64_t{lease.local.port} - 32768) * 65536 + lease.peer.port)
        .bind(peer_of(lease))
        .bind(as_signed(lease.id.socket.value));
}

void LeaseWriter::bind_progress(Execution &execution, const model::Lease &lease, const Boot &boot) {
    const LeaseTimes times = pack_times(lease);
    const model::Instant filed = filed_at(lease, boot);
    execution.bind(pack_state({span_of(lease, filed), lease.phase, lease.outcome, times.kinds}))
        .bind(times.opened_by_us - to_us(filed))
        .bind(times.closed_us)
        .bind(times.freed_us);
    if (times.first_observed_us == 0 && !times.opened_spread_us && !times.closed_spread_us)
        execution.bind(times.freed_spread_us);
    else
        execution.bind_copy(spreads_text(times));
    execution.bind(as_signed(lease.bytes_sent)).bind(as_signed(lease.bytes_received));
}

} // namespace portd::store
