// Facts from a capture source, each with the instant at which it was true. The ledger turns them
// into leases; it accepts them duplicated, late by up to Ledger::reorder_window, or not at all.
#pragma once

#include "model/lease.hpp"

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

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
    std::optional<PortChoice> port_choice{};      // absent: the row does not tell
    std::optional<PortChosenBy> port_chosen_by{}; // the same; only with PortChoice::automatic
};

// What a scan that has ended says about the sockets that were not in it.
enum class Scope : std::uint8_t {
    nothing,   // it was not read to its end
    time_wait, // TIME_WAIT entries and sockets of the kernel's own that two such scans in a row
               // did not show are over (an iterator of the kernel may pass over a row while the
               // table changes); of others nothing
    held,      // no process has them; ports that linger without a process may be missing
    all,       // they do not exist
};

struct ScanFinished {
    Table table;
    Instant at{};
    Scope scope = Scope::nothing;
    // Of what has an end that events tell, and it did not show: whether it was there when the scan
    // began.
    bool others_were_there = false;
};

// Whatever processes held, in any table, was looked at from `began` on: no process has a socket of
// a table that was not scanned since. Comes after the scans of that look.
struct HeldScanned {
    Instant began{};
    Instant at{};
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
    // Whether it may have been there before anybody watched, or while what was told was lost: that
    // its opening is not known is no miss then.
    bool may_be_older = false;
};

// A socket took a port, or went on to a later phase with the port it has, at the instant `at`.
struct PortTaken {
    SocketKey key;
    Protocol protocol = Protocol::tcp;
    Endpoint local; // with a port
    Endpoint peer;
    Phase phase = Phase::bound;            // bound, listening, connecting or connected
    std::optional<Role> role;              // absent for a TCP socket that is bound and no more
    std::optional<PortChoice> port_choice; // absent where this event does not tell
    // The same; only with PortChoice::automatic. Other calls than bind(2) are told by what may have
    // come after one: they count where nothing of the lease was before.
    std::optional<PortChosenBy> port_chosen_by{};
    std::optional<std::uint32_t> uid; // owner of the socket
    ProcessRef process;               // the caller; null: unknown, or nobody called
    Instant at{};
    // Whether it may have had the port for longer, without a word: then this is not its opening.
    bool may_be_older = false;
};

// The last descriptor of the socket was closed: no process has it any more.
struct SocketReleased {
    SocketKey key;
    Protocol protocol = Protocol::tcp;
    Endpoint local;
    Endpoint peer;
    std::optional<std::uint32_t> uid;
    std::optional<TcpSummary> tcp; // traffic until now
    ProcessRef process;            // who closed it; null: unknown
    bool frees_port = false;       // nothing is left that could keep the port
    Instant at{};
    bool may_be_older = false; // as of SocketDestroyed
};

// A TCP connection or listener came to its end (state CLOSE). Either order with SocketReleased.
struct SocketClosed {
    enum class Remains : std::uint8_t {
        nothing,   // the port is free
        time_wait, // an entry without a process keeps the port for a while
        bound,     // the program chose the port: the socket keeps it until it is released
    };

    SocketKey key;
    Endpoint local;
    Endpoint peer;
    std::optional<TcpSummary> tcp;
    std::optional<Outcome> outcome;
    Remains remains = Remains::nothing;
    // With Remains::time_wait: whether the peer has closed, too. Then TIME_WAIT runs from now on,
    // and otherwise from the peer's close, which comes within the same span or never.
    bool peer_has_closed = false;
    Instant at{};
    bool may_be_older = false; // as of SocketDestroyed
};

// The process ended, or this image of it did: whatever it held, it holds no more.
struct ProcessEnded {
    ProcessRef process;
    Instant at{};
};

// All observations up to `at` have been handed over.
struct TimePassed {
    Instant at{};
};

// How the process was found with the socket.
enum class Claim : std::uint8_t {
    has,    // it had the socket at that instant
    opened, // it began to have it at that instant, as the first: accept(2)
};

// The process has the socket. All that one look at the processes finds has the same instant: who
// was found first tells nothing.
struct HolderSeen {
    SocketKey key;
    ProcessRef process;
    Instant at{};
    Claim claim = Claim::has;
};

// The process no longer has the socket (it closed it, exited, or its image was replaced by an
// exec).
struct HolderGone {
    SocketKey key;
    ProcessKey process;
    When at;
};

// All processes that have the socket, as a look between the two bounds found them.
struct HoldersCounted {
    SocketKey key;
    std::vector<ProcessKey> processes;
    Instant began{};
    Instant at{};
};

// The network namespace is over, and with it every port that lingered there. Its number may name
// another one from then on.
struct NamespaceEnded {
    std::uint32_t network_namespace = 0;
    Instant at{};
};

using Observation =
    std::variant<ScanStarted, SocketSeen, ScanFinished, HeldScanned, SocketDestroyed, PortTaken,
                 SocketReleased, SocketClosed, ProcessEnded, TimePassed, HolderSeen, HolderGone,
                 HoldersCounted, NamespaceEnded>;

} // namespace portd::model
