// Whether an open lease keeps a bind(2) of its port from succeeding. Pure.
//
// Kernel: inet_csk_bind_conflict() and inet_rcv_saddr_equal() in net/ipv4/inet_connection_sock.c,
// udp_lib_lport_inuse() in net/ipv4/udp.c. Two sockets conflict if they are of one protocol and
// namespace and their local addresses are the same, or one of them is the wildcard that takes the
// other in. The wildcard of IPv6 takes in IPv4 unless its socket has IPV6_V6ONLY. A socket that
// bound one address of IPv6 has that option by then (__inet6_bind()), but one that got its address
// by connecting has not, and then a bind of 0.0.0.0 conflicts with it.
//
// A conflict is overlooked where both sockets have SO_REUSEADDR and, of TCP, neither listens; or
// both have SO_REUSEPORT and one owner. portd knows the options of no socket: what depends on them
// is said as that. Nor does it know SO_BINDTODEVICE, with which sockets of several devices pass
// each other.
#pragma once

#include "model/endpoint.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::model {

// The bind that is asked about; of the port of the leases.
struct IntendedBind {
    std::optional<Protocol> protocol; // absent: either
    std::optional<Address> address;   // absent: 0.0.0.0 and ::, of which the worse counts
    std::int64_t network_namespace = 0;
};

struct BindJudgement {
    BindVerdict verdict = BindVerdict::does_not_block;
    BindReason reason = BindReason::other_namespace;

    bool operator==(const BindJudgement &) const = default;
};

BindJudgement judge_bind(const proto::Lease &lease, const IntendedBind &bind);

// The options that let both pass if both have set them.
std::vector<std::string> options_to_share(const proto::Lease &lease);

} // namespace portd::model
