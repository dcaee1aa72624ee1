// The unit of record: one socket's occupancy of one local port.
#pragma once

#include "model/process.hpp"
#include "model/socket.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace portd::model {

// A process that had the socket, from the first to the last moment at which it was seen with it.
struct Holder {
    ProcessRef process;
    Instant first_seen{};
    Instant last_seen{};
    bool present = true; // still had it when last looked
    // When it is known to have let go at the latest; not known of the holders of an earlier run.
    std::optional<Instant> gone_by{};

    bool operator==(const Holder &) const = default;
};

// Names a lease within its boot: the socket, and when portd first had word of this occupancy.
struct LeaseId {
    SocketKey socket;
    Instant first_observed{};

    auto operator<=>(const LeaseId &) const = default;
};

// Who opened the socket or was the last to hold it: index into `holders`, or nobody knows.
struct Attribution {
    std::optional<std::uint32_t> holder;
    Provenance provenance = Provenance::unknown;

    bool operator==(const Attribution &) const = default;
};

struct Lease {
    // Under which the store files it; grows in the order in which leases were found.
    std::int64_t serial = 0;
    LeaseId id;
    Protocol protocol = Protocol::tcp;
    Endpoint local;
    Endpoint peer; // port 0: none
    std::optional<Role> role;
    std::optional<PortChoice> port_choice;        // absent: not known
    std::optional<PortChosenBy> port_chosen_by{}; // absent: not known, or not the kernel's choice
    Phase phase = Phase::bound;
    std::optional<Outcome> outcome;
    When opened;
    std::optional<When> closed; // the last holder let go of it
    std::optional<When> freed;  // the port is free; absent while the lease is open
    std::optional<std::uint32_t> uid;
    std::vector<Holder> holders; // in the order in which they were first seen, at most max_holders
    std::uint32_t holders_omitted = 0;
    Attribution opener;
    Attribution last_holder;
    std::optional<std::uint64_t> bytes_sent;
    std::optional<std::uint64_t> bytes_received;

    static constexpr std::size_t max_holders = 64;

    bool is_open() const { return !freed.has_value(); }
    bool operator==(const Lease &) const = default;
};

} // namespace portd::model
