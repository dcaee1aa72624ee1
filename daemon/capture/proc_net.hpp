// The socket tables /proc/net/{tcp,tcp6,udp,udp6}, as text (proc(5)).
//
// Their rows are written by get_tcp4_sock(), get_openreq4() and get_timewait4_sock() in the
// kernel's net/ipv4/tcp_ipv4.c, by their namesakes in net/ipv6/tcp_ipv6.c, and by
// udp4_format_sock() in net/ipv4/udp.c. All begin alike; the columns after the inode differ and
// mean nothing here. Addresses are the words of the address as this machine's integers, ports are
// plain numbers, all in hexadecimal.
#pragma once

#include "model/socket.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace portd::capture {

struct ProcNetRow {
    model::Endpoint local;
    model::Endpoint peer; // port 0: none
    model::SocketState state = model::SocketState::close;
    std::uint32_t uid = 0;
    std::uint32_t inode = 0; // 0: no process has it

    bool operator==(const ProcNetRow &) const = default;
};

struct ProcNetTable {
    std::vector<ProcNetRow> rows;
    std::size_t malformed_rows = 0;
    // The text ends within a line (or has not even a header), so there may be more rows. The cut
    // line is not among the rows, nor among the malformed.
    bool truncated = false;
};

// One line without its newline. Nothing if it is no row of a table of this family.
std::optional<ProcNetRow> parse_proc_net_row(std::string_view line, Family family);

ProcNetTable parse_proc_net(std::string_view text, Family family);

} // namespace portd::capture
