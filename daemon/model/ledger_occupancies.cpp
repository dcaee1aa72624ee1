// One socket can have several leases, one after the other: where each begins and ends, and which of
// them an event is about.
#include "model/ledger_state.hpp"

#include "model/lease_rules.hpp"

#include <algorithm>

namespace portd::model {
namespace {

// Whether the lease had begun by `at`, for all that is known.
bool had_begun(const Record &record, Instant at) {
    return !record.lease.opened.earliest || *record.lease.opened.earliest <= at;
}

// Whether the socket is known to have had the port by then, and not to have it later: on another
// port it was before that or after it.
bool had_port_by(const Record &record, Instant at) {
    return had_begun(record, at) && at >= record.last_shown && at >= record.lease.opened.latest;
}

} // namespace

When end_of_time_wait(const Record &record) {
    const Instant left = record.left_at.value_or(record.last_shown);
    const Instant earliest = record.peer_has_closed ? left + time_wait_span : left;
    return When::inferred(earliest, left + longest_time_wait(record.peer_has_closed));
}

Ledger::State::Entry *Ledger::State::newest(TableState &table, const SocketKey &key) {
    auto found = table.records.find(key);
    if (found == table.records.end() && !table.renamed.empty())
        if (const auto renamed = table.renamed.find(key); renamed != table.renamed.end())
            found = table.records.find(renamed->second);
    return found == table.records.end() ? nullptr : &*found;
}

Ledger::State::Entry *Ledger::State::previous(TableState &table, const Record &record) {
    if (record.previous == 0)
        return nullptr;
    const auto found = table.records.find(replaced_key(record.previous));
    return found == table.records.end() ? nullptr : &*found;
}

// Its socket has another lease at `at`. What it left in TIME_WAIT goes by nobody's key then.
void Ledger::State::end_replaced(TableState &table, const SocketKey &key, Record &record,
                                 Instant at) {
    const bool lingers = record.left_at && record.lease.phase == Phase::lingering;
    end(table, key, record,
        lingers ? end_of_time_wait(record) : When::sampled(record.last_shown, at), Standing::ended,
        at);
}

// Makes room for the next lease of the socket. The lease is kept for late news under a key of its
// own: its serial, which is returned; 0 if it goes by the key of its TIME_WAIT entry.
std::int64_t Ledger::State::replace(TableState &table, const SocketKey &socket, Entry &entry,
                                    Instant at) {
    auto &record = entry.second;
    const SocketKey key = entry.first;
    if (record.alias) {
        table.renamed.erase(*record.alias);
        record.alias.reset();
        record.is_time_wait = true;
    }
    if (key != socket)
        return 0;
    if (record.lease.is_open())
        end_replaced(table, key, record, at);
    remember_departures(key, record.lease);
    unreleased_.erase({record.settled_at, key});
    const std::int64_t serial = record.lease.serial;
    auto node = table.records.extract(key);
    node.key() = replaced_key(serial);
    auto &[name, moved] = *table.records.insert(std::move(node)).position;
    const auto connection = table.by_connection.find({moved.lease.local, moved.lease.peer});
    if (connection != table.by_connection.end() && connection->second == key)
        connection->second = name;
    if (moved.change != Record::unchanged)
        changes_[moved.change].key = name;
    settle(table, name, moved, Standing::ended, moved.settled_at);
    return serial;
}

// A lease of which it was not known that the socket had it between two others, or before or after.
Ledger::State::Entry &Ledger::State::occupy(TableState &table, const Fact &fact, const When &opened,
                                            Entry *earlier, Entry *later) {
    std::int64_t previous_serial = 0;
    std::uint16_t left_behind = 0;
    if (later) {
        previous_serial = later->second.previous;
        if (earlier)
            pull_end(*earlier, fact.at);
    } else if (earlier) {
        const auto &left = earlier->second;
        const bool in_time_wait = left.left_at && left.remains == SocketClosed::Remains::time_wait;
        left_behind = in_time_wait ? left.lease.local.port : left.left_behind;
        previous_serial = replace(table, fact.key, *earlier, fact.at);
    }
    if (!later)
        free_tuple(table, fact.key, fact.local, fact.peer, fact.at);
    auto &record = begin(table, fact.key, fact.protocol, fact.local, fact.peer, opened, fact.at,
                         later ? Place::replaced : Place::newest);
    record.previous = previous_serial;
    record.left_behind = left_behind;
    record.last_shown = fact.at;
    if (later) {
        later->second.previous = record.lease.serial;
        mark_note(later->first, later->second);
    }
    return *table.records.find(later ? replaced_key(record.lease.serial) : fact.key);
}

// The socket has left the port earlier than was thought.
void Ledger::State::pull_end(Entry &earlier, Instant at) {
    auto &[key, record] = earlier;
    auto &lease = record.lease;
    if (!lease.freed || lease.freed->provenance != Provenance::sampled || !lease.freed->latest ||
        *lease.freed->latest <= at)
        return;
    lease.freed->latest = at;
    if (lease.closed && lease.closed->provenance == Provenance::sampled && lease.closed->latest)
        lease.closed->latest = std::min(*lease.closed->latest, at);
    order_times(lease);
    forget_later_holders(lease);
    attribute(lease);
    mark(key, record);
}

// The lease that the end of a socket is about; one is made if it was not known. Nothing if it has
// no port and had none.
Ledger::State::Entry *Ledger::State::meant_by(TableState &table, const Fact &fact) {
    if (fact.local.port == 0)
        return nullptr;
    Entry *later = nullptr;
    Entry *entry = newest(table, fact.key);
    for (; entry; later = entry, entry = previous(table, entry->second)) {
        const bool same_port = entry->second.lease.local.port == fact.local.port;
        if (same_port && had_begun(entry->second, fact.at))
            return entry;
        if (!same_port && had_port_by(entry->second, fact.at))
            break;
    }
    // A bound that no event gave is not that exact.
    if (later && later->second.lease.local.port == fact.local.port &&
        later->second.lease.opened.provenance != Provenance::observed)
        return later;
    return &meet_unseen(table, fact, entry, later);
}

Ledger::State::Entry &Ledger::State::meet_unseen(TableState &table, const Fact &fact,
                                                 Entry *earlier, Entry *later) {
    const auto missed_by = table.scan_over_by(fact.at - observed_precision);
    auto since = missed_by ? std::optional(missed_by->began) : std::nullopt;
    if (earlier)
        since = std::max(since, std::optional(earlier->second.last_shown));
    auto &entry = occupy(table, fact, When::sampled(since, fact.at), earlier, later);
    auto &record = entry.second;
    record.is_unseen = !fact.may_be_older;
    unseen += record.is_unseen ? 1 : 0;
    if (fact.protocol == Protocol::udp)
        record.lease.role = Role::datagram;
    else
        decide_role_by_listeners(table, record.lease);
    return entry;
}

void Ledger::State::apply(const PortTaken &taken) {
    if (taken.local.port == 0)
        return;
    auto &table = table_of(taken.protocol, taken.local.address.family, taken.key.network_namespace);
    const auto is_over = [&](const Record &record) {
        const auto &lease = record.lease;
        if (record.standing == Standing::absent)
            return false; // it was missed by a scan, and goes on
        if (lease.freed)
            return taken.at > lease.freed->latest.value_or(record.settled_at);
        const bool has_left =
            record.left_at || record.is_time_wait || record.standing == Standing::destroyed;
        return lease.phase == Phase::lingering && has_left && lease.closed &&
               taken.at > lease.closed->latest;
    };
    const auto is_same = [&](const Record &record) {
        return record.lease.local.port == taken.local.port && !is_over(record);
    };
    // The lease began later than the event, but may be the one whose beginning it tells.
    const auto may_have_begun = [&](const Record &record) {
        if (record.lease.local.port != taken.local.port)
            return false;
        const Entry *const before = previous(table, record);
        return !before || !had_begun(before->second, taken.at) || !is_same(before->second);
    };
    Entry *later = nullptr;
    Entry *entry = newest(table, taken.key);
    for (; entry; later = entry, entry = previous(table, entry->second)) {
        const auto &record = entry->second;
        if (had_begun(record, taken.at) ? is_same(record) : may_have_begun(record)) {
            go_on(table, entry->first, entry->second, taken);
            return;
        }
        const bool same_port = record.lease.local.port == taken.local.port;
        if (same_port ? had_begun(record, taken.at) : had_port_by(record, taken.at))
            break;
    }
    take_port(table, taken, entry, later);
    keep_within_limits(table);
}

} // namespace portd::model
