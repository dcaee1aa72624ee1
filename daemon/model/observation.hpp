// Facts from a capture source, each with the instant at which it was true. The ledger turns them
// into leases; it accepts them duplicated, late by up to Ledger::reorder_window, or not at all.
#pragma once

#include "model/lease.hpp"

#include <cstdint>
#include <optional>
#include <variant>

namespace portd::model {

// A scan of one table begins. Whatever existed throughout the scan is seen in it, listeners before
// connections (as the kernel lists them). Scans of a table follow each other in order; what comes
// late of an earlier scan is left out.
struct ScanStarted {
    Table table;
    Instant at{};
};

// One row of the table that is being scanned; `at` is when the row was read.
struct SocketSeen {
    SocketKey key;
    Protocol protocol = Protocol::tcp;
    Endpoint local;
    Endpoint peer;
    SocketState state = SocketState::close;
    std::uint32_t uid = 0;
    std::uint32_t inode = 0; // 0: no process has it (TIME_WAIT, orphaned, not yet accepted)
    Instant at{};
};

// The scan ended. Only a complete scan says anything about the sockets that were not in it.
struct ScanFinished {
    Table table;
    Instant at{};
    bool complete = false;
};

// What the kernel's tcp_info said when the socket was destroyed (include/uapi/linux/tcp.h).
struct TcpSummary {
    bool established = false;     // tcpi_delivered > 0: a handshake was completed
    std::uint64_t bytes_sent = 0; // payload, each byte once: tcpi_bytes_sent - tcpi_bytes_retrans
    std::uint64_t bytes_received = 0; // tcpi_bytes_received, which counts the peer's FIN as one
    Duration idle{};                  // since the last segment of either direction, at least
};

// How much later than the truth an instant that counts as observed may be.
constexpr Duration observed_precision = std::chrono::milliseconds(1);

// The socket is gone: a sock_diag destroy event. `at` has two bounds when the reader was late.
struct SocketDestroyed {
    SocketKey key;
    Protocol protocol = Protocol::tcp;
    Endpoint local;
    Endpoint peer;
    When at;
    std::optional<TcpSummary> tcp;
};

// The process has the socket. All that one look at the processes finds has the same instant: who
// was found first tells nothing.
struct HolderSeen {
    SocketKey key;
    ProcessRef process;
    Instant at{};
};

// The process no longer has the socket (it closed it, exited, or its image was replaced by an
// exec).
struct HolderGone {
    SocketKey key;
    ProcessKey process;
    When at;
};

using Observation =
    std::variant<ScanStarted, SocketSeen, ScanFinished, SocketDestroyed, HolderSeen, HolderGone>;

} // namespace portd::model
