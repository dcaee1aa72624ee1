#include "model/lease_rules.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace portd::model {
namespace {

Phase tcp_phase(SocketState state, Orphaned orphaned) {
    switch (state) {
    case SocketState::listen:
        return Phase::listening;
    case SocketState::syn_sent:
    case SocketState::syn_received:
    case SocketState::new_syn_received:
        return Phase::connecting;
    case SocketState::established:
        return Phase::connected;
    case SocketState::close_wait:
        // close(2) leads out of this state (RFC 9293, 3.6): without a process, it waits for
        // accept(2).
        return Phase::closing;
    case SocketState::fin_wait1:
    case SocketState::fin_wait2:
    case SocketState::last_ack:
    case SocketState::closing:
        return orphaned == Orphaned::yes ? Phase::lingering : Phase::closing;
    case SocketState::time_wait:
        return Phase::lingering;
    case SocketState::close:
        return Phase::bound;
    }
    return Phase::bound;
}

bool descends_from(const Process &process, const ProcessKey &ancestor) {
    return std::ranges::any_of(process.ancestors,
                               [&](const Ancestor &a) { return a.pid == ancestor.pid; }) &&
           ancestor.started_at <= process.key.started_at;
}

// The holders that may have opened the socket: those that existed when it was first seen, and of
// them the ones that were found at the first look, or are ancestors of these.
std::optional<std::uint32_t> common_ancestor(const Lease &lease,
                                             const std::vector<std::uint32_t> &candidates) {
    for (const auto candidate : candidates) {
        const auto &key = lease.holders[candidate].process->key;
        const bool of_all = std::ranges::all_of(candidates, [&](std::uint32_t other) {
            return other == candidate || descends_from(*lease.holders[other].process, key);
        });
        if (of_all)
            return candidate;
    }
    return std::nullopt;
}

Attribution find_opener(const Lease &lease) {
    std::vector<std::uint32_t> candidates;
    for (std::uint32_t i = 0; i < lease.holders.size(); ++i) {
        const auto &holder = lease.holders[i];
        if (lease.opened.latest && holder.process->key.started_at > *lease.opened.latest)
            continue;
        const bool first_look = holder.first_seen == lease.holders.front().first_seen;
        const bool above = std::ranges::any_of(candidates, [&](std::uint32_t c) {
            return descends_from(*lease.holders[c].process, holder.process->key);
        });
        if (first_look || above)
            candidates.push_back(i);
    }
    if (candidates.empty())
        return {};
    if (candidates.size() == 1) {
        const auto &only = lease.holders[candidates.front()].process->key;
        const bool cannot_have_inherited =
            lease.opened.earliest && only.started_at <= *lease.opened.earliest;
        return {candidates.front(),
                cannot_have_inherited ? Provenance::sampled : Provenance::inferred};
    }
    const auto opener = common_ancestor(lease, candidates);
    return {opener, opener ? Provenance::inferred : Provenance::unknown};
}

// Who has it now that its opener has let go. Of several, the one that was first seen with it.
Attribution find_heir(const Lease &lease) {
    if (!lease.opener.holder || lease.holders[*lease.opener.holder].present)
        return {};
    const auto heir = std::ranges::find_if(lease.holders, &Holder::present);
    if (heir == lease.holders.end())
        return {};
    return {static_cast<std::uint32_t>(heir - lease.holders.begin()), Provenance::sampled};
}

Attribution find_last_holder(const Lease &lease) {
    if (!lease.closed)
        return find_heir(lease);
    if (lease.holders.empty() || lease.holders_omitted > 0)
        return {};
    const auto later = [](const Holder &a, const Holder &b) {
        return std::pair(a.present, a.last_seen) < std::pair(b.present, b.last_seen);
    };
    const auto last = std::ranges::max_element(lease.holders, later);
    const bool outlasted_all = std::ranges::all_of(lease.holders, [&](const Holder &h) {
        return &h == &*last || (last->present && !h.present) ||
               (!h.present && h.gone_by && *h.gone_by <= last->last_seen);
    });
    if (!outlasted_all)
        return {};
    return {static_cast<std::uint32_t>(last - lease.holders.begin()), Provenance::sampled};
}

void pull_down(std::optional<Instant> &bound, const std::optional<Instant> &limit) {
    if (bound && limit)
        bound = std::min(*bound, *limit);
}

void pull_up(std::optional<Instant> &bound, const std::optional<Instant> &limit) {
    if (bound && limit)
        bound = std::max(*bound, *limit);
}

void order_bounds(When &when) {
    pull_down(when.earliest, when.latest);
}

} // namespace

Phase phase_of(Protocol protocol, SocketState state, Orphaned orphaned) {
    if (protocol == Protocol::udp)
        return state == SocketState::established ? Phase::connected : Phase::bound;
    return tcp_phase(state, orphaned);
}

std::optional<Role> role_of(Protocol protocol, SocketState state) {
    if (protocol == Protocol::udp)
        return Role::datagram;
    switch (state) {
    case SocketState::listen:
        return Role::listener;
    case SocketState::syn_sent:
        return Role::client;
    case SocketState::syn_received:
    case SocketState::new_syn_received:
        return Role::accepted;
    case SocketState::established:
    case SocketState::fin_wait1:
    case SocketState::fin_wait2:
    case SocketState::time_wait:
    case SocketState::close:
    case SocketState::close_wait:
    case SocketState::last_ack:
    case SocketState::closing:
        return std::nullopt;
    }
    return std::nullopt;
}

std::optional<PortChoice> port_choice_of(std::uint16_t port, const NamespacePorts &ports) {
    if (ports.can_be_automatic(port))
        return std::nullopt;
    return PortChoice::explicit_;
}

void attribute(Lease &lease) {
    if (lease.opener.provenance != Provenance::observed)
        lease.opener = find_opener(lease);
    if (lease.last_holder.provenance != Provenance::observed)
        lease.last_holder = find_last_holder(lease);
}

void end_lease(Lease &lease, const When &at) {
    if (!lease.closed)
        lease.closed = at;
    lease.freed = at;
    lease.phase = Phase::freed;
    order_times(lease);
}

void order_times(Lease &lease) {
    order_bounds(lease.opened);
    if (!lease.closed)
        return;
    auto &closed = *lease.closed;
    order_bounds(closed);
    pull_down(lease.opened.latest, closed.latest);
    pull_up(closed.earliest, lease.opened.earliest);
    order_bounds(closed);
    if (lease.freed) {
        auto &freed = *lease.freed;
        pull_up(freed.latest, closed.latest);
        pull_up(freed.earliest, lease.opened.earliest);
        pull_up(freed.earliest, closed.earliest);
        order_bounds(freed);
        pull_down(closed.earliest, freed.earliest);
        pull_down(closed.earliest, freed.latest);
        pull_down(lease.opened.latest, freed.latest);
        pull_down(lease.opened.earliest, freed.latest);
    }
    pull_down(lease.opened.earliest, closed.earliest);
    pull_down(lease.opened.earliest, closed.latest);
    order_bounds(lease.opened);
}

} // namespace portd::model
