#include "model/ledger_state.hpp"

#include "model/lease_rules.hpp"

#include <algorithm>

namespace portd::model {

namespace {

// TIME_WAIT objects, and FIN_WAIT2 ones of the same kind, belong to no process and no socket. They
// have the cookie of the socket they replace if somebody had asked for it before (inet_twsk_alloc()
// in the kernel's net/ipv4/inet_timewait_sock.c), and one of their own otherwise.
bool may_be_time_wait(const SocketSeen &seen) {
    return seen.inode == 0 &&
           (seen.state == SocketState::time_wait || seen.state == SocketState::fin_wait2);
}

Endpoint no_peer(const Endpoint &of_the_same_family) {
    Endpoint nobody;
    nobody.address.family = of_the_same_family.address.family;
    return nobody;
}

Phase phase_of(const SocketSeen &seen) {
    return phase_of(seen.protocol, seen.state, seen.inode == 0 ? Orphaned::yes : Orphaned::no);
}

// Whether a row with a new key shows what a known connection has become.
bool may_have_become(const Record &record, const SocketKey &old_key, const SocketSeen &seen,
                     std::uint64_t scan) {
    if (record.standing == Standing::ended ||
        (record.standing == Standing::shown &&
         (record.scan == scan || seen.at < record.last_shown)))
        return false;
    if (record.standing == Standing::absent && seen.at - record.settled_at > Ledger::reorder_window)
        return false;
    const Phase phase = record.lease.is_open() ? record.lease.phase : record.last_phase;
    if (phase == Phase::lingering && phase_of(seen) != Phase::lingering)
        return false; // the tuple is in use again
    if (seen.key.kind != old_key.kind)
        return true;
    const bool is_time_wait = record.alias || record.time_wait_only || record.is_time_wait;
    return may_be_time_wait(seen) && !is_time_wait;
}

// The scan has not shown it, nor has anything since it began.
bool is_missing(const TableState &table, const Record &record) {
    return record.standing == Standing::shown && record.scan != table.scan &&
           record.last_shown < *table.scan_began;
}

// No process has an orphan, a TIME_WAIT entry, or a connection that waits for accept(2).
bool needs_no_holder(const Lease &lease) {
    const bool awaits_accept = lease.role == Role::accepted && lease.holders.empty();
    return lease.phase >= Phase::closing || awaits_accept;
}

} // namespace

void Ledger::State::apply(const ScanStarted &started) {
    auto &table =
        table_of(started.table.protocol, started.table.family, started.table.network_namespace);
    if (table.scan_began && started.at <= *table.scan_began)
        return; // said twice
    table.scanning = true;
    table.scan_began_before = table.scan_began;
    table.scan_began = started.at;
    if (!table.watched_since)
        table.watched_since = started.at;
    ++table.scan;
    table.shown_in_scan = 0;
    forget_old(table, started.at);
}

// A row whose key is new but whose connection is known may be the TIME_WAIT entry that took the
// place of a socket, or (where rows have no cookie) the same socket under another kind of key.
Record *Ledger::State::adopt(TableState &table, const SocketSeen &seen) {
    if (seen.protocol != Protocol::tcp || seen.peer.port == 0)
        return nullptr;
    const auto connection = table.by_connection.find({seen.local, seen.peer});
    if (connection == table.by_connection.end())
        return nullptr;
    const SocketKey old_key = connection->second;
    const auto found = table.records.find(old_key);
    if (found == table.records.end())
        return nullptr;
    if (!may_have_become(found->second, old_key, seen, table.scan))
        return nullptr;

    table.without_word.erase(old_key);
    auto node = table.records.extract(found);
    node.key() = seen.key;
    auto &moved = table.records.insert(std::move(node)).position->second;
    connection->second = seen.key;
    if (moved.alias)
        table.renamed[*moved.alias] = seen.key;
    else
        rename(table, moved, old_key, seen.key);
    if (moved.change != Record::unchanged)
        changes_[moved.change].key = seen.key;
    return &moved;
}

void Ledger::State::take_endpoints(TableState &table, const SocketKey &key, Record &record,
                                   const Endpoint &local, const Endpoint &peer) {
    auto &lease = record.lease;
    const bool is_another = lease.protocol == Protocol::udp && lease.peer.port != 0 &&
                            peer.port != 0 && lease.peer != peer;
    record.has_had_peers = record.has_had_peers || is_another;
    const Endpoint last_peer = record.has_had_peers ? no_peer(lease.peer)
                               : peer.port != 0     ? peer
                                                    : lease.peer;
    if (lease.local == local && lease.peer == last_peer)
        return;
    const auto old = table.by_connection.find({lease.local, lease.peer});
    if (old != table.by_connection.end() && old->second == key)
        table.by_connection.erase(old);
    lease.peer = last_peer;
    lease.local = local;
    if (is_connection(lease))
        connect(table, key, lease);
    mark(key, record);
}

void Ledger::State::show(TableState &table, const SocketKey &key, Record &record,
                         const SocketSeen &seen) {
    auto &lease = record.lease;
    if (record.standing == Standing::absent)
        reopen(table, key, record);
    if (record.standing != Standing::shown) {
        record.standing = Standing::shown;
        mark(key, record);
    }
    const bool shown_by_earlier_scan = record.scan != 0 && record.scan != table.scan;
    const Instant shown_before = record.last_shown;
    record.last_shown = std::max(shown_before, table.scan_began.value_or(seen.at));
    mark_note(key, record);
    if (record.scan != table.scan) {
        record.scan = table.scan;
        ++table.shown_in_scan;
    }

    record.is_time_wait = record.is_time_wait || seen.state == SocketState::time_wait;
    note_without_word(table, key, record);
    const Phase phase = phase_of(seen);
    // Rows that no process has say uid 0, whoever's they were.
    if (seen.inode != 0 && lease.uid != seen.uid) {
        lease.uid = seen.uid;
        mark(key, record);
    }
    // Only a close of both ends, or of ours that the peer has acknowledged, leaves such an entry
    // (RFC 9293, 3.3.2; tcp_time_wait() of net/ipv4).
    if (seen.state == SocketState::time_wait && !lease.outcome) {
        lease.outcome = Outcome::closed;
        mark(key, record);
    }
    take_endpoints(table, key, record, seen.local, seen.peer);
    if (phase > lease.phase) {
        lease.phase = phase;
        mark(key, record);
    }
    if (phase == Phase::lingering && !lease.closed) {
        lease.closed = When::sampled(shown_before, seen.at);
        order_times(lease);
        attribute(lease);
        mark(key, record);
    }
    if (lease.role)
        return;
    lease.role = role_of(seen.protocol, seen.state);
    if (!record.time_wait_only)
        decide_role_by_listeners(table, lease);
    // A listener may have begun after this scan passed the listeners.
    if (!record.time_wait_only && shown_by_earlier_scan)
        decide_role(table, lease);
    if (lease.phase == Phase::listening)
        listen(table, key, lease);
    if (lease.role)
        mark(key, record);
}

void Ledger::State::meet(TableState &table, const SocketSeen &seen, std::int64_t previous) {
    const auto missed_by = table.scan_over_by(seen.at);
    const auto since = missed_by ? std::optional(missed_by->began) : std::nullopt;
    // What lingers is not shown by every scan: there, that its port is taken again tells its end.
    if (!table.scanned_whole && phase_of(seen) != Phase::lingering)
        free_tuple(table, seen.key, seen.local, seen.peer, seen.at);
    auto &record = begin(table, seen.key, seen.protocol, seen.local, seen.peer,
                         When::sampled(since, seen.at), seen.at);
    record.previous = previous;
    record.time_wait_only = may_be_time_wait(seen);
    if (seen.port_choice) {
        record.lease.port_choice = seen.port_choice;
        record.lease.port_chosen_by = seen.port_chosen_by;
    }
    record.lease.phase = phase_of(seen);
    if (record.lease.phase == Phase::lingering)
        record.lease.closed = record.lease.opened;
    show(table, seen.key, record, seen);
}

void Ledger::State::apply(const SocketSeen &seen) {
    auto &table = table_of(seen.protocol, seen.local.address.family, seen.key.network_namespace);
    if (table.scan_began && seen.at < *table.scan_began)
        return; // of an earlier scan
    const auto found = table.records.find(seen.key);
    if (found != table.records.end()) {
        auto &record = found->second;
        const bool lingers = record.standing == Standing::destroyed && may_be_time_wait(seen);
        // Its port is free, but the socket is not known to have been released.
        const bool taken_again =
            record.standing == Standing::ended && record.left_at && !record.released_at &&
            table.scan_began > record.settled_at &&
            (record.remains != SocketClosed::Remains::time_wait || !may_be_time_wait(seen));
        if (!lingers && !taken_again &&
            (record.standing == Standing::destroyed || record.standing == Standing::ended))
            return; // a late row of a socket that is gone
        const bool tuple_in_use_again = seen.key.kind == SocketKey::Kind::tuple &&
                                        record.lease.phase == Phase::lingering &&
                                        phase_of(seen) != Phase::lingering;
        const bool same_port = record.lease.local.port == seen.local.port;
        if (same_port && !tuple_in_use_again && !taken_again) {
            show(table, seen.key, record, seen);
            return;
        }
        if (seen.at <= record.lease.id.first_observed || seen.at < record.last_shown ||
            (!same_port && may_be_time_wait(seen) && seen.local.port == record.left_behind))
            return; // a late row of the lease before this one, or what that left in TIME_WAIT
        const auto previous = replace(table, seen.key, *found, seen.at);
        if (seen.local.port != 0)
            meet(table, seen, previous);
        return;
    } else if (table.renamed.contains(seen.key)) {
        return; // a late row: its TIME_WAIT entry has been seen already
    } else if (Record *adopted = adopt(table, seen)) {
        show(table, seen.key, *adopted, seen);
        return;
    }
    if (seen.local.port != 0)
        meet(table, seen);
}

void Ledger::State::apply(const ScanFinished &finished) {
    auto &table =
        table_of(finished.table.protocol, finished.table.family, finished.table.network_namespace);
    if (!table.scanning || finished.at < *table.scan_began)
        return; // said twice
    table.scanning = false;
    retire_ended_everywhere();
    if (finished.others_were_there)
        table.all_there_at = *table.scan_began;
    if (finished.scope == Scope::nothing)
        return;
    settle_shown(table, finished.at, finished.scope);
    if (finished.scope == Scope::time_wait) {
        if (table.scan_began_before)
            settle_destroyed(table, *table.scan_began_before, finished.at);
        return;
    }
    table.concluded = table.scan_began;
    if (finished.scope == Scope::held)
        return;
    table.scanned_whole = true;
    settle_destroyed(table, *table.scan_began, finished.at);
    table.complete_then = table.complete;
    table.complete = ScanSpan{*table.scan_began, finished.at};
    keep_within_limits(table);
}

void Ledger::State::apply(const HeldScanned &all) {
    for (const auto &[name, table] : tables_) {
        if (table.scan_began && *table.scan_began >= all.began)
            continue;
        apply(ScanStarted{name, all.began});
        apply(ScanFinished{name, all.at, Scope::held});
    }
}

// What the scan no longer shows has let its port go, unless an event told of it since the scan
// began; or unless no process need have it, and the scan shows what processes have.
void Ledger::State::settle_shown(TableState &table, Instant scan_finished, Scope scope) {
    if (scope == Scope::time_wait) {
        settle_without_word(table, scan_finished);
        return;
    }
    if (table.shown_in_scan == table.records.size())
        return;
    for (auto &[key, record] : table.records) {
        if (!is_missing(table, record) || (scope == Scope::held && needs_no_holder(record.lease)))
            continue;
        record.missed_by = scope;
        const Instant last_there = ends_without_word(record)
                                       ? record.last_shown
                                       : std::max(record.last_shown, table.all_there_at);
        end(table, key, record, When::sampled(last_there, scan_finished), Standing::absent);
    }
}

// Two scans in a row have missed it.
void Ledger::State::settle_without_word(TableState &table, Instant scan_finished) {
    for (auto place = table.without_word.begin(); place != table.without_word.end();) {
        const auto found = table.records.find(*place);
        const bool is_over = found == table.records.end() ||
                             found->second.standing != Standing::shown ||
                             !ends_without_word(found->second);
        if (is_over) {
            place = table.without_word.erase(place);
            continue;
        }
        ++place;
        auto &[key, record] = *found;
        if (!is_missing(table, record) || record.scan + 1 == table.scan)
            continue;
        record.missed_by = Scope::time_wait;
        end(table, key, record, When::sampled(record.last_shown, scan_finished), Standing::absent);
    }
}

// Scans since `missed_since` would have shown the TIME_WAIT entries of connections that were
// destroyed before.
void Ledger::State::settle_destroyed(TableState &table, Instant missed_since,
                                     Instant scan_finished) {
    for (auto *awaiting : {&table.destroyed, &table.lingering_closed, &table.lingering_half_closed})
        while (!awaiting->empty() && awaiting->front().first < missed_since) {
            const auto key = awaiting->front().second;
            awaiting->pop_front();
            const auto found = table.records.find(key);
            if (found == table.records.end() || found->second.standing != Standing::destroyed)
                continue;
            auto &record = found->second;
            decide_role(table, record.lease);
            end(table, key, record, When::sampled(record.last_shown, scan_finished),
                Standing::ended);
        }
}

} // namespace portd::model
