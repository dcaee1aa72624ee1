// Decoding of sock_diag(7) messages about TCP and UDP sockets: struct inet_diag_msg and its
// attributes, include/uapi/linux/inet_diag.h. Pure.
#pragma once

#include "model/observation.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace portd::capture {

// One socket as the kernel describes it, from a dump or a destroy event.
struct DiagSocket {
    std::uint64_t cookie = 0;
    Protocol protocol =
        Protocol::tcp; // only in destroy events (INET_DIAG_PROTOCOL); see has_protocol
    bool has_protocol = false;
    model::Endpoint local;
    model::Endpoint peer;
    model::SocketState state = model::SocketState::close;
    std::uint32_t uid = 0;
    std::uint32_t inode = 0;
    std::optional<model::TcpSummary> tcp;
};

// What one datagram from the netlink socket held.
struct DiagBatch {
    std::vector<DiagSocket> sockets;
    bool done = false;         // NLMSG_DONE: the dump is at its end
    bool interrupted = false;  // NLM_F_DUMP_INTR: the table changed in a way that upset the dump
    int error = 0;             // errno value of NLMSG_ERROR, or of a dump that ended early
    std::size_t malformed = 0; // messages that could not be read
};

// Clears `batch` and fills it from `datagram`. Never reads beyond the datagram, whatever it says.
void decode_diag(std::span<const std::byte> datagram, DiagBatch &batch);

} // namespace portd::capture
