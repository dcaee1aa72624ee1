// Looking for the leases of many ends of flows at once. Times are those of model/history.hpp.
#pragma once

#include "proto/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace portd::model {

// One end of a flow as a log tells of it: leases of the port are wanted that may have had it at a
// moment of [since, until]. Of TCP, those with a peer of another port are not.
struct FlowEnd {
    std::uint16_t port = 0;
    std::optional<Protocol> protocol;
    std::optional<std::uint16_t> peer_port;
    std::int64_t since_us = 0;
    std::int64_t until_us = 0;
};

// A lease, and the places of all ends that it may be of.
struct LeaseOfFlows {
    proto::Lease lease;
    std::vector<std::size_t> ends;
};

// Where a search stands. Only who gave it knows what it means, and only for the same ends.
struct FlowPlace {
    std::int64_t part = 0;
    bool is_sealed = false;
    std::size_t source = 0;
    std::size_t port = 0;
    std::int64_t beyond = 0;
};

struct FlowPage {
    std::vector<LeaseOfFlows> leases; // a lease can come again
    std::size_t examined = 0;
    std::optional<FlowPlace> next; // absent: that was the end
};

} // namespace portd::model
