#include "client/lease_text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace portd::client {
namespace {

std::string arrow(Charset charset) {
    return charset == Charset::utf8 ? "→" : "->";
}

std::string text_of(const std::optional<std::int64_t> &number) {
    return number ? std::to_string(*number) : "";
}

bool same_program(const proto::Process &a, const proto::Process &b) {
    return a.executable && b.executable ? a.executable == b.executable : a.command == b.command;
}

bool same_process(const proto::Process &a, const proto::Process &b) {
    return a.pid == b.pid && a.start_usec == b.start_usec && same_program(a, b);
}

template <typename Socket>
std::string user_of(const Socket &socket, const proto::Process &process, Charset charset) {
    if (is_kernel(process))
        return "";
    if (socket.user || socket.uid)
        return socket.user ? escape_text(*socket.user, charset) : text_of(socket.uid);
    return process.user ? escape_text(*process.user, charset) : text_of(process.uid);
}

} // namespace

bool is_known(const proto::Process &process) {
    return process.provenance != Provenance::unknown;
}

bool changed_hands(const proto::Lease &lease) {
    return is_known(lease.last_holder) && !same_process(lease.opener, lease.last_holder);
}

const proto::Process &telling(const proto::Lease &lease) {
    return is_known(lease.last_holder) ? lease.last_holder : lease.opener;
}

std::string format_user(const proto::Lease &lease, Charset charset) {
    return user_of(lease, telling(lease), charset);
}

std::string format_user(const proto::BindFailure &failure, Charset charset) {
    return user_of(failure, failure.process, charset);
}

std::string format_peer(const proto::Lease &lease, Charset charset) {
    if (!lease.peer_address)
        return "";
    return format_endpoint(*lease.peer_address, lease.peer_port.value_or(0), charset);
}

const proto::Moment *ended(const proto::Lease &lease) {
    if (lease.closed)
        return &*lease.closed;
    return lease.freed ? &*lease.freed : nullptr;
}

namespace {

// By a clock that is that much ahead of CLOCK_BOOTTIME.
Standing standing_by(std::optional<std::int64_t> clock, const proto::Lease &lease,
                     std::int64_t at_usec) {
    const Bounds opened = bounds_by(clock, lease.opened);
    if (opened.earliest && at_usec < *opened.earliest)
        return Standing::after;
    const proto::Moment *end = ended(lease);
    const Bounds let_go = end ? bounds_by(clock, *end) : Bounds{};
    if (end && let_go.latest && at_usec > *let_go.latest) {
        const bool was_freed =
            lease.freed && at_usec > bounds_by(clock, *lease.freed).latest.value_or(at_usec);
        return was_freed ? Standing::before : Standing::lingering;
    }
    const bool had_begun = opened.latest && at_usec >= *opened.latest;
    const bool had_not_ended = !end || (let_go.earliest && at_usec <= *let_go.earliest);
    return had_begun && had_not_ended ? Standing::held : Standing::possibly;
}

} // namespace

// If the clock was set during the lease, it showed the instant before that or after; the words are
// in the order of how much they say.
Standing standing_at(const proto::Lease &lease, std::int64_t at_usec) {
    Standing most = standing_by(clock_offset_of(lease.opened), lease, at_usec);
    for (const auto *moment : {&lease.closed, &lease.freed})
        if (*moment)
            most = std::min(most, standing_by(clock_offset_of(**moment), lease, at_usec));
    return most;
}

std::string_view to_string(Standing standing) {
    static constexpr std::array<std::string_view, 5> words{"held", "possibly", "lingering",
                                                           "before", "after"};
    return words.at(static_cast<std::size_t>(standing));
}

std::string format_holders(const proto::Lease &lease, Charset charset) {
    if (!is_known(lease.opener) && !is_known(lease.last_holder))
        return lease.incomplete ? "withheld" : "unknown";
    const bool changed = changed_hands(lease);
    std::string text = format_process(lease.opener, charset);
    if (changed)
        text += " " + arrow(charset) + " " + format_process(lease.last_holder, charset);
    const std::size_t named = (is_known(lease.opener) ? 1U : 0U) + (changed ? 1U : 0U);
    if (lease.holders.size() > named)
        text += " (+" + std::to_string(lease.holders.size() - named) + ")";
    return text;
}

std::string describe_lease(const proto::Lease &lease, Charset charset,
                           std::optional<std::int64_t> own_namespace) {
    std::string text = format_holders(lease, charset);
    if (const std::string user = format_user(lease, charset); !user.empty())
        text += " (" + user + ")";
    text += ", " + std::string(portd::to_string(lease.protocol)) + " " +
            format_endpoint(lease.local_address, lease.local_port, charset);
    if (const std::string peer = format_peer(lease, charset); !peer.empty())
        text += " " + arrow(charset) + " " + peer;
    if (own_namespace && lease.network_namespace != *own_namespace)
        text += ", in network namespace " +
                format_namespace(lease.network_namespace, lease.network_namespace_name, charset);
    return text;
}

} // namespace portd::client
