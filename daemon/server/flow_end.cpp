#include "flow_end.hpp"

#include "model/bind_failure.hpp"
#include "model/saturating.hpp"
#include "moment.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace portd::server {
namespace {

using Limits = std::numeric_limits<std::int64_t>;
using model::Address;
using model::saturating_sum;

std::optional<Address> address_of(const std::string &text) {
    const auto range = model::parse_address_range(text);
    return range ? std::optional(range->first) : std::nullopt;
}

bool is_known(const proto::Process &process) {
    return process.provenance != Provenance::unknown;
}

bool is_same(const proto::Process &a, const proto::Process &b) {
    if (is_known(a) != is_known(b))
        return false;
    return std::tie(a.pid, a.start_usec, a.executable, a.command) ==
           std::tie(b.pid, b.start_usec, b.executable, b.command);
}

struct Stretch {
    std::int64_t since_us = Limits::min();
    std::int64_t until_us = Limits::max();

    bool touches(std::int64_t since, std::int64_t until) const {
        return since_us <= until && until_us >= since;
    }
};

// In which one of its processes may have had it. Where the earliest opening is not known, none had
// it before it began itself: portd would know of others, if it had watched then.
Stretch possible_life(const proto::Lease &lease) {
    Stretch life;
    if (const auto at = earliest_usec(lease.opened)) {
        life.since_us = *at;
    } else {
        const auto opened_us = latest_usec(lease.opened).value_or(Limits::max());
        std::optional<std::int64_t> began_us;
        for (const proto::Process &process : lease.holders)
            if (process.start_usec)
                began_us = std::min(began_us.value_or(opened_us), *process.start_usec);
        life.since_us = began_us.value_or(life.since_us);
    }
    if (lease.freed)
        life.until_us = latest_usec(*lease.freed).value_or(Limits::max());
    return life;
}

// In which it had it for sure.
Stretch certain_life(const proto::Lease &lease) {
    Stretch life;
    life.since_us = latest_usec(lease.opened).value_or(Limits::max());
    if (lease.freed)
        life.until_us =
            earliest_usec(*lease.freed)
                .value_or(lease.closed ? earliest_usec(*lease.closed).value_or(life.since_us)
                                       : life.since_us);
    return life;
}

enum class Peer { same, other, none, not_told };

Peer compare_peer(const proto::Lease &lease, const SoughtEnd &end) {
    if (!lease.peer_address || lease.peer_port.value_or(0) == 0)
        return Peer::none;
    if (end.peer_port && *end.peer_port != *lease.peer_port)
        return Peer::other;
    const auto peer = address_of(*lease.peer_address);
    if (end.peer && peer != end.peer)
        return Peer::other;
    return end.peer && end.peer_port ? Peer::same : Peer::not_told;
}

} // namespace

model::FlowEnd SoughtEnd::sought() const {
    model::FlowEnd end;
    end.port = port;
    end.protocol = protocol;
    end.peer_port = peer_port;
    end.since_us = saturating_sum(at_us, -within_us);
    end.until_us = saturating_sum(saturating_sum(at_us, duration_us), within_us);
    return end;
}

std::int64_t ProcessTable::add(const proto::Process &process) {
    std::string key;
    for (const auto &text : {process.executable, process.command, process.arguments})
        key += text.value_or("") + '\0';
    key += std::to_string(process.pid.value_or(0)) + ' ' +
           std::to_string(process.start_usec.value_or(0)) + ' ' +
           std::string(to_string(process.provenance));
    const auto known = places_.lower_bound({key, 0});
    if (known != places_.end() && known->first == key)
        return known->second;
    const auto place = static_cast<std::int64_t>(processes_.size());
    processes_.push_back(process);
    places_.emplace(std::move(key), place);
    return place;
}

std::optional<EndFinding::Fit>
EndFinding::fit(const proto::Lease &lease, const SoughtEnd &end,
                const std::vector<model::AddressRange> &local_addresses) {
    if (lease.local_port != end.port || (end.protocol && lease.protocol != *end.protocol))
        return std::nullopt;
    const Peer peer = compare_peer(lease, end);
    if (peer == Peer::other && lease.protocol == Protocol::tcp)
        return std::nullopt;
    if (!end.local)
        return Fit::port_only;
    const auto local = address_of(lease.local_address);
    if (!local)
        return std::nullopt;
    const bool is_dual = local->family != end.local->family;
    if (local->is_wildcard()) {
        if (is_dual && local->family == Family::ipv4)
            return std::nullopt;
        if (std::ranges::none_of(local_addresses, [&](const model::AddressRange &range) {
                return range.contains(*end.local);
            }))
            return Fit::address_not_local;
    } else if (*local != *end.local) {
        // A connected socket of UDP may have had another address before.
        return lease.protocol == Protocol::udp && peer != Peer::none && !is_dual
                   ? std::optional(Fit::address_not_local)
                   : std::nullopt;
    }
    if (peer == Peer::same && end.protocol)
        return Fit::tuple;
    if (peer == Peer::other)
        return Fit::other_peer;
    return is_dual ? Fit::dual_stack : Fit::local_end;
}

void EndFinding::add(const proto::Lease &lease, const SoughtEnd &end,
                     const std::vector<model::AddressRange> &local_addresses) {
    const auto found = fit(lease, end, local_addresses);
    const model::FlowEnd sought = end.sought();
    if (!found || !possible_life(lease).touches(sought.since_us, sought.until_us))
        return;
    Rank rank{*found, false};
    if (lease.closed)
        rank.is_lingering = latest_usec(*lease.closed).value_or(Limits::max()) < sought.since_us;
    if (rank_ && *rank_ < rank)
        return;
    if (!rank_ || rank < *rank_)
        *this = EndFinding();
    rank_ = rank;
    if (leases_.contains(lease.id))
        return;
    ++matching_;
    has_peerless_streams_only_ = has_peerless_streams_only_ && lease.protocol == Protocol::tcp &&
                                 compare_peer(lease, end) == Peer::none;
    if (leases_.size() < most_leases)
        leases_.insert(lease.id);
    users_.insert(lease.user);

    const std::int64_t ended_us = saturating_sum(end.at_us, end.duration_us);
    const bool is_skewed = !possible_life(lease).touches(end.at_us, ended_us);
    const bool is_sampled = !is_skewed && !certain_life(lease).touches(end.at_us, ended_us);
    const auto known = std::ranges::find_if(candidates_, [&](const Candidate &one) {
        return is_same(one.opener, lease.opener) && is_same(one.last_holder, lease.last_holder);
    });
    if (known != candidates_.end()) {
        known->is_skewed = known->is_skewed && is_skewed;
        known->is_sampled = known->is_sampled && is_sampled;
    } else if (candidates_.size() <= most_candidates) {
        candidates_.push_back({lease.opener, lease.last_holder, is_skewed, is_sampled});
    }
}

bool EndFinding::is_of_this_machine() const {
    return rank_ && rank_->fit != Fit::address_not_local;
}

bool EndFinding::excludes_others() const {
    return rank_ && rank_->fit <= Fit::dual_stack && !rank_->is_lingering &&
           std::ranges::none_of(candidates_, &Candidate::is_skewed);
}

std::vector<AttributionReason> EndFinding::reasons() const {
    std::vector<AttributionReason> found;
    switch (rank_->fit) {
    case Fit::tuple:
        found.push_back(AttributionReason::tuple);
        break;
    case Fit::local_end:
        found.push_back(AttributionReason::local_end);
        break;
    case Fit::dual_stack:
        found.push_back(AttributionReason::dual_stack);
        break;
    case Fit::other_peer:
        found.push_back(AttributionReason::other_peer);
        break;
    case Fit::port_only:
        found.push_back(AttributionReason::port_only);
        break;
    case Fit::address_not_local:
        found.push_back(AttributionReason::address_not_local);
        break;
    }
    if (rank_->is_lingering)
        found.push_back(AttributionReason::lingering);
    if (std::ranges::all_of(candidates_, &Candidate::is_skewed))
        found.push_back(AttributionReason::skewed);
    if (std::ranges::all_of(candidates_, &Candidate::is_sampled))
        found.push_back(AttributionReason::sampled);
    return found;
}

std::optional<proto::EndAttribution> EndFinding::attribution(ProcessTable &processes,
                                                             EveryConnection connections) const {
    if (!rank_)
        return std::nullopt;
    proto::EndAttribution told;
    told.reasons = reasons();
    told.leases.assign(leases_.begin(), leases_.end());
    told.matching = matching_;
    if (users_.size() == 1)
        told.user = *users_.begin();
    if (has_peerless_streams_only_ && is_of_this_machine() &&
        connections == EveryConnection::is_known) {
        told.confidence = Confidence::unknown;
        told.reasons.push_back(AttributionReason::no_connection);
        return told;
    }
    const Candidate &first = candidates_.front();
    const auto telling = [](const Candidate &one) -> const proto::Process & {
        return is_known(one.opener) ? one.opener : one.last_holder;
    };
    if (candidates_.size() > 1 && is_of_this_machine()) {
        told.confidence = Confidence::ambiguous;
        for (const Candidate &one : candidates_)
            if (told.candidates.size() < most_candidates)
                told.candidates.push_back(processes.add(telling(one)));
        return told;
    }
    const proto::Process &process = telling(first);
    if (!is_known(process) || !is_of_this_machine()) {
        told.confidence = Confidence::unknown;
        return told;
    }
    if (process.provenance == Provenance::inferred)
        told.reasons.push_back(AttributionReason::inferred);
    const bool is_exact =
        told.reasons == std::vector{AttributionReason::tuple} && is_known(first.opener);
    told.confidence = is_exact ? Confidence::exact : Confidence::likely;
    told.process = processes.add(process);
    if (is_known(first.last_holder) && !is_same(process, first.last_holder))
        told.last_holder = processes.add(first.last_holder);
    return told;
}

} // namespace portd::server
