#include "client/fold.hpp"

#include "client/format.hpp"

#include <utility>

namespace portd::client {
namespace {

bool is_wildcard(const std::string &address) {
    return address == "0.0.0.0" || address == "::";
}

std::optional<std::int64_t> ended_latest(const proto::Lease &lease) {
    if (lease.freed)
        return bounds_of(*lease.freed).latest;
    return lease.closed ? bounds_of(*lease.closed).latest : std::nullopt;
}

} // namespace

Fold::Key Fold::key_of(const proto::Lease &lease) {
    return {lease.boot_id, lease.network_namespace, lease.protocol, lease.local_port};
}

bool Fold::admits(const Listener &listener, const proto::Lease &accepted) {
    const Bounds opened = bounds_of(accepted.opened);
    const bool too_early =
        listener.opened_earliest && opened.latest && *opened.latest < *listener.opened_earliest;
    const bool too_late =
        listener.ended_latest && opened.earliest && *opened.earliest > *listener.ended_latest;
    return !too_early && !too_late &&
           (listener.address == accepted.local_address || is_wildcard(listener.address));
}

Fold::Listener *Fold::own_listener(std::vector<Listener> &listeners, const proto::Lease &accepted) {
    Listener *best = nullptr;
    const auto preference = [&accepted](const Listener &listener) {
        return std::pair(listener.address == accepted.local_address, listener.opened_earliest);
    };
    for (Listener &listener : listeners)
        if (admits(listener, accepted) && (!best || preference(*best) < preference(listener)))
            best = &listener;
    return best;
}

bool Fold::count_under_listener(const proto::Lease &accepted) {
    const auto found = listeners_.find(key_of(accepted));
    Listener *listener =
        found == listeners_.end() ? nullptr : own_listener(found->second, accepted);
    if (!listener)
        return false;
    if (listener->row)
        ++lease_row(*listener->row).accepted;
    else
        ++late_;
    return true;
}

void Fold::adopt_earlier_rows(const Key &key, std::size_t listener_row) {
    const auto found = unclaimed_.find(key);
    if (found == unclaimed_.end())
        return;
    const Listener &listener = listeners_[key].back();
    std::erase_if(found->second, [&](std::size_t row) {
        if (!admits(listener, lease_row(row).lease))
            return false;
        rows_[row].removed = true;
        ++lease_row(listener_row).accepted;
        return true;
    });
}

void Fold::add(proto::Lease lease) {
    const bool folds = folding_ == Folding::on;
    if (folds && lease.role == Role::accepted && count_under_listener(lease))
        return;
    const Key key = key_of(lease);
    const std::size_t row = rows_.size();
    rows_.push_back({FoldedLease{std::move(lease), 0}, false});
    const proto::Lease &added = lease_row(row).lease;
    if (folds && added.role == Role::accepted)
        unclaimed_[key].push_back(row);
    if (folds && added.role == Role::listener) {
        auto &listeners = listeners_[key];
        if (listeners.size() == most_listeners)
            listeners.erase(listeners.begin());
        listeners.push_back(
            {added.local_address, bounds_of(added.opened).earliest, ended_latest(added), row});
        adopt_earlier_rows(key, row);
    }
}

void Fold::add(proto::BindFailure failure) {
    rows_.push_back({std::move(failure), false});
}

std::vector<FoldedRow> Fold::take() {
    std::vector<FoldedRow> taken;
    taken.reserve(rows_.size());
    for (Pending &pending : rows_)
        if (!pending.removed)
            taken.push_back(std::move(pending.row));
    rows_.clear();
    unclaimed_.clear();
    for (auto &[key, listeners] : listeners_)
        for (Listener &listener : listeners)
            listener.row.reset();
    return taken;
}

} // namespace portd::client
