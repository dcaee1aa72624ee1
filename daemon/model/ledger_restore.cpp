// Taking over from an earlier run: what it had stored, and what it had noted beside.
#include "model/ledger_state.hpp"

#include <algorithm>
#include <functional>

namespace portd::model {
namespace {

// A port lingers because its socket was released, of which the last holder tells, or because it
// left a TIME_WAIT entry: without a note it is known of both no better than since when.
void guess_end(Record &record) {
    const auto &lease = record.lease;
    if (lease.phase != Phase::lingering || !lease.closed || !lease.closed->latest)
        return;
    if (lease.last_holder.provenance == Provenance::observed) {
        record.released_at = lease.closed->latest;
    } else {
        record.left_at = lease.closed->latest;
        record.remains = SocketClosed::Remains::time_wait;
    }
    record.settled_at = std::max(record.last_shown, *lease.closed->latest);
}

void lose_sight_of_holders(Lease &lease) {
    for (auto &holder : lease.holders) {
        holder.present = false; // until seen again
        holder.gone_by.reset();
    }
}

} // namespace

// Nothing if it is over and forgotten, or there already.
Ledger::State::Entry *Ledger::State::restore_one(Lease lease, const LedgerNote *note,
                                                 Instant watched_until) {
    const SocketKey socket = lease.id.socket;
    auto &table = table_of(lease.protocol, lease.local.address.family, socket.network_namespace);
    next_serial_ = std::max(next_serial_, lease.serial + 1);
    SocketKey key = note ? note->key : socket;
    if (note && table.records.contains(key))
        key = replaced_key(lease.serial); // the socket went on with another lease
    if ((!note && !lease.is_open()) || table.records.contains(key))
        return nullptr;
    Record record;
    if (note)
        static_cast<RecordState &>(record) = note->state;
    else
        record.last_shown = watched_until;
    record.lease = std::move(lease);
    if (record.lease.is_open()) {
        ++open_;
        lose_sight_of_holders(record.lease);
        if (!note)
            guess_end(record);
    }
    auto &[name, placed] = *table.records.emplace(key, std::move(record)).first;
    if (placed.alias)
        table.renamed[*placed.alias] = name;
    if (is_connection(placed.lease) && !is_replaced(name))
        connect(table, name, placed.lease);
    if (placed.lease.is_open() && placed.lease.phase == Phase::listening)
        listen(table, name, placed.lease);
    note_without_word(table, name, placed);
    return &*table.records.find(name);
}

// What it waits for: the end of its TIME_WAIT entry, or that nothing more is heard of it.
void Ledger::State::restore_wait(Entry &entry) {
    auto &[key, record] = entry;
    const auto &lease = record.lease;
    auto &table =
        table_of(lease.protocol, lease.local.address.family, lease.id.socket.network_namespace);
    const bool has_left = lease.phase == Phase::lingering && record.settled_at > Instant{};
    if (!lease.is_open()) {
        settle(table, key, record, record.standing, record.settled_at);
    } else if (record.standing == Standing::destroyed || has_left) {
        auto &queue = table.scanned_whole      ? table.destroyed
                      : record.peer_has_closed ? table.lingering_closed
                                               : table.lingering_half_closed;
        queue.emplace_back(record.settled_at, key);
    }
}

void Ledger::State::restore(std::vector<Lease> open_leases, Instant watched_until) {
    for (auto &lease : open_leases)
        if (auto *entry = restore_one(std::move(lease), nullptr, watched_until))
            restore_wait(*entry);
}

void Ledger::State::resume(std::vector<Lease> leases, const LedgerNotes &notes,
                           Instant watched_until) {
    keeps_notes_ = true;
    std::unordered_map<std::int64_t, const LedgerNote *> by_serial;
    for (const auto &note : notes.changed)
        by_serial[note.serial] = &note;
    // The earlier run began with a whole scan of its own namespace.
    for (const auto protocol : {Protocol::tcp, Protocol::udp})
        for (const auto family : {Family::ipv4, Family::ipv6})
            if (own_namespace_)
                table_of(protocol, family, *own_namespace_).scanned_whole = true;
    // A socket's newest lease goes by its key.
    std::ranges::sort(leases, std::greater{}, &Lease::serial);
    std::vector<std::pair<Instant, Entry *>> restored;
    for (auto &lease : leases) {
        const auto note = by_serial.find(lease.serial);
        if (auto *entry = restore_one(
                std::move(lease), note == by_serial.end() ? nullptr : note->second, watched_until))
            restored.emplace_back(entry->second.settled_at, entry);
    }
    std::ranges::stable_sort(restored, std::less{}, &std::pair<Instant, Entry *>::first);
    for (auto &[_, entry] : restored) {
        restore_wait(*entry);
        // It is counted out when it is told of after all.
        unseen += entry->second.is_unseen ? 1 : 0;
    }
    for (const auto &claim : notes.claims)
        park(claim);
}

} // namespace portd::model
