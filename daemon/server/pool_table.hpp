// How much of the ports that the kernel chooses from is in use, and for what. Pure.
//
// connect(2) needs a port that no other connection to the same address and port has, and passes
// over the ports of sockets that were bound without a destination (__inet_hash_connect() in
// net/ipv4/inet_hashtables.c). So each destination exhausts the range on its own, together with
// what is taken from all: what was bound before it connected stays so, be it to a port of the
// program's choice or to port 0. Where a lease does not tell by which call the kernel chose, it
// counts for its own destination only. A datagram socket needs a port of its own.
//
// bind(2) to port 0, and listen(2) on a socket without a port, need one that no other TCP socket at
// the same address has, connected or in TIME_WAIT, whatever SO_REUSEADDR says
// (inet_csk_find_open_port() in net/ipv4/inet_connection_sock.c; net.ipv4.ip_autobind_reuse, which
// is 0 unless set, would let them share). So one pool has all TCP ports, as for every address.
//
// Ports that linger where connect(2) takes them again (see proto/loopback.hpp) are told, but are no
// use that could exhaust a destination, and no growth: for bind(2) their number is bounded, too, by
// what opens within a minute. Where nobody sees TIME_WAIT end, in other network namespaces than the
// daemon's, a port counts as lingering for as long as TIME_WAIT lasts from when its socket was
// closed. It can be longer: until the peer closes, or by what the kernel's timer is late.
//
// First the open leases are counted, to find the destinations with most connections; then those and
// the leases of a window before now are looked at once more, for which of their ports were in use
// at some points of it. Memory is bounded by the number of pools and destinations.
#pragma once

#include "audit_table.hpp"
#include "model/port_policy.hpp"
#include "proto/answers.hpp"

#include <array>
#include <bitset>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace portd::server {

class PoolTable {
  public:
    static constexpr std::size_t most_destinations = 65'536; // that are counted
    static constexpr std::size_t most_namespaces = 32;
    static constexpr std::size_t most_programs = 3;
    static constexpr std::size_t points = 13; // at which use is counted: both ends, and 11 between

    struct Settings {
        std::shared_ptr<const model::KnownPorts> ports;
        std::int64_t own_namespace = 0; // the daemon's: ends of TIME_WAIT are seen there
        std::int64_t window_us = 0;     // all of it watched
        std::int64_t now_us = 0;
        std::size_t destinations = 0; // that are told
        bool knows_past = true;       // of all leases
    };
    explicit PoolTable(Settings settings) : settings_(std::move(settings)) {}

    // First all leases that are open.
    void count(const proto::Lease &lease);
    // Between the two.
    void choose();
    // Then all leases that were there at some moment of the window, those that are open among them.
    void add(const proto::Lease &lease);

    // Those that have least left first.
    std::vector<proto::PoolPressure> pools() const;
    std::int64_t other_destinations() const { return other_destinations_; }

  private:
    // A pool without a destination is that of all sockets of the protocol.
    struct Key {
        std::int64_t network_namespace = 0;
        Protocol protocol = Protocol::tcp;
        std::string local_address;
        std::string peer_address;
        std::int64_t peer_port = 0;

        bool is_destination() const { return !peer_address.empty(); }
        auto operator<=>(const Key &) const = default;
    };
    using Ports = std::bitset<65'536>;
    struct Pool {
        Ports live, bound, lingering;
        std::array<Ports, points> used; // without what lingers and connect(2) takes again
        AuditTable programs{AuditBy::program};
        std::set<std::pair<std::size_t, std::int64_t>> counted; // program, port
    };

    using Pools = std::map<Key, Pool>;

    static Key whole_key(std::int64_t network_namespace, Protocol protocol);
    static Key destination_key(const proto::Lease &connection);
    void add(const proto::Lease &lease, const Key &key, Pools &pools) const;
    std::optional<std::int64_t> end_of_use(const proto::Lease &lease) const;
    bool can_be_taken_lingering(const proto::Lease &lease) const;
    std::optional<TimeWaitReuse> time_wait_reuse_in(std::int64_t network_namespace) const;
    const model::NamespacePorts *ports_of(std::int64_t network_namespace) const;
    bool can_be_automatic(const proto::Lease &lease) const;
    std::int64_t instant_of(std::size_t point) const;
    const Pool *taken_from(const Key &key) const;
    proto::PoolPressure told(const Key &key, const Pool &pool) const;
    void predict(const std::array<std::int64_t, points> &use, std::int64_t unavailable,
                 proto::PoolPressure &pressure) const;

    Settings settings_;
    std::map<Key, std::int64_t> destinations_; // how many open leases each has
    std::set<Key> wholes_;
    Pools pools_;
    Pools taken_; // what no connection gets, by the key of all sockets
    // Of a network namespace, as told last: not each lease has it. What lingers can be of an
    // earlier one of the same inode number, and only tells where nothing else does.
    struct Name {
        std::optional<std::string> text;
        bool is_of_present = false;
    };
    std::map<std::int64_t, Name> names_; // of the pools
    void note_name(const proto::Lease &lease);
    std::int64_t other_destinations_ = 0;
};

} // namespace portd::server
