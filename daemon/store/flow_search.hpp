// Private to the store: looks through one part for the leases of many ends of flows.
//
// The ends are sorted by port. For each port, the times that are asked for are widened by how far
// the lives of leases reach, span by span (store/lease_span.hpp), and what overlaps then is read
// once: however close the flows of a busy port lie together, no lease is looked at twice, and those
// of a seldom used port are found by a few steps through the index.
#pragma once

#include "model/flow.hpp"
#include "store/filed_near.hpp"
#include "store/lease_query.hpp"
#include "store/part_reader.hpp"
#include "store/wall_times.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace portd::store {

class FlowSearch {
  public:
    FlowSearch(const std::vector<model::FlowEnd> &ends, const WallTimes &walls);

    // Gets the serial of a lease, and the ends that it may be of. False: go on later.
    using Found = std::function<bool(std::int64_t serial, const std::vector<std::size_t> &ends)>;

    // Looks through the part from that place on, at no more than `budget` leases, which becomes
    // less. Returns where to go on, if that was not all of the part.
    std::optional<model::FlowPlace> look_through(PartReader &part, Holdings holdings,
                                                 std::optional<model::FlowPlace> from,
                                                 std::size_t &budget, const Found &found);

  private:
    struct Wanted {
        Stretch rows;
        std::size_t end;
        std::optional<std::uint16_t> tcp_peer_port; // any other one is not wanted
    };
    struct OfPort {
        std::uint16_t port;
        std::vector<Wanted> wanted{}; // by the beginning of the rows
        // Of all that is wanted; empty if a part of it names none.
        std::vector<std::uint16_t> tcp_peer_ports{};

        bool excludes(std::int64_t peer_port) const;
    };
    struct Source;
    struct Scan;

    static const std::vector<Source> &sources();
    std::vector<IdRange> ranges(const OfPort &of, const Part &part, const Source &source) const;
    const OfPort *wanted_of(std::uint16_t port) const;
    // False if the scan has to stop; then `beyond` is the last id that was looked at.
    bool scan(Scan &scan, const OfPort *of, const IdRange &range);

    std::vector<OfPort> ports_; // sorted
};

} // namespace portd::store
