// Which ports are dynamic, and of which portd keeps leases.
#pragma once

#include "proto/vocabulary.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace portd::model {

struct PortRange {
    std::uint16_t low = 0; // both inclusive
    std::uint16_t high = 0;

    bool contains(std::uint16_t port) const { return low <= port && port <= high; }
    auto operator<=>(const PortRange &) const = default;
};

// RFC 6335 section 6: System, User, and Dynamic (private, ephemeral) ports.
constexpr PortRange iana_system{0, 1023};
constexpr PortRange iana_user{1024, 49151};
constexpr PortRange iana_dynamic{49152, 65535};

// What a network namespace says of its ports, as in /proc/sys/net/ipv4 (ip(7)).
struct NamespacePorts {
    PortRange local_range{32768, 60999}; // ip_local_port_range: automatic choice takes from here
    // ip_local_reserved_ports: automatic choice leaves these out. In ascending order and apart, as
    // the kernel tells them.
    std::vector<PortRange> reserved;
    std::uint16_t unprivileged_start = 1024;        // ip_unprivileged_port_start
    std::optional<TimeWaitReuse> time_wait_reuse{}; // tcp_tw_reuse; absent: not known

    bool is_reserved(std::uint16_t port) const;
    // Whether the kernel could have chosen this port by itself.
    bool can_be_automatic(std::uint16_t port) const;
    // How many ports those are.
    std::int64_t automatic_ports() const;
    bool operator==(const NamespacePorts &) const = default;
};

// Of the network namespaces of which that is known, by the inode number.
using KnownPorts = std::map<std::uint32_t, NamespacePorts>;

// "32768\t60999\n", as in ip_local_port_range. Nothing if the text is not that.
std::optional<PortRange> parse_local_port_range(std::string_view text);
// "80,1000-1010\n" or empty, as in ip_local_reserved_ports, which may hold port 0 too. Nothing if
// the text is not that.
std::optional<std::vector<PortRange>> parse_port_list(std::string_view text);
// 0, 1 or 2, as in tcp_tw_reuse. Nothing of other numbers.
std::optional<TimeWaitReuse> time_wait_reuse_of(int value);
// "80,1000-1010"; parses back to the same.
std::string port_list_text(const std::vector<PortRange> &ranges);

struct PortSettingError {
    std::string message;
};

// The setting `ports`: what to record.
class PortPolicy {
  public:
    enum class Kind : std::uint8_t { dynamic, all, list };

    // "dynamic" (in ip_local_port_range or in 49152-65535), "all", or a list such as
    // "53,8000-8099".
    static std::variant<PortPolicy, PortSettingError> parse(std::string_view setting);

    Kind kind() const { return kind_; }
    bool records(std::uint16_t port, const NamespacePorts &ports) const;
    std::string to_string() const; // parses back to an equal policy

    bool operator==(const PortPolicy &) const = default;

  private:
    Kind kind_ = Kind::dynamic;
    std::vector<PortRange> list_;
};

} // namespace portd::model
