// Who sees what.
//
// Root and the members of the group `portd` see everything. Anybody else sees the leases of sockets
// of their own uid in full. Of the open leases of others they see what the kernel shows to all in
// /proc/net: the addresses and ports, the state and the uid. Leases of others that ended are not
// shown. Only the uid of the socket counts: a process of another uid may hold it as well.
//
// A question can tell by its choice of leases what their text leaves out: asked for a pid, the cut
// lease of another user would say who holds it; asked for a time in the past, when it was opened.
// Such questions are not answered from leases of others at all: those for a process, program, unit,
// container, outcome, length, name of a namespace, or past time. A cursor is a time, too. Nor is it
// said which leases of others were in the way of a bind that was refused: that they were open then.
#pragma once

#include "model/history.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace portd::server {

enum class Sight { everything, own };

// Who asks.
struct Caller {
    std::uint32_t uid = 0;
    Sight sight = Sight::own;

    // The one whose leases it sees in full, if not everybody's; of LeaseQuery::visible_to_uid.
    std::optional<std::uint32_t> limited_to() const {
        return sight == Sight::own ? std::optional(uid) : std::nullopt;
    }
};

// `groups` are all groups of the caller. Without a group `portd` only root sees everything.
Sight sight_of(std::uint32_t uid, const std::vector<std::uint32_t> &groups,
               std::optional<std::uint32_t> portd_group);

// Whether the caller may call the method at all. All may call those that answer from leases; the
// state of the files that history is kept in is nothing that the kernel shows to all.
bool may_call(std::string_view method, const Caller &caller);

// What becomes of open leases of others that the caller may not see in full.
enum class OthersOpen { cut, withheld };
// They are cut where only what the kernel shows to all decides which are chosen.
OthersOpen others_in(const model::LeaseQuery &query, std::int64_t now_us);

// The lease as the caller may see it, marked `incomplete` if it was cut; or nothing.
std::optional<proto::Lease> visible(proto::Lease lease, const Caller &caller, OthersOpen others);
// Nothing unless the socket is the caller's; without leases of others, and then `incomplete`.
std::optional<proto::BindFailure> visible(proto::BindFailure failure, const Caller &caller);

} // namespace portd::server
