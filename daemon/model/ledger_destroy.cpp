#include "model/ledger_state.hpp"

#include "model/lease_rules.hpp"

#include <algorithm>
#include <utility>

namespace portd::model {
namespace {

bool is_established(const SocketDestroyed &destroyed) {
    return destroyed.tcp && destroyed.tcp->established;
}

// A connection leaves a TIME_WAIT entry unless its handshake is known not to have been completed.
bool may_linger(const Lease &lease, const SocketDestroyed &destroyed) {
    return is_connection(lease) && (!destroyed.tcp || destroyed.tcp->established);
}

// False if that was known already.
bool take_traffic(Lease &lease, const SocketDestroyed &destroyed) {
    if (!is_established(destroyed) || (lease.bytes_sent == destroyed.tcp->bytes_sent &&
                                       lease.bytes_received == destroyed.tcp->bytes_received))
        return false;
    lease.bytes_sent = destroyed.tcp->bytes_sent;
    lease.bytes_received = destroyed.tcp->bytes_received;
    return true;
}

// Whether it may have happened by then: the event may have been stamped a little late.
bool may_precede(const When &at, Instant limit) {
    const auto earliest = at.earliest ? at.earliest : at.latest;
    return earliest && *earliest - observed_precision <= limit;
}

// `at`, when it is also known not to have been after `limit`.
When no_later_than(When at, Instant limit) {
    at.latest = std::min(at.latest.value_or(limit), limit);
    if (at.earliest)
        at.earliest = std::min(*at.earliest, limit);
    return at;
}

// Whether the event tells of the socket that this TIME_WAIT entry took the place of, and not of
// another one that had the same tuple before or after it.
bool is_origin(const Lease &time_wait, const SocketDestroyed &destroyed) {
    if (!time_wait.closed || !time_wait.closed->latest || !destroyed.at.latest)
        return false;
    if (time_wait.opened.earliest && *destroyed.at.latest < *time_wait.opened.earliest)
        return false;
    const Instant shown_at = *time_wait.closed->latest;
    return may_precede(destroyed.at, shown_at) ||
           (is_established(destroyed) && *destroyed.at.latest - destroyed.tcp->idle <= shown_at);
}

} // namespace

// A socket whose lease is open.
void Ledger::State::destroy_known(TableState &table, const SocketKey &key, Record &record,
                                  const SocketDestroyed &destroyed) {
    auto &lease = record.lease;
    take_traffic(lease, destroyed);
    if (lease.peer.port == 0 && destroyed.peer.port != 0)
        take_endpoints(table, key, record, destroyed.local, destroyed.peer);
    if (!may_linger(lease, destroyed)) {
        decide_role(table, lease);
        end(table, key, record, destroyed.at, Standing::ended);
        return;
    }
    if (!lease.closed)
        lease.closed = destroyed.at;
    lease.phase = Phase::lingering;
    order_times(lease);
    attribute(lease);
    decide_role_by_listeners(table, lease);
    record.standing = Standing::destroyed;
    record.last_shown = std::max(record.last_shown, destroyed.at.earliest.value_or(Instant{}));
    record.settled_at = destroyed.at.latest.value_or(record.last_shown);
    table.destroyed.emplace_back(record.settled_at, key);
    mark(key, record);
}

// Since it was last shown, it has left the port that the lease is about.
void Ledger::State::destroy_moved(TableState &table, Entry &entry,
                                  const SocketDestroyed &destroyed) {
    auto &[key, record] = entry;
    const When moved = When::sampled(record.last_shown, destroyed.at.latest);
    if (record.standing == Standing::shown)
        end(table, key, record, moved, Standing::ended);
    else
        settle(table, key, record, Standing::ended,
               destroyed.at.latest.value_or(record.settled_at));
    if (destroyed.local.port == 0)
        return;
    const auto previous_serial =
        replace(table, destroyed.key, entry, destroyed.at.latest.value_or(*moved.earliest));
    auto &next = begin(table, destroyed.key, destroyed.protocol, destroyed.local, destroyed.peer,
                       moved, destroyed.at.latest.value_or(*moved.earliest));
    next.previous = previous_serial;
    next.last_shown = *moved.earliest;
    if (destroyed.protocol == Protocol::udp)
        next.lease.role = Role::datagram;
    destroy_known(table, destroyed.key, next, destroyed);
}

void Ledger::State::destroy_absent(TableState &table, const SocketKey &key, Record &record,
                                   const SocketDestroyed &destroyed) {
    auto &lease = record.lease;
    if (may_precede(destroyed.at, record.settled_at)) {
        // Late news: the socket was destroyed before the scan could have shown it.
        SocketDestroyed in_time = destroyed;
        in_time.at = no_later_than(destroyed.at, record.settled_at);
        const bool scanned_since = table.complete && *in_time.at.latest < table.complete->began;
        if (!scanned_since || !may_linger(lease, in_time)) {
            reopen(table, key, record);
            destroy_known(table, key, record, in_time);
            if (record.standing == Standing::ended) // it may be said again until then
                settle(table, key, record, Standing::ended,
                       destroyed.at.latest.value_or(record.settled_at));
            return;
        }
        if (record.closed_by_end)
            lease.closed = in_time.at;
        order_times(lease);
        attribute(lease);
    }
    take_traffic(lease, destroyed);
    settle(table, key, record, Standing::ended, destroyed.at.latest.value_or(record.settled_at));
    mark(key, record);
}

// A TIME_WAIT entry was seen in its place already: now the moment of the change is known, unless
// the socket was kept for longer than its port.
void Ledger::State::destroy_replaced(const SocketKey &key, Record &record,
                                     const SocketDestroyed &destroyed) {
    auto &lease = record.lease;
    bool news = !record.left_at && take_traffic(lease, destroyed);
    if (lease.closed && lease.closed->latest && may_precede(destroyed.at, *lease.closed->latest) &&
        lease.closed->provenance != Provenance::observed) {
        lease.closed = no_later_than(destroyed.at, *lease.closed->latest);
        order_times(lease);
        news = true;
    }
    if (news)
        mark(key, record);
}

void Ledger::State::destroy_unseen(TableState &table, const SocketDestroyed &destroyed) {
    if (destroyed.local.port == 0)
        return;
    unseen += destroyed.may_be_older ? 0 : 1;
    // The last scan that was over by then did not show it.
    const auto missed_by = destroyed.at.earliest
                               ? table.scan_over_by(*destroyed.at.earliest - observed_precision)
                               : std::nullopt;
    auto since = missed_by ? std::optional(missed_by->began) : std::nullopt;
    const Instant heard = destroyed.at.latest.value_or(since.value_or(Instant{}));

    if (is_established(destroyed) && missed_by) {
        const Instant last_segment = heard - destroyed.tcp->idle;
        if (last_segment < missed_by->began) {
            // Reset before that scan was over and closed by its program only now.
            auto &record = begin(table, destroyed.key, destroyed.protocol, destroyed.local,
                                 destroyed.peer, When::inferred(std::nullopt, last_segment), heard);
            record.is_unseen = !destroyed.may_be_older;
            take_traffic(record.lease, destroyed);
            decide_role_by_listeners(table, record.lease);
            end(table, destroyed.key, record, When::inferred(std::nullopt, missed_by->finished),
                Standing::ended);
            settle(table, destroyed.key, record, Standing::ended, heard);
            return;
        }
        if (last_segment < missed_by->finished) {
            // It may have been over before the scan came to it.
            const auto before = table.scan_over_by(last_segment);
            since = before ? std::optional(before->began) : std::nullopt;
        }
    }
    const bool tcp = destroyed.protocol == Protocol::tcp;
    const When opened = tcp && !is_established(destroyed)
                            ? When::inferred(since, destroyed.at.latest)
                            : When::sampled(since, destroyed.at.latest);
    auto &record = begin(table, destroyed.key, destroyed.protocol, destroyed.local, destroyed.peer,
                         opened, heard);
    record.is_unseen = !destroyed.may_be_older;
    record.last_shown = destroyed.at.earliest.value_or(since.value_or(Instant{}));
    if (!tcp)
        record.lease.role = Role::datagram;
    destroy_known(table, destroyed.key, record, destroyed);
}

void Ledger::State::explain_time_wait(TableState &table, const SocketKey &key, Record &record,
                                      const SocketDestroyed &destroyed) {
    record.time_wait_only = false;
    rename(table, record, destroyed.key, key);
    destroy_replaced(key, record, destroyed);
    decide_role_by_listeners(table, record.lease);
    mark(key, record);
}

void Ledger::State::apply_to(TableState &table, const SocketDestroyed &destroyed) {
    if (const auto renamed = table.renamed.find(destroyed.key); renamed != table.renamed.end()) {
        const auto found = table.records.find(renamed->second);
        if (found != table.records.end())
            destroy_replaced(found->first, found->second, destroyed);
        return;
    }
    if (const auto found = table.records.find(destroyed.key); found != table.records.end()) {
        auto &[key, record] = *found;
        if (unreleased_.erase({record.settled_at, key}) > 0) {
            // It was released before: that is late, or lost.
            record.settled_at = destroyed.at.latest.value_or(record.settled_at);
            table.settled.emplace_back(record.settled_at, key);
        }
        if (record.standing == Standing::destroyed || record.standing == Standing::ended)
            return;
        if (record.is_time_wait) {
            if (std::exchange(record.time_wait_only, false))
                decide_role_by_listeners(table, record.lease);
            destroy_replaced(key, record, destroyed);
            return;
        }
        if (record.lease.local.port != destroyed.local.port)
            destroy_moved(table, *found, destroyed);
        else if (record.standing == Standing::absent)
            destroy_absent(table, key, record, destroyed);
        else
            destroy_known(table, key, record, destroyed);
        return;
    }
    const auto connection = table.by_connection.find({destroyed.local, destroyed.peer});
    if (connection != table.by_connection.end()) {
        const auto found = table.records.find(connection->second);
        if (found != table.records.end() && found->second.time_wait_only &&
            is_origin(found->second.lease, destroyed)) {
            explain_time_wait(table, found->first, found->second, destroyed);
            return;
        }
    }
    destroy_unseen(table, destroyed);
}

void Ledger::State::apply(const SocketDestroyed &destroyed) {
    auto &table = table_of(destroyed.protocol, destroyed.local.address.family,
                           destroyed.key.network_namespace);
    apply_to(table, destroyed);
    keep_within_limits(table);
}

} // namespace portd::model
