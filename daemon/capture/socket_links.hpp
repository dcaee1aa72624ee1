// The sockets among a process's descriptors, from the links in /proc/PID/fd (proc(5)).
#pragma once

#include "capture/process_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace portd::capture {

// The inode of "socket:[INODE]"; nothing for other links.
std::optional<std::uint32_t> parse_socket_link(std::string_view target);

struct SocketDescriptor {
    std::int32_t descriptor = 0;
    std::uint32_t inode = 0;

    bool operator==(const SocketDescriptor &) const = default;
};

struct SocketLinks {
    enum class Outcome : std::uint8_t {
        complete,
        refused, // the directory or a link in it may not be read, even by us
        gone,    // the process is
    };

    Outcome outcome = Outcome::complete;
    std::vector<SocketDescriptor> sockets; // whose links were read
    std::vector<std::int32_t> skipped;     // descriptors that are there and were not read
    std::size_t entries = 0;               // in the directory
    std::size_t links_read = 0;
};

// Lists the descriptors and reads those links that `skip` does not say to leave alone. Faults (too
// many open files, an I/O error) are thrown as std::system_error.
SocketLinks read_socket_links(const OpenProcess &process,
                              const std::function<bool(std::int32_t descriptor)> &skip);

} // namespace portd::capture
