// The rules of lease_rules.hpp that are about holders.
#include "model/lease_rules.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace portd::model {
namespace {

bool same_image(const ProcessRef &a, const ProcessRef &b) {
    return a == b || *a == *b;
}

// Of the images of one process only the newest can still be there.
void retire_old_images(Lease &lease, const ProcessKey &process) {
    const Holder *newest = nullptr;
    for (const auto &holder : lease.holders)
        if (holder.process->key == process && (!newest || holder.last_seen >= newest->last_seen))
            newest = &holder;
    for (auto &holder : lease.holders) {
        if (holder.process->key != process || !holder.present || &holder == newest)
            continue;
        holder.present = false;
        holder.gone_by =
            newest->first_seen < holder.last_seen ? newest->last_seen : newest->first_seen;
    }
}

ProcessRef named_by(const Lease &lease, const Attribution &attribution) {
    return attribution.holder ? lease.holders[*attribution.holder].process : nullptr;
}

// Attributions are indices: they go along when holders are moved or erased.
class KeptAttributions {
  public:
    explicit KeptAttributions(Lease &lease)
        : lease_(lease),
          opener_(named_by(lease, lease.opener)),
          last_(named_by(lease, lease.last_holder)) {}

    void find_again() {
        find(lease_.opener, opener_);
        find(lease_.last_holder, last_);
    }

  private:
    void find(Attribution &attribution, const ProcessRef &process) const {
        if (!process)
            return;
        attribution.holder = holder_index(lease_, process);
        if (!attribution.holder)
            attribution = {};
    }

    Lease &lease_;
    ProcessRef opener_, last_;
};

void sort_holders(Lease &lease) {
    if (std::ranges::is_sorted(lease.holders, std::less{}, &Holder::first_seen))
        return;
    KeptAttributions kept(lease);
    std::ranges::stable_sort(lease.holders, std::less{}, &Holder::first_seen);
    kept.find_again();
}

// Leaves out the newest holder to whom nothing is attributed for certain.
void make_room(Lease &lease) {
    if (lease.holders.size() < Lease::max_holders)
        return;
    auto index = static_cast<std::uint32_t>(lease.holders.size() - 1);
    while (lease.opener.holder == index || lease.last_holder.holder == index)
        --index;
    KeptAttributions kept(lease);
    lease.holders.erase(lease.holders.begin() + index);
    ++lease.holders_omitted;
    kept.find_again();
}

// Adds a holder for certain, and says where it is; nothing if it cannot have been one.
std::optional<std::uint32_t> place_holder(Lease &lease, const ProcessRef &process, Instant &at) {
    if (lease.closed && lease.closed->latest) {
        at = std::min(at, *lease.closed->latest);
        if (process->key.started_at > at)
            return std::nullopt;
    }
    if (!holder_index(lease, process))
        make_room(lease);
    add_holder(lease, process, at);
    return holder_index(lease, process);
}

} // namespace

HolderNews add_holder(Lease &lease, const ProcessRef &process, Instant at) {
    if (lease.closed && lease.closed->latest &&
        (process->key.started_at > *lease.closed->latest || at > *lease.closed->latest))
        return HolderNews::none;
    auto known = std::ranges::find_if(
        lease.holders, [&](const Holder &h) { return same_image(h.process, process); });
    bool news = false;
    if (known == lease.holders.end()) {
        if (lease.holders.size() == Lease::max_holders)
            return HolderNews::no_room;
        lease.holders.push_back({process, at, at, true, std::nullopt});
        known = lease.holders.end() - 1;
        news = true;
    }
    if (!known->present && at > known->gone_by.value_or(known->last_seen)) {
        known->present = true;
        known->gone_by.reset();
        news = true;
    }
    if (at > known->last_seen) {
        known->last_seen = at;
        news = news || lease.closed;
    }
    if (at < known->first_seen) {
        known->first_seen = at;
        news = true;
    }
    if (!news)
        return HolderNews::none;
    retire_old_images(lease, process->key);
    sort_holders(lease);
    return HolderNews::changed;
}

std::optional<std::uint32_t> holder_index(const Lease &lease, const ProcessRef &process) {
    const auto found = std::ranges::find_if(
        lease.holders, [&](const Holder &h) { return same_image(h.process, process); });
    if (found == lease.holders.end())
        return std::nullopt;
    return static_cast<std::uint32_t>(found - lease.holders.begin());
}

bool note_opener(Lease &lease, const ProcessRef &process, Instant at) {
    const auto index = place_holder(lease, process, at);
    if (!index)
        return false;
    const Attribution before = std::exchange(lease.opener, {index, Provenance::observed});
    return before != lease.opener;
}

bool note_last_holder(Lease &lease, const ProcessRef &process, Instant at) {
    const auto index = place_holder(lease, process, at);
    if (!index)
        return false;
    auto &holder = lease.holders[*index];
    holder.present = true;
    holder.gone_by.reset();
    const Attribution before = std::exchange(lease.last_holder, {index, Provenance::observed});
    return before != lease.last_holder;
}

bool retire_holders(Lease &lease, Instant at) {
    bool found = false;
    const bool is_observed = lease.last_holder.provenance == Provenance::observed;
    for (std::uint32_t i = 0; i < lease.holders.size(); ++i) {
        auto &holder = lease.holders[i];
        if (!holder.present || (is_observed && lease.last_holder.holder == i))
            continue;
        holder.present = false;
        holder.gone_by = at;
        found = true;
    }
    return found;
}

bool retire_image(Lease &lease, const ProcessRef &process, Instant at) {
    bool found = false;
    for (auto &holder : lease.holders) {
        if (!holder.present || holder.first_seen > at || !same_image(holder.process, process))
            continue;
        holder.present = false;
        holder.gone_by = at;
        holder.last_seen = std::min(holder.last_seen, at);
        found = true;
    }
    return found;
}

void forget_later_holders(Lease &lease) {
    if (!lease.closed || !lease.closed->latest)
        return;
    const Instant closed = *lease.closed->latest;
    if (std::ranges::none_of(lease.holders, [&](const Holder &holder) {
            return holder.last_seen > closed || holder.process->key.started_at > closed;
        }))
        return;
    KeptAttributions kept(lease);
    const auto is_observed = [&](const Holder &holder) {
        const auto index = static_cast<std::uint32_t>(&holder - lease.holders.data());
        return (lease.opener.provenance == Provenance::observed && lease.opener.holder == index) ||
               (lease.last_holder.provenance == Provenance::observed &&
                lease.last_holder.holder == index);
    };
    std::vector<Holder> holders;
    for (auto &holder : lease.holders) {
        if (holder.process->key.started_at > closed ||
            (holder.first_seen > closed && !is_observed(holder)))
            continue;
        holders.push_back(holder);
        holders.back().first_seen = std::min(holder.first_seen, closed);
        holders.back().last_seen = std::min(holder.last_seen, closed);
    }
    lease.holders = std::move(holders);
    std::ranges::stable_sort(lease.holders, std::less{}, &Holder::first_seen);
    kept.find_again();
}

bool remove_holder(Lease &lease, const ProcessKey &process, const When &at) {
    bool found = false;
    for (auto &holder : lease.holders) {
        if (holder.process->key != process || !holder.present)
            continue;
        if (at.latest && (holder.first_seen >= *at.latest || holder.last_seen > *at.latest))
            continue;
        holder.present = false;
        holder.gone_by = at.latest;
        if (at.earliest)
            holder.last_seen = std::max(holder.last_seen, *at.earliest);
        if (lease.closed && lease.closed->latest)
            holder.last_seen = std::min(holder.last_seen, *lease.closed->latest);
        found = true;
    }
    return found;
}

bool is_held_by(const Lease &lease, const ProcessKey &process) {
    return std::ranges::any_of(
        lease.holders, [&](const Holder &h) { return h.present && h.process->key == process; });
}

} // namespace portd::model
