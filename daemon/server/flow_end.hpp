// Who had one end of a flow: what each lease says to it, and what they come to. Pure.
//
// A lease fits an end more or less well. Only the leases that fit best count: a connection that has
// both ends of the flow, rather than the listener at its port; a socket that somebody had, rather
// than one that was only lingering. If those that count are of several processes, none is chosen.
//
// A socket that is bound to every address has the port at all addresses of this machine, and at
// none of another one's, whose flows may stand in the same log: unless the address is known to be
// of this machine, such a lease names nobody. Nor does a listener of TCP, where its connection to
// the other end would have been seen, but was not: the flow may never have got to a process.
#pragma once

#include "model/address_range.hpp"
#include "model/flow.hpp"
#include "proto/attribution.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace portd::server {

// An end of a flow, as the host at that end sees it.
struct SoughtEnd {
    std::int64_t at_us = 0;
    std::int64_t duration_us = 0;
    std::int64_t within_us = 0;
    std::optional<Protocol> protocol;
    std::optional<model::Address> local;
    std::uint16_t port = 0;
    std::optional<model::Address> peer;
    std::optional<std::uint16_t> peer_port;

    model::FlowEnd sought() const;
};

// The processes of a reply, each once.
class ProcessTable {
  public:
    // Its place.
    std::int64_t add(const proto::Process &process);
    std::vector<proto::Process> take() { return std::move(processes_); }

  private:
    std::vector<proto::Process> processes_;
    std::set<std::pair<std::string, std::int64_t>> places_;
};

// Whether each connection between the two ends of the flow would have a lease, if there was one.
enum class EveryConnection : bool { may_be_missing, is_known };

class EndFinding {
  public:
    static constexpr std::size_t most_candidates = 8;
    static constexpr std::size_t most_leases = 4;

    void add(const proto::Lease &lease, const SoughtEnd &end,
             const std::vector<model::AddressRange> &local_addresses);
    // Nothing if no lease fits.
    std::optional<proto::EndAttribution> attribution(ProcessTable &processes,
                                                     EveryConnection connections) const;
    // Whether one does that says more than that it cannot be excluded.
    bool is_of_this_machine() const;
    // Whether no other lease than those that were added can fit better: one that fits had the
    // address and port at the time itself.
    bool excludes_others() const;

  private:
    // Best first.
    enum class Fit { tuple, local_end, dual_stack, other_peer, port_only, address_not_local };
    struct Rank {
        Fit fit = Fit::tuple;
        bool is_lingering = false;

        auto operator<=>(const Rank &) const = default;
    };
    struct Candidate {
        proto::Process opener;
        proto::Process last_holder;
        bool is_skewed = false;
        bool is_sampled = false;
    };

    static std::optional<Fit> fit(const proto::Lease &lease, const SoughtEnd &end,
                                  const std::vector<model::AddressRange> &local_addresses);
    std::vector<AttributionReason> reasons() const;

    std::optional<Rank> rank_;
    bool has_peerless_streams_only_ = true;
    std::vector<Candidate> candidates_; // that differ in their processes, one more than are told
    std::set<std::string> leases_;      // the first ones
    std::int64_t matching_ = 0;
    std::set<std::optional<std::string>> users_;
};

} // namespace portd::server
