// What a Writer stores together or not at all.
#pragma once

#include "model/bind_failure.hpp"
#include "model/lease.hpp"
#include "model/ring_mark.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace portd::store {

// portd watched without interruption; `until` of an interval with the same source and start grows.
struct Watched {
    CaptureTier source = CaptureTier::sock_diag;
    model::Instant since{};
    model::Instant until{};
};

// What a network namespace is called. Its inode number can be used again by another one: so a name
// holds for leases and bind failures of which portd first had word at `since` or later, until the
// next name of the same inode. The default is all of this boot, and replaces a name of that kind.
struct NamespaceName {
    std::uint32_t inode = 0;
    std::string name; // empty: it has none
    model::Instant since{};
};

// What both clocks showed at one moment.
struct ClockReading {
    model::Instant at{};
    std::int64_t wall_offset_us = 0; // CLOCK_REALTIME minus CLOCK_BOOTTIME
};

struct Batch {
    // Each replaces what is stored under its serial, which must be positive. Serials grow.
    std::span<const model::Lease> leases;
    std::optional<Watched> watched;
    // In row time (Writer::row_us). One with the start and cause of a stored gap replaces it: so a
    // gap grows while it lasts.
    std::span<const proto::Gap> gaps;
    // One with the socket and instant of a stored one is left out.
    std::span<const model::BindFailure> bind_failures = {};
    // Names that are in force already cost nothing.
    std::span<const NamespaceName> namespaces = {};
    // The events before it are in this batch or in earlier ones.
    std::optional<model::RingMark> ring_mark = {};
    // Costs nothing as long as the clock is not set.
    std::optional<ClockReading> clock = {};
};

} // namespace portd::store
