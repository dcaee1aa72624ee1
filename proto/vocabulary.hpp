// The words of portd: every enumeration that travels on the wire, is stored, or is printed, with
// its one spelling. Spellings are the wire's (camelCase where they have two words).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace portd {

enum class Protocol : std::uint8_t { tcp, udp };
enum class Family : std::uint8_t { ipv4, ipv6 };

// What the socket does with its port. `accepted` sockets share the port of their listener.
enum class Role : std::uint8_t { client, listener, accepted, datagram };

// Who chose the port: the kernel, or the program that bound it.
enum class PortChoice : std::uint8_t { automatic, explicit_ };

// In which system call the kernel chose it. What bind(2) to port 0, or listen(2), takes from TCP,
// connect(2) gives to no other socket, wherever to; the ports that connect(2) chooses are shared by
// connections to different destinations.
enum class PortChosenBy : std::uint8_t { bind, listen, connect, send };

// net.ipv4.tcp_tw_reuse, by its numbers: whether connect(2) takes the port of a connection that is
// in TIME_WAIT again, to the same destination and after a second.
enum class TimeWaitReuse : std::uint8_t { never, always, loopback };

// The life of a lease, in order. Steps may be skipped (a datagram socket goes from bound to freed)
// but are never walked back. `lingering`: no process holds the socket, yet the port is taken
// (TIME_WAIT, and orphaned FIN_WAIT or LAST_ACK sockets).
enum class Phase : std::uint8_t {
    bound,
    listening,
    connecting,
    connected,
    closing,
    lingering,
    freed,
};

// How a connection ended. `abandoned`: by its own program, before it was made.
enum class Outcome : std::uint8_t { closed, refused, reset, timed_out, unreachable, abandoned };

// How a time or an attribution is known.
//   observed  seen at the instant it happened
//   sampled   between two snapshots; both bounds are given where both exist
//   inferred  follows from other facts by a documented rule, not seen itself
//   unknown   nobody saw it
enum class Provenance : std::uint8_t { observed, sampled, inferred, unknown };

// Where portd's knowledge comes from, best first.
enum class CaptureTier : std::uint8_t { ebpf, sock_diag, procfs };

// What an audit groups leases by, and by what it orders the groups: most first.
enum class AuditBy : std::uint8_t { program, unit, user, peer };
enum class AuditOrder : std::uint8_t { leases, failures, bytes, longest };

// How an open lease stands to a bind of its port. `may_block`: that depends on something that portd
// does not know of its socket.
enum class BindVerdict : std::uint8_t { blocks, may_block, does_not_block };
// Why: how protocol, namespace and local address of the two stand to each other.
enum class BindReason : std::uint8_t {
    same_address,
    wildcard_held,    // the lease is of every local address
    wildcard_asked,   // the bind is of every local address
    dual_stack_held,  // the lease is of every address of IPv6, and perhaps of IPv4
    dual_stack_asked, // the bind is of every address of IPv6, and so of IPv4
    ipv6_connection,  // never bound by its program, perhaps: then it keeps 0.0.0.0 from others
    other_address,
    other_family,
    other_protocol,
    other_namespace,
};

// How sure it is who had one end of a flow, or why nobody is named.
//   exact         the lease has both ends of the flow and one process, which was seen with it
//   likely        one process, but something is not exact: the reasons say what
//   ambiguous     leases of several processes match
//   unknown       a lease matches, but not who held it, or not whether it is of this machine's
//   withheld      the caller sees its own leases only, and none of them matches
//   unwatched     no lease matches, and portd was not watching all of the time
//   not_recorded  no lease matches, and portd is set not to record the port
//   nobody        no process of this machine had it
enum class Confidence : std::uint8_t {
    exact,
    likely,
    ambiguous,
    unknown,
    withheld,
    unwatched,
    not_recorded,
    nobody,
};
// What a match rests on, and what it lacks.
enum class AttributionReason : std::uint8_t {
    tuple,             // protocol, addresses and ports of both ends are the lease's
    local_end,         // those of this end are; the lease has no peer, or the flow tells none
    other_peer,        // the same, but the socket (of UDP) last had another peer
    dual_stack,        // the lease is of every address of IPv6, and the flow of IPv4
    port_only,         // the flow tells no address of this end
    address_not_local, // not known to be this machine's, and the lease is of every address
    lingering,         // no process had the socket any more (TIME_WAIT)
    skewed,            // the lease was there only by the tolerance for the log's clock
    sampled,           // the bounds of its times leave open whether it was there
    inferred,          // the process was not seen with the socket, but follows
    no_connection,     // only a listener matches, and no connection of the two ends was there
};
enum class FlowSide : std::uint8_t { source, destination };

std::string_view to_string(Protocol);
std::string_view to_string(Family);
std::string_view to_string(Role);
std::string_view to_string(PortChoice);
std::string_view to_string(PortChosenBy);
std::string_view to_string(TimeWaitReuse);
std::string_view to_string(Phase);
std::string_view to_string(Outcome);
std::string_view to_string(Provenance);
std::string_view to_string(CaptureTier);
std::string_view to_string(AuditBy);
std::string_view to_string(AuditOrder);
std::string_view to_string(BindVerdict);
std::string_view to_string(BindReason);
std::string_view to_string(Confidence);
std::string_view to_string(AttributionReason);
std::string_view to_string(FlowSide);

// The value spelled `text`, or nothing. Instantiated for every enumeration above.
template <typename Enum>
std::optional<Enum> parse_word(std::string_view text);

} // namespace portd
