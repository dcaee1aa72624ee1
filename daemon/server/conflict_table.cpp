#include "conflict_table.hpp"

#include "moment.hpp"

#include <algorithm>

namespace portd::server {
namespace {

// It waits for others: a listener, or a datagram socket without a peer.
bool serves(const proto::Lease &lease) {
    return lease.role == Role::listener || (lease.role == Role::datagram && !lease.peer_address);
}

// The kernel chose the port of this one by itself.
bool is_automatic(const proto::Lease &lease) {
    return lease.port_choice == PortChoice::automatic && lease.role != Role::accepted;
}

} // namespace

bool ConflictTable::is_in_range(std::int64_t port) const {
    return ports_.local_range.contains(static_cast<std::uint16_t>(port));
}

ConflictTable::Entry *ConflictTable::entry_of(const Port &port) {
    const auto found = entries_.find(port);
    if (found != entries_.end())
        return &found->second;
    if (ports_.is_reserved(static_cast<std::uint16_t>(port.first))) {
        reserved_.insert(port);
        return nullptr;
    }
    if (entries_.size() == most_conflicts)
        return nullptr;
    Entry &entry = entries_[port];
    entry.told.port = port.first;
    entry.told.protocol = port.second;
    return &entry;
}

void ConflictTable::add_open(const proto::Lease &lease) {
    if (lease.network_namespace != network_namespace_ || !is_in_range(lease.local_port) ||
        !serves(lease))
        return;
    const Port port{lease.local_port, lease.protocol};
    if (!lease.port_choice) {
        choice_unknown_.insert(port);
        return;
    }
    if (*lease.port_choice == PortChoice::automatic)
        return;
    if (Entry *entry = entry_of(port); entry && !entry->told.holder)
        entry->told.holder = lease;
}

// A bind has a port of the program's choice; without a lease of the kernel's choice in its way it
// tells of no conflict with that.
void ConflictTable::add(const proto::BindFailure &failure) {
    if (failure.network_namespace != network_namespace_ || !is_in_range(failure.local_port) ||
        !std::ranges::any_of(failure.in_the_way, is_automatic))
        return;
    if (Entry *entry = entry_of({failure.local_port, failure.protocol})) {
        ++entry->told.refused_binds;
        entry->told.last_refused = failure;
    }
}

std::vector<ConflictTable::Port> ConflictTable::ports() const {
    std::vector<Port> ports;
    for (const auto &[port, entry] : entries_)
        ports.push_back(port);
    return ports;
}

void ConflictTable::add_past(const proto::Lease &lease) {
    const auto found = entries_.find({lease.local_port, lease.protocol});
    if (found == entries_.end() || lease.network_namespace != network_namespace_ ||
        !is_automatic(lease))
        return;
    auto &[told, programs] = found->second;
    ++told.automatic_leases;
    programs.add(lease);
    told.last_automatic_usec = std::max(told.last_automatic_usec, latest_usec(lease.opened));
}

std::vector<proto::PortConflict> ConflictTable::conflicts() const {
    std::vector<proto::PortConflict> conflicts;
    for (const auto &[port, entry] : entries_) {
        conflicts.push_back(entry.told);
        conflicts.back().programs =
            entry.programs.summary(AuditOrder::leases, most_programs).groups;
    }
    std::ranges::stable_sort(conflicts, std::ranges::greater{},
                             &proto::PortConflict::automatic_leases);
    return conflicts;
}

// A port of which another socket proves the choice is not unknown.
std::int64_t ConflictTable::choice_unknown() const {
    return std::ranges::count_if(choice_unknown_, [&](const Port &port) {
        return !entries_.contains(port) && !reserved_.contains(port) &&
               !ports_.is_reserved(static_cast<std::uint16_t>(port.first));
    });
}

} // namespace portd::server
