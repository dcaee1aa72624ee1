#include "capture/namespace_ports.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <system_error>

namespace portd::capture {
namespace {

std::optional<std::string> read_file(const std::filesystem::path &path) {
    std::ifstream file(path);
    if (!file)
        return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

} // namespace

model::NamespacePorts read_namespace_ports(const std::filesystem::path &proc_root) {
    const auto folder = proc_root / "sys/net/ipv4";
    model::NamespacePorts ports;
    if (const auto text = read_file(folder / "ip_local_port_range"))
        ports.local_range = model::parse_local_port_range(*text).value_or(ports.local_range);
    if (const auto text = read_file(folder / "ip_local_reserved_ports"))
        ports.reserved = model::parse_port_list(*text).value_or(ports.reserved);
    if (std::ifstream file(folder / "ip_unprivileged_port_start"); file)
        file >> ports.unprivileged_start;
    if (std::ifstream file(folder / "tcp_tw_reuse"); file)
        if (int value = 0; file >> value)
            ports.time_wait_reuse = model::time_wait_reuse_of(value);
    return ports;
}

std::uint32_t own_network_namespace(const std::filesystem::path &proc_root) {
    struct stat status {};
    const auto path = proc_root / "self/ns/net";
    if (::stat(path.c_str(), &status) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot read " + path.string());
    return static_cast<std::uint32_t>(status.st_ino);
}

} // namespace portd::capture
