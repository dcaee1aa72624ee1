// Private to the store: looks through one part for the leases of many ends of flows.
//
// The ends are sorted by port. For each port, the times that are asked for are widened by how far
// the lives of leases reach, span by span (store/lease_span.hpp), and what overlaps then is read
// once: however close the flows of a busy port lie together, no lease is looked at twice, and those
// of a seldom used port are found by a few steps through the index. What was read of a busy port is
// not read for the next question (store/peer_ports.hpp): only leases whose peer fits are.
#pragma once

#include "model/flow.hpp"
#include "store/filed_near.hpp"
#include "store/lease_query.hpp"
#include "store/part_reader.hpp"
#include "store/peer_ports.hpp"
#include "store/span_ports.hpp"
#include "store/waiting_leases.hpp"
#include "store/wall_times.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace portd::store {

// What one search has read and the next ones can use.
struct FlowMemory {
    PeerPorts peer_ports;
    SpanPorts span_ports;
    WaitingLeases waiting;

    void begin_question() {
        peer_ports.begin_question();
        waiting.begin_question();
    }
};

class FlowSearch {
  public:
    // `memory` lives longer.
    FlowSearch(const std::vector<model::FlowEnd> &ends, const WallTimes &walls, FlowMemory &memory);

    // Gets the serial of a lease, and the ends that it may be of. False: go on later.
    using Found = std::function<bool(std::int64_t serial, const std::vector<std::size_t> &ends)>;

    // Looks through the part from that place on, at no more than `budget` leases, which becomes
    // less; those in memory that are not wanted are not counted. Returns where to go on, if that
    // was not all of the part.
    std::optional<model::FlowPlace> look_through(PartReader &part, Holdings holdings,
                                                 std::optional<model::FlowPlace> from,
                                                 std::size_t &budget, const Found &found);

  private:
    struct Wanted {
        Stretch rows;
        std::size_t end;
        std::optional<std::uint16_t> tcp_peer_port; // any other one is not wanted
    };
    // What is wanted of a port with certain peers' ports, or what else is.
    struct OfPort {
        std::uint16_t port;
        bool names_peer_ports;
        std::vector<Wanted> wanted{};                // by the beginning of the rows
        std::vector<std::uint16_t> tcp_peer_ports{}; // sorted

        bool excludes(std::int64_t peer_port) const;
    };
    struct Source;
    struct Scan;

    static const std::vector<Source> &sources();
    std::vector<IdRange> ranges(const OfPort &of, const Part &part, const Source &source) const;
    // These are false if the scan has to stop; then `beyond` is the last id that was looked at.
    bool scan(Scan &scan, const OfPort &of, const IdRange &range);
    bool scan_unsorted(Scan &scan, const IdRange &range);
    bool read(Scan &scan, const OfPort &of, const IdRange &range);
    bool look_up(Scan &scan, const OfPort &of, const IdRange &range);
    bool look_up_waiting(Scan &scan, const OfPort &of);

    FlowMemory &memory_;
    std::vector<OfPort> ports_; // sorted
};

} // namespace portd::store
