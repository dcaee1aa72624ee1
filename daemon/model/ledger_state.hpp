// The inside of the ledger: one class, in five source files by kind of work.
#pragma once

#include "model/ledger.hpp"
#include "model/ledger_table.hpp"

#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace portd::model {

class Ledger::State {
  public:
    State(std::int64_t first_serial, Limits limits) : next_serial_(first_serial), limits_(limits) {}

    void apply(const ScanStarted &started);
    void apply(const SocketSeen &seen);
    void apply(const ScanFinished &finished);
    void apply(const SocketDestroyed &destroyed);
    void apply(const HolderSeen &seen);
    void apply(const HolderGone &gone);

    void restore(std::vector<Lease> open_leases, Instant watched_until);
    void set_ports(const NamespacePorts &now);
    std::vector<Lease> take_changes();
    std::size_t open_leases() const { return open_; }

    NamespacePorts ports;
    std::uint64_t unseen = 0;

  private:
    using Entry = std::pair<const SocketKey, Record>;

    // A lease that changed: where its record is, or the lease itself once the record is gone.
    struct Change {
        Table table;
        SocketKey key;
        std::unique_ptr<Lease> departed;
    };

    TableState &table_of(Protocol protocol, Family family, std::uint32_t network_namespace);
    Entry *find(const SocketKey &key);

    Record &begin(TableState &table, const SocketKey &key, Protocol protocol, const Endpoint &local,
                  const Endpoint &peer, const When &opened, Instant first_observed);
    Record *adopt(TableState &table, const SocketSeen &seen);
    void meet(TableState &table, const SocketSeen &seen);
    void show(TableState &table, const SocketKey &key, Record &record, const SocketSeen &seen);
    void take_endpoints(TableState &table, const SocketKey &key, Record &record,
                        const Endpoint &local, const Endpoint &peer);
    void end(TableState &table, const SocketKey &key, Record &record, const When &at,
             Standing standing);
    void reopen(TableState &table, const SocketKey &key, Record &record);
    static void settle(TableState &table, const SocketKey &key, Record &record, Standing standing,
                       Instant at);
    void apply_to(TableState &table, const SocketDestroyed &destroyed);
    void destroy_known(TableState &table, const SocketKey &key, Record &record,
                       const SocketDestroyed &destroyed);
    void destroy_absent(TableState &table, const SocketKey &key, Record &record,
                        const SocketDestroyed &destroyed);
    void destroy_moved(TableState &table, const SocketKey &key, Record &record,
                       const SocketDestroyed &destroyed);
    void destroy_replaced(const SocketKey &key, Record &record, const SocketDestroyed &destroyed);
    void explain_time_wait(TableState &table, const SocketKey &key, Record &record,
                           const SocketDestroyed &destroyed);
    void destroy_unseen(TableState &table, const SocketDestroyed &destroyed);
    void settle_shown(TableState &table, Instant scan_finished);
    void settle_destroyed(TableState &table, Instant scan_finished);
    void forget_old(TableState &table, Instant now);
    void keep_within_limits(TableState &table);
    void settle_oldest_destroyed(TableState &table);
    void erase(TableState &table, const SocketKey &key);
    static void rename(TableState &table, Record &record, const SocketKey &alias,
                       const SocketKey &key);

    static void decide_role_by_listeners(TableState &table, Lease &lease);
    void decide_role(TableState &table, Lease &lease);
    void listen(TableState &table, const SocketKey &key, const Lease &lease);
    void stop_listening(TableState &table, const SocketKey &key, const Lease &lease);

    void remember_departure(const HolderGone &gone);
    void remember_departures(const SocketKey &key, const Lease &lease);

    void mark(const SocketKey &key, Record &record);
    std::int64_t next_serial() { return next_serial_++; }

    std::map<Table, TableState> tables_;
    std::vector<Change> changes_;
    // Processes that let go of a socket, of which the lease does not tell: they had not been
    // reported to have it, or the socket has another lease by now. Newest last.
    std::deque<HolderGone> departures_;
    std::int64_t next_serial_;
    std::size_t open_ = 0;
    Limits limits_;
};

inline bool is_connection(const Lease &lease) {
    return lease.protocol == Protocol::tcp && lease.peer.port != 0;
}

} // namespace portd::model
