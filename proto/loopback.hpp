// Which addresses, as text, are of the machine itself alone.
#pragma once

#include <string_view>

namespace portd::proto {

inline bool is_loopback(std::string_view address) {
    constexpr std::string_view mapped = "::ffff:";
    if (address.starts_with(mapped))
        address.remove_prefix(mapped.size());
    return address.starts_with("127.") || address == "::1";
}

// Whether connect(2) takes the ports of such connections that are in TIME_WAIT again after a
// second, as net.ipv4.tcp_tw_reuse=2 has it, which is the default (tcp_twsk_unique() in
// net/ipv4/tcp_ipv4.c).
inline bool is_over_loopback(std::string_view local_address, std::string_view peer_address) {
    return is_loopback(local_address) || is_loopback(peer_address);
}

} // namespace portd::proto
