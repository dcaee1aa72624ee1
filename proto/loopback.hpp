// Which addresses, as text, are of the machine itself alone, and what that means for TIME_WAIT.
#pragma once

#include "proto/vocabulary.hpp"

#include <optional>
#include <string_view>

namespace portd::proto {

inline bool is_loopback(std::string_view address) {
    constexpr std::string_view mapped = "::ffff:";
    if (address.starts_with(mapped))
        address.remove_prefix(mapped.size());
    return address.starts_with("127.") || address == "::1";
}

inline bool is_over_loopback(std::string_view local_address, std::string_view peer_address) {
    return is_loopback(local_address) || is_loopback(peer_address);
}

// Whether connect(2) takes ports that it chose for connections between the two, and that are in
// TIME_WAIT, again after a second (tcp_twsk_unique() in net/ipv4/tcp_ipv4.c). Where `reuse` is not
// known, it is taken for what the kernel has when nobody sets it.
inline bool does_connect_reuse(std::optional<TimeWaitReuse> reuse, std::string_view local_address,
                               std::string_view peer_address) {
    switch (reuse.value_or(TimeWaitReuse::loopback)) {
    case TimeWaitReuse::never:
        return false;
    case TimeWaitReuse::always:
        return true;
    case TimeWaitReuse::loopback:
        return is_over_loopback(local_address, peer_address);
    }
    return false;
}

} // namespace portd::proto
