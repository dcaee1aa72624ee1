// What exact events tell: ports that are taken, sockets that are released, connections that end.
#include "model/ledger_state.hpp"

#include "model/lease_rules.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace portd::model {
namespace {

// A TCP client that is connected has begun to connect before.
bool may_open(const PortTaken &taken) {
    const bool follows = taken.protocol == Protocol::tcp && taken.phase == Phase::connected &&
                         taken.role == Role::client;
    return !follows && !taken.may_be_older;
}

// Counters only grow, in whatever order they are told.
bool take_traffic(Lease &lease, const std::optional<TcpSummary> &tcp) {
    if (!tcp || !tcp->established)
        return false;
    const auto sent = std::max(lease.bytes_sent.value_or(0), tcp->bytes_sent);
    const auto received = std::max(lease.bytes_received.value_or(0), tcp->bytes_received);
    if (lease.bytes_sent == sent && lease.bytes_received == received)
        return false;
    lease.bytes_sent = sent;
    lease.bytes_received = received;
    return true;
}

struct Ends {
    std::optional<Instant> closed;
    std::optional<Instant> freed;
};

std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
    return a && b ? std::min(*a, *b) : a ? a : b;
}

// What the events together say, in whatever order they came.
Ends ends_of(const Record &record) {
    using Remains = SocketClosed::Remains;
    const auto freed_by_release = record.frees_port ? record.released_at : std::nullopt;
    if (!record.left_at)
        return {record.released_at, freed_by_release};
    switch (record.remains) {
    case Remains::nothing:
        return {earlier(record.released_at, record.left_at),
                earlier(freed_by_release, record.left_at)};
    case Remains::time_wait:
        return {earlier(record.released_at, record.left_at), std::nullopt};
    case Remains::bound:
        return {record.released_at, record.released_at};
    }
    return {};
}

// An earlier end that is known holds: the socket was kept without its port, or the news of it came
// before.
void note_closed(Lease &lease, Instant at) {
    if (!lease.closed || !lease.closed->latest || at <= *lease.closed->latest)
        lease.closed = When::observed(at);
}

// A scan of all sockets has missed it before this: it was kept for longer than its port, and the
// event of that was lost.
bool was_gone_by(const Record &record, Instant at) {
    return record.standing == Standing::absent && record.missed_by == Scope::all &&
           at > record.lease.freed->latest;
}

} // namespace

void Ledger::State::take_port(TableState &table, const PortTaken &taken, Entry *earlier,
                              Entry *later) {
    const Fact fact{taken.key,  taken.protocol, taken.local,
                    taken.peer, taken.at,       taken.may_be_older};
    const auto missed_by = may_open(taken) ? std::nullopt : table.scan_over_by(taken.at);
    const When opened =
        may_open(taken)
            ? When::observed(taken.at)
            : When::sampled(missed_by ? std::optional(missed_by->began) : std::nullopt, taken.at);
    auto &[key, record] = occupy(table, fact, opened, earlier, later);
    auto &lease = record.lease;
    lease.phase = taken.phase;
    lease.uid = taken.uid;
    if (taken.port_choice) {
        lease.port_choice = taken.port_choice;
        lease.port_chosen_by = taken.port_chosen_by;
    }
    note_role(table, lease, taken);
    if (taken.process && may_open(taken)) {
        note_opener(lease, taken.process, taken.at);
        retire_ended(lease, taken.process);
    } else if (taken.process) {
        add_process(record, taken.process, taken.at);
    }
    attribute(lease);
    if (later) {
        end_replaced(table, key, record, later->second.lease.opened.latest.value_or(taken.at));
        return;
    }
    if (lease.phase == Phase::listening)
        listen(table, key, lease);
    note_without_word(table, key, record);
}

// False if that changes nothing.
bool Ledger::State::add_process(Record &record, const ProcessRef &process, Instant at) {
    if (add_holder(record.lease, process, at) != HolderNews::changed)
        return false;
    retire_ended(record.lease, process);
    if (record.released_at)
        retire_holders(record.lease, *record.released_at);
    return true;
}

// The lease may have begun with this event, although another was heard of first.
bool Ledger::State::note_opening(Record &record, const PortTaken &taken) {
    auto &lease = record.lease;
    auto &opened = lease.opened;
    if (!may_open(taken) || (opened.latest && taken.at > *opened.latest))
        return false;
    const bool was_observed = opened.provenance == Provenance::observed;
    if (was_observed && taken.at == opened.latest)
        return false;
    opened = When::observed(taken.at);
    order_times(lease);
    if (std::exchange(record.is_unseen, false))
        --unseen;
    if (taken.process)
        note_opener(lease, taken.process, taken.at);
    else if (was_observed && lease.role != Role::accepted)
        lease.opener = {}; // it was the caller of a later event
    return true;
}

bool Ledger::State::note_role(TableState &table, Lease &lease, const PortTaken &taken) {
    const auto before = std::tuple(lease.role, lease.port_choice, lease.port_chosen_by);
    // Both ends of a connection that was made by a simultaneous open are clients (RFC 9293, 3.5).
    if (taken.role && (!lease.role || taken.role != Role::accepted))
        lease.role = taken.role;
    if (lease.role == Role::accepted)
        if (const auto *listener = listener_at(table, lease.local))
            take_choice(lease, *listener);
    return before != std::tuple(lease.role, lease.port_choice, lease.port_chosen_by);
}

void Ledger::State::take_tuple(TableState &table, const SocketKey &key, Record &record,
                               const PortTaken &taken) {
    auto &lease = record.lease;
    const bool is_udp = lease.protocol == Protocol::udp;
    const bool had_another = is_udp && lease.peer.port != 0 && taken.peer.port != 0;
    if (taken.at < record.last_shown && !had_another &&
        (lease.peer.port != 0 || taken.peer.port == 0))
        return; // late: it has another by now
    // It sends to whom it likes, and was connected before.
    if (is_udp && lease.peer.port != 0 && taken.peer.port == 0 && taken.phase == Phase::bound)
        record.has_had_peers = true;
    if (lease.local == taken.local && lease.peer == taken.peer)
        return;
    if (is_replaced(key) || !lease.is_open())
        return;
    free_tuple(table, key, taken.local, taken.peer, taken.at);
    take_endpoints(table, key, record, taken.local, taken.peer);
}

// A phase of a lease that is known: the next, or an earlier one that is told late.
void Ledger::State::go_on(TableState &table, const SocketKey &key, Record &record,
                          const PortTaken &taken) {
    auto &lease = record.lease;
    bool news = false;
    if (record.standing == Standing::absent && taken.at > lease.freed->latest) {
        reopen(table, key, record);
        news = true;
    }
    const bool was_opening = note_opening(record, taken);
    bool holders = was_opening;
    if (taken.process)
        holders = add_process(record, taken.process, taken.at) || holders;
    if (lease.is_open() && taken.phase > lease.phase) {
        lease.phase = taken.phase;
        news = true;
    }
    news = note_choice(lease, taken, was_opening) || news;
    news = note_role(table, lease, taken) || news;
    if (taken.uid && lease.uid != taken.uid) {
        lease.uid = taken.uid;
        news = true;
    }
    take_tuple(table, key, record, taken);
    if (was_opening && is_connection(lease) && !is_replaced(key)) {
        free_tuple(table, key, lease.local, lease.peer, taken.at);
        connect(table, key, lease);
    }
    if (!lease.freed)
        record.last_shown = std::max(record.last_shown, taken.at);
    if (holders)
        attribute(lease);
    if (lease.phase == Phase::listening)
        listen(table, key, lease);
    note_without_word(table, key, record);
    if (news || holders)
        mark(key, record);
}

// A connection begins: another that lingered with the same ends is over.
void Ledger::State::free_tuple(TableState &table, const SocketKey &taker, const Endpoint &local,
                               const Endpoint &peer, Instant at) {
    const auto connection = table.by_connection.find({local, peer});
    if (connection == table.by_connection.end() || connection->second == taker)
        return;
    const auto found = table.records.find(connection->second);
    if (found == table.records.end())
        return;
    auto &[key, record] = *found;
    const auto &closed = record.lease.closed;
    if (record.lease.is_open() && record.lease.phase == Phase::lingering && closed->latest <= at)
        end(table, key, record, When::inferred(closed->earliest, at), Standing::ended);
}

void Ledger::State::note_end(TableState &table, Entry &entry, const Fact &fact,
                             const std::optional<TcpSummary> &tcp) {
    auto &[key, record] = entry;
    auto &lease = record.lease;
    bool news = take_traffic(lease, tcp);
    // A UDP socket gets its local address and its peer, and others, while it has its port.
    const bool tells_peer =
        fact.peer.port != 0 && (lease.peer.port == 0 || lease.protocol == Protocol::udp);
    if (tells_peer && lease.is_open() && !is_replaced(key)) {
        take_endpoints(table, key, record, fact.local, fact.peer);
        news = true;
    }
    // A socket can be kept for longer than its TIME_WAIT entry.
    if (lease.is_open() && !record.left_at)
        record.last_shown = std::max(record.last_shown, fact.at);
    if (news)
        mark(key, record);
}

void Ledger::State::apply(const SocketReleased &released) {
    auto &table =
        table_of(released.protocol, released.local.address.family, released.key.network_namespace);
    const Fact fact{released.key,  released.protocol, released.local,
                    released.peer, released.at,       released.may_be_older};
    Entry *const entry = meant_by(table, fact);
    if (!entry) {
        leave_without_port(table, released);
        return;
    }
    auto &[key, record] = *entry;
    auto &lease = record.lease;
    if (record.released_at)
        return; // said twice
    note_end(table, *entry, fact, released.tcp);
    if (released.uid && !lease.uid)
        lease.uid = released.uid;
    const bool had_ended = record.standing == Standing::ended;
    const bool was_gone = was_gone_by(record, released.at);
    if (!was_gone) {
        record.released_at = released.at;
        record.frees_port = released.frees_port;
        if (record.closed_by_end)
            lease.closed.reset(); // until now
    }
    if (released.process)
        note_last_holder(lease, released.process, released.at);
    retire_holders(lease, released.at);
    conclude(table, key, record);
    if (had_ended)
        settle(table, key, record, Standing::ended, std::max(record.settled_at, released.at));
    keep_within_limits(table);
}

// The socket has left its port before, without a word.
void Ledger::State::leave_without_port(TableState &table, const SocketReleased &released) {
    Entry *const entry = newest(table, released.key);
    if (!entry || !entry->second.lease.is_open() || released.at < entry->second.last_shown)
        return;
    auto &[key, record] = *entry;
    if (released.process)
        note_last_holder(record.lease, released.process, released.at);
    retire_holders(record.lease, released.at);
    end(table, key, record, When::sampled(record.last_shown, released.at), Standing::ended);
}

void Ledger::State::apply(const SocketClosed &closed) {
    auto &table =
        table_of(Protocol::tcp, closed.local.address.family, closed.key.network_namespace);
    const Fact fact{closed.key,  Protocol::tcp, closed.local,
                    closed.peer, closed.at,     closed.may_be_older};
    Entry *const entry = meant_by(table, fact);
    if (!entry)
        return;
    auto &[key, record] = *entry;
    if (record.left_at)
        return; // said twice
    note_end(table, *entry, fact, closed.tcp);
    if (!record.lease.outcome)
        record.lease.outcome = closed.outcome;
    if (!was_gone_by(record, closed.at)) {
        record.left_at = closed.at;
        record.remains = closed.remains;
        record.peer_has_closed = closed.peer_has_closed;
    }
    conclude(table, key, record);
    keep_within_limits(table);
}

// Brings the lease in line with what is known of its end.
void Ledger::State::conclude(TableState &table, const SocketKey &key, Record &record) {
    auto &lease = record.lease;
    const auto [closed_at, freed_at] = ends_of(record);
    if (closed_at) {
        if (std::exchange(record.closed_by_end, false))
            lease.closed.reset();
        note_closed(lease, *closed_at);
        forget_later_holders(lease);
    }
    if (freed_at) {
        free_port(table, key, record, *freed_at);
    } else if (closed_at) {
        linger(table, key, record);
    } else if (record.left_at && lease.is_open()) {
        lease.phase = std::max(lease.phase, Phase::closing);
        stop_listening(table, key, lease);
    }
    if (is_replaced(key) && lease.is_open())
        end_replaced(table, key, record, record.last_shown);
    attribute(lease);
    mark(key, record);
}

void Ledger::State::free_port(TableState &table, const SocketKey &key, Record &record, Instant at) {
    auto &lease = record.lease;
    if (lease.is_open()) {
        const Instant last_news =
            std::max({at, record.released_at.value_or(at), record.left_at.value_or(at)});
        end(table, key, record, When::observed(at), Standing::ended, last_news);
        return;
    }
    lease.freed = When::observed(at);
    order_times(lease);
    if (record.standing == Standing::absent)
        settle(table, key, record, Standing::ended, at);
}

// Nobody has the socket, or it left a TIME_WAIT entry; the port is not free yet.
void Ledger::State::linger(TableState &table, const SocketKey &key, Record &record) {
    auto &lease = record.lease;
    const bool in_time_wait = record.left_at.has_value();
    if (!lease.is_open() && is_replaced(key)) {
        if (in_time_wait)
            lease.freed = end_of_time_wait(record);
        order_times(lease);
        return;
    }
    const bool was_only_unheld =
        record.standing == Standing::absent && record.missed_by == Scope::held;
    const bool was_freed_too_early =
        in_time_wait && lease.freed &&
        (lease.freed->provenance == Provenance::observed || lease.freed->latest < *record.left_at);
    if (was_only_unheld || was_freed_too_early)
        reopen(table, key, record);
    if (in_time_wait && lease.freed && lease.freed->earliest)
        lease.freed->earliest = std::min(lease.freed->earliest, record.left_at);
    order_times(lease);
    if (!lease.is_open())
        return;
    lease.phase = Phase::lingering;
    decide_role_by_listeners(table, lease);
    if (in_time_wait)
        await_end_of_time_wait(table, key, record);
}

void Ledger::State::await_end_of_time_wait(TableState &table, const SocketKey &key,
                                           Record &record) {
    const Instant left = *record.left_at;
    const auto taker = table.by_connection.find({record.lease.local, record.lease.peer});
    if (taker != table.by_connection.end() && taker->second != key) {
        const auto found = table.records.find(taker->second);
        if (found != table.records.end() && found->second.lease.opened.latest >= left) {
            end(table, key, record, When::inferred(left, found->second.lease.opened.latest),
                Standing::ended);
            return;
        }
    }
    if (record.settled_at == left)
        return; // it does already
    if (!record.is_time_wait) {
        record.standing = Standing::destroyed;
        record.last_shown = left; // if it was released since then, its port may have been free
    }
    record.settled_at = left;
    auto &queue = table.scanned_whole      ? table.destroyed
                  : record.peer_has_closed ? table.lingering_closed
                                           : table.lingering_half_closed;
    queue.emplace_back(left, key);
}

} // namespace portd::model
