// The settings of a network namespace that say which ports the kernel chooses by itself.
#pragma once

#include "model/port_policy.hpp"

#include <cstdint>
#include <filesystem>

namespace portd::capture {

// Reads ip_local_port_range, ip_local_reserved_ports and ip_unprivileged_port_start under
// `<proc_root>/sys/net/ipv4`, which shows the namespace of the reader. What cannot be read keeps
// the kernel's default.
model::NamespacePorts read_namespace_ports(const std::filesystem::path &proc_root = "/proc");

// Inode number of this process's network namespace, namespaces(7).
std::uint32_t own_network_namespace(const std::filesystem::path &proc_root = "/proc");

} // namespace portd::capture
