// The rules of the ledger that look at one lease only.
#pragma once

#include "model/observation.hpp"
#include "model/port_policy.hpp"

namespace portd::model {

enum class Orphaned : bool { no, yes }; // no process has the socket any more

// The phase that a row of the socket tables shows. `bound` for sockets that have a port and no
// more; UDP sockets have the states established (connected) and close (not connected), udp(7).
Phase phase_of(Protocol protocol, SocketState state, Orphaned orphaned);

// The role that a state by itself proves; nothing where it could be either end of a connection.
std::optional<Role> role_of(Protocol protocol, SocketState state);

// Explicit where the kernel would not have chosen this port; nothing where it might have.
std::optional<PortChoice> port_choice_of(std::uint16_t port, const NamespacePorts &ports);

enum class HolderNews {
    none,    // known already (an open lease only notes that it was seen again), or impossible: it
             // started, or was seen, after the lease had ended
    changed, // the holders, or when they were seen, changed
    no_room, // a holder too many (Lease::max_holders)
};

// Adds a sighting of a holder. A process has one image at a time: the one that was seen last.
HolderNews add_holder(Lease &lease, const ProcessRef &process, Instant at);

// Marks the images of a process as gone, except one that was seen afterwards, or first seen at that
// moment (after an exec). False if that changes nothing.
bool remove_holder(Lease &lease, const ProcessKey &process, const When &at);

// Where the holder is that is this image; nothing if it is none.
std::optional<std::uint32_t> holder_index(const Lease &lease, const ProcessRef &process);

// It was observed to open the socket, at `at`, or to let go of it as the last. Both are holders
// then, at the expense of others where there is no room; a socket that is taken over or released
// after its port was closed counts as held until then. False if that changes nothing, or the
// process began only after the end.
bool note_opener(Lease &lease, const ProcessRef &process, Instant at);
bool note_last_holder(Lease &lease, const ProcessRef &process, Instant at);

// Nobody has the socket any more, but the observed last holder until `at`. False if that was known.
bool retire_holders(Lease &lease, Instant at);
// The image has ended at `at`, and has let go of everything by then.
bool retire_image(Lease &lease, const ProcessRef &process, Instant at);
// Once the end of a lease is known to have been earlier: who came later was no holder.
void forget_later_holders(Lease &lease);

bool is_held_by(const Lease &lease, const ProcessKey &process);

// TIME_WAIT lasts TCP_TIMEWAIT_LEN from when both ends have closed (include/net/tcp.h). A socket
// whose peer has not closed leaves an entry that waits for that first, at most as long again. A
// timer may be late by an eighth of its span (kernel/time/timer.c).
constexpr Duration time_wait_span = std::chrono::seconds(60);
// How long after the socket left its connection the port is free at the latest.
constexpr Duration longest_time_wait(bool peer_has_closed) {
    const Duration span = peer_has_closed ? time_wait_span : 2 * time_wait_span;
    return span + span / 8;
}

// Recomputes opener and last holder, unless they were observed. Sampling sees who has a socket, not
// who called socket(2), so:
//   opener       the only holder when it was first looked at: sampled if it ran before the socket
//   was
//                opened, inferred if it may have inherited the socket from a process that began it;
//                of several, the one that is an ancestor of all the others (inferred); else unknown
//   last holder  once the lease is closed: the only one that still had it, or the one that had it
//                when all others had let go for certain (sampled); otherwise unknown
void attribute(Lease &lease);

// Ends the occupancy: closed (where that was not known before) and freed.
void end_lease(Lease &lease, const When &at);

// Late news can contradict by microseconds (a row is read after it was true): pulls bounds together
// so that opened <= closed <= freed holds for the earliest as for the latest bounds.
void order_times(Lease &lease);

} // namespace portd::model
