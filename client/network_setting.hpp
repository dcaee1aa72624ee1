// How to change a setting of the kernel that each network namespace has by its own. Pure.
#pragma once

#include "client/text.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace portd::client {

// A network namespace other than the one that portd is in; the name is that of ip-netns(8).
struct OtherNamespace {
    std::int64_t inode = 0;
    std::optional<std::string> name;
};

// Where the range of another network namespace is not known.
inline constexpr const char *when_range_is_known =
    "With eBPF it is known half a minute after a process has a socket there: ask again then.";

// " in network namespace blue"; nothing of portd's own.
std::string in_namespace(const std::optional<OtherNamespace> &in, Charset charset);

// The command that makes the assignment ("net.ipv4.tcp_tw_reuse=1") in that namespace, absent: in
// portd's own, and in no other. How to get into one without a name is not known: what is left to
// put in makes the command fail.
std::string setting_command(const std::string &assignment, const std::optional<OtherNamespace> &in,
                            Charset charset);

} // namespace portd::client
