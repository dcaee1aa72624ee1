#include "model/ledger_state.hpp"

#include <algorithm>
#include <tuple>

namespace portd::model {

void Ledger::State::listen(TableState &table, const SocketKey &key, const Lease &lease) {
    auto &listeners = table.listening[lease.local.port].listeners;
    const auto known = std::ranges::find(listeners, key, &Listening::Listener::key);
    if (known == listeners.end())
        listeners.push_back({key, lease.local.address, lease.port_choice, lease.port_chosen_by});
    else
        std::tie(known->port_choice, known->port_chosen_by) =
            std::tie(lease.port_choice, lease.port_chosen_by);
}

void Ledger::State::stop_listening(TableState &table, const SocketKey &key, const Lease &lease) {
    if (lease.protocol != Protocol::tcp || (is_connection(lease) && lease.role != Role::listener))
        return;
    auto &listening = table.listening[lease.local.port];
    std::erase_if(listening.listeners, [&](const auto &l) { return l.key == key; });
    if (lease.freed)
        listening.last_end = std::max(listening.last_end, lease.freed->latest);
}

const Listening::Listener *Ledger::State::listener_at(const TableState &table,
                                                      const Endpoint &end) {
    const auto found = table.listening.find(end.port);
    if (found == table.listening.end())
        return nullptr;
    const auto &listeners = found->second.listeners;
    const auto match = std::ranges::find_if(listeners, [&](const auto &listener) {
        return listener.address.is_wildcard() || listener.address == end.address;
    });
    return match == listeners.end() ? nullptr : &*match;
}

// An event of a lease that had its port before tells no other call than bind(2).
bool Ledger::State::note_choice(Lease &lease, const PortTaken &taken, bool was_opening) {
    const auto before = std::pair(lease.port_choice, lease.port_chosen_by);
    if (taken.port_choice)
        lease.port_choice = taken.port_choice;
    if (was_opening || taken.port_chosen_by == PortChosenBy::bind)
        lease.port_chosen_by = taken.port_chosen_by;
    if (lease.port_choice != PortChoice::automatic)
        lease.port_chosen_by.reset();
    return before != std::pair(lease.port_choice, lease.port_chosen_by);
}

// What a listener accepts has its port.
void Ledger::State::take_choice(Lease &lease, const Listening::Listener &listener) {
    lease.port_choice = listener.port_choice;
    lease.port_chosen_by = listener.port_chosen_by;
}

void Ledger::State::decide_role_by_listeners(TableState &table, Lease &lease) {
    if (lease.role || !is_connection(lease))
        return;
    if (const auto *listener = listener_at(table, lease.local)) {
        lease.role = Role::accepted;
        take_choice(lease, *listener);
    } else if (lease.local.address == lease.peer.address && listener_at(table, lease.peer)) {
        lease.role = Role::client;
    }
}

void Ledger::State::decide_role(TableState &table, Lease &lease) {
    decide_role_by_listeners(table, lease);
    if (lease.role || !is_connection(lease) || !is_own(table.table.network_namespace) ||
        !ports.can_be_automatic(lease.local.port))
        return;
    // A listener that is gone may have accepted it: before portd watched, or since.
    if (!lease.opened.earliest || !table.watched_since ||
        *lease.opened.earliest < *table.watched_since)
        return;
    const auto found = table.listening.find(lease.local.port);
    if (found != table.listening.end() && found->second.last_end >= lease.opened.earliest)
        return;
    lease.role = Role::client;
}

} // namespace portd::model
