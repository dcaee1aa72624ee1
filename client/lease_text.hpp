// Leases in words. Pure.
#pragma once

#include "client/format.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portd::client {

// How a lease stood at an instant.
enum class Standing {
    held,      // surely
    possibly,  // the instant lies within the bounds of its opening or its end
    lingering, // let go by its last holder, not yet free
    before,    // it had ended
    after,     // it had not begun
};
Standing standing_at(const proto::Lease &lease, std::int64_t at_usec);
std::string_view to_string(Standing standing);

// When a lease ended: it was let go, or else freed. Nothing while it is held.
const proto::Moment *ended(const proto::Lease &lease);

bool is_known(const proto::Process &process);
// The process that says most of who used the port: the one that had it last, if that is known.
const proto::Process &telling(const proto::Lease &lease);

// Whether the last to have it was another process or program than the opener.
bool changed_hands(const proto::Lease &lease);

// The processes of a lease: "sshd[812]", or "systemd[1] -> sshd[812]" where the last to have it was
// another process or program than the opener, with "(+2)" for holders beyond these; "withheld"
// where the caller may not see them.
std::string format_holders(const proto::Lease &lease, Charset charset);

// Owner of the socket; if that is not known, of the process. The kernel is no user.
std::string format_user(const proto::Lease &lease, Charset charset);
std::string format_user(const proto::BindFailure &failure, Charset charset);
// "198.51.100.7:443", or nothing.
std::string format_peer(const proto::Lease &lease, Charset charset);

// "curl[8123] (alice), tcp 192.0.2.1:60609 -> 198.51.100.7:443"; with ", in network namespace blue"
// where that is known to be another one than `own_namespace`, the daemon's.
std::string describe_lease(const proto::Lease &lease, Charset charset,
                           std::optional<std::int64_t> own_namespace = std::nullopt);

} // namespace portd::client
