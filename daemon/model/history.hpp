// What the server needs of the store and of the running daemon, as interfaces: the server and the
// store never meet. Times are microseconds since the epoch by the wall clock as it was set then, as
// on the wire. A wall time that the clock showed twice means both moments.
#pragma once

#include "model/address_range.hpp"
#include "model/end_order.hpp"
#include "model/flow.hpp"
#include "model/port_policy.hpp"
#include "proto/messages.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portd::model {

// The conditions are joined by AND.
struct LeaseQuery {
    std::optional<std::uint16_t> port;
    std::optional<Protocol> protocol;
    // Of one and the same holder.
    std::optional<std::int64_t> pid;
    std::optional<std::string> executable; // with a slash the whole path, else its last component
    std::optional<std::string> command;
    std::optional<std::string> unit;
    std::optional<std::string> container; // whole, or its beginning: see names_containers()
    std::optional<std::uint32_t> uid;     // owner of the socket
    std::optional<Role> role;
    std::optional<Outcome> outcome;
    std::optional<std::uint32_t> network_namespace;    // its inode number
    std::optional<std::string> network_namespace_name; // when the lease was first seen
    std::optional<AddressRange> peer;
    std::optional<std::uint16_t> peer_port;
    std::optional<AddressRange> local;
    // How long processes may have had the socket: from the opening until it was closed, or freed
    // where that is not known, or until now_us.
    std::optional<std::int64_t> shorter_than_us;
    std::optional<std::int64_t> longer_than_us;
    std::int64_t now_us = 0;
    // Leases that may have held the port at some moment at which the wall clock showed a time of
    // [since, until].
    std::optional<std::int64_t> since_us;
    std::optional<std::int64_t> until_us;
    // What an ordinary user may see: leases of sockets of this uid, and open leases of anybody.
    std::optional<std::uint32_t> visible_to_uid;
    // Leases that are over, of that window; oldest first, whatever `newest_first` says.
    std::optional<EndWindow> ended;
    bool open_only = false;
    bool newest_first = false;

    bool operator==(const LeaseQuery &) const = default;
    bool asks_for_processes() const { return pid || executable || command || unit || container; }
};

// Whether the beginning of an identifier is enough to name a container: 4 or more hexadecimal
// digits.
inline bool names_containers(std::string_view beginning) {
    return beginning.size() >= 4 &&
           beginning.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Position after a lease: its serial. Leases come in the order in which they were found, which is
// that of their openings but for those that were found late.
using LeaseCursor = std::int64_t;

// Position after a bind failure, in the order of (instant, order of arrival).
struct BindFailureCursor {
    std::int64_t at_us = 0;
    std::int64_t number = 0;

    auto operator<=>(const BindFailureCursor &) const = default;
};

// Each entry has its place in `places`: the position after it.
struct LeasePage {
    std::vector<proto::Lease> leases;
    std::vector<LeaseCursor> places;
    std::optional<LeaseCursor> next; // absent: that was the end
};

struct BindFailurePage {
    std::vector<proto::BindFailure> failures;
    std::vector<BindFailureCursor> places;
    std::optional<BindFailureCursor> next; // absent: that was the end
};

// A check of everything stored, which goes on by itself.
class Verification {
  public:
    virtual ~Verification() = default;
    // What there is to tell since it was asked last; the reply with `sound` is the last one. Throws
    // std::runtime_error if the check cannot go on.
    virtual std::optional<proto::VerifyReply> next() = 0;
};

// Reads stored leases. Each call is one short read transaction, so that a slow client never pins
// the store. A fault (I/O error, damage) is thrown as std::runtime_error.
class History {
  public:
    virtual ~History() = default;
    virtual LeasePage page(const LeaseQuery &, std::optional<LeaseCursor> after,
                           std::size_t limit) = 0;
    // The bind failures that match, in [since, until]. They have no peer, role, outcome or length:
    // none for a query that asks for one of these, nor for `open_only`.
    virtual BindFailurePage bind_failures(const LeaseQuery &,
                                          std::optional<BindFailureCursor> after,
                                          std::size_t limit) = 0;
    // Leases of the ends of flows; `visible_to_uid` as in LeaseQuery.
    virtual FlowPage leases_of_flows(const std::vector<FlowEnd> &ends,
                                     const std::optional<FlowPlace> &after,
                                     std::optional<std::uint32_t> visible_to_uid) = 0;
    // The lease of the port that was freed last, among those the query admits.
    virtual std::optional<proto::Lease> last_freed(const LeaseQuery &) = 0;
    // The part of [since, until] in which portd was watching, and each gap in it; absent bounds
    // reach to the first record and to now. The future is left out: nobody could have watched it.
    virtual proto::Coverage coverage(std::optional<std::int64_t> since_us,
                                     std::optional<std::int64_t> until_us) = 0;
    virtual proto::Coverage present_coverage() = 0;
    virtual std::vector<proto::Gap> newest_gaps(std::size_t limit) = 0;
    // The newest last.
    virtual std::vector<proto::ClockStep> newest_clock_steps(std::size_t limit) = 0;
    // One at a time: nothing while another one is alive.
    virtual std::unique_ptr<Verification> verify() = 0;
    virtual Horizon horizon(Settled settled) = 0;
    // In the order of their numbers, those after `number`.
    virtual std::vector<NumberedGap> gaps_after(std::int64_t number, std::size_t limit) = 0;
    // What of the leases after the mark is not kept any longer, or cannot be read. `reached`: of the
    // first window after it, the leases up to this one are not asked for.
    virtual Missing missing_after(const EndMark &mark,
                                  std::optional<LeaseCursor> reached) = 0;
};

// The daemon as it is now. Called from the server's thread while capture runs in another.
class Daemon {
  public:
    virtual ~Daemon() = default;
    virtual proto::Status status() const = 0;
    virtual NamespacePorts namespace_ports() const = 0; // of the network namespace that it is in
    virtual std::shared_ptr<const KnownPorts> known_ports() const = 0; // that one's among them
    virtual bool records(std::uint16_t port) const = 0;
};

} // namespace portd::model
