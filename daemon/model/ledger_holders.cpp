#include "model/ledger_state.hpp"

#include "model/lease_rules.hpp"

#include <algorithm>
#include <functional>

namespace portd::model {
namespace {

constexpr std::size_t max_departures = 1024;

bool is_omitted(const Record &record, const ProcessKey &process) {
    return std::ranges::binary_search(record.omitted, process);
}

// False if it was counted before, or there are too many to count.
bool count_omitted(Record &record, const ProcessKey &process) {
    const auto place = std::ranges::lower_bound(record.omitted, process);
    const bool counted = place != record.omitted.end() && *place == process;
    if (counted || record.omitted.size() == Record::max_omitted)
        return false;
    record.omitted.insert(place, process);
    record.lease.holders_omitted =
        std::max(record.lease.holders_omitted, static_cast<std::uint32_t>(record.omitted.size()));
    return true;
}

} // namespace

void Ledger::State::apply(const HolderSeen &seen) {
    Entry *entry = find(seen.key);
    if (!entry) {
        if (seen.claim == Claim::opened)
            park(seen);
        return;
    }
    auto &[key, record] = *entry;
    const bool opened = seen.claim == Claim::opened &&
                        record.lease.opener.provenance != Provenance::observed &&
                        note_opener(record.lease, seen.process, seen.at);
    switch (add_holder(record.lease, seen.process, seen.at)) {
    case HolderNews::none:
        if (!opened)
            return;
        break;
    case HolderNews::no_room:
        if (!count_omitted(record, seen.process->key))
            return;
        break;
    case HolderNews::changed:
        remove_departed(record.lease, seen);
        break;
    }
    retire_ended(record.lease, seen.process);
    if (record.released_at)
        retire_holders(record.lease, *record.released_at);
    attribute(record.lease);
    const auto &lease = record.lease;
    note_without_word(
        table_of(lease.protocol, lease.local.address.family, lease.id.socket.network_namespace),
        key, record);
    mark(key, record);
}

// It let go when that was first said after it was seen.
void Ledger::State::remove_departed(Lease &lease, const HolderSeen &seen) const {
    std::vector<When> departures;
    for (const auto &gone : departures_)
        if (gone.key == seen.key && gone.process == seen.process->key)
            departures.push_back(gone.at);
    std::ranges::sort(departures, std::less{}, &When::latest);
    for (const auto &at : departures)
        remove_holder(lease, seen.process->key, at);
}

void Ledger::State::apply(const HolderGone &gone) {
    Entry *entry = find(gone.key);
    if (!entry)
        return;
    auto &[key, record] = *entry;
    if (remove_holder(record.lease, gone.process, gone.at)) {
        attribute(record.lease);
        mark(key, record);
    } else if (!is_held_by(record.lease, gone.process) && !is_omitted(record, gone.process)) {
        remember_departure(gone);
    }
}

// Who had it when the look began, and was not found in it, has let go.
void Ledger::State::apply(const HoldersCounted &counted) {
    Entry *entry = find(counted.key);
    if (!entry)
        return;
    auto &[key, record] = *entry;
    bool changed = false;
    for (const auto &holder : record.lease.holders)
        if (holder.present && holder.last_seen < counted.began &&
            std::ranges::find(counted.processes, holder.process->key) == counted.processes.end())
            changed = remove_holder(record.lease, holder.process->key,
                                    When::sampled(holder.last_seen, counted.at)) ||
                      changed;
    if (!changed)
        return;
    attribute(record.lease);
    mark(key, record);
}

void Ledger::State::remember_departure(const HolderGone &gone) {
    departures_.push_back(gone);
    const auto is_old = [&](const HolderGone &earlier) {
        return gone.at.latest && earlier.at.latest &&
               *gone.at.latest - *earlier.at.latest > reorder_window;
    };
    while (departures_.size() > max_departures || is_old(departures_.front()))
        departures_.pop_front();
}

// The socket goes on with another lease: who has let go of it will not have that.
void Ledger::State::remember_departures(const SocketKey &key, const Lease &lease) {
    for (const auto &holder : lease.holders)
        if (!holder.present && holder.gone_by)
            remember_departure(
                {key, holder.process->key, When::sampled(holder.last_seen, holder.gone_by)});
}

} // namespace portd::model
