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

std::string_view to_string(Protocol);
std::string_view to_string(Family);
std::string_view to_string(Role);
std::string_view to_string(PortChoice);
std::string_view to_string(Phase);
std::string_view to_string(Outcome);
std::string_view to_string(Provenance);
std::string_view to_string(CaptureTier);
std::string_view to_string(AuditBy);
std::string_view to_string(AuditOrder);
std::string_view to_string(BindVerdict);
std::string_view to_string(BindReason);

// The value spelled `text`, or nothing. Instantiated for every enumeration above.
template <typename Enum>
std::optional<Enum> parse_word(std::string_view text);

} // namespace portd
