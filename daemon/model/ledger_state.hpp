// The inside of the ledger: one class, in source files by kind of work.
#pragma once

#include "model/ledger.hpp"
#include "model/ledger_table.hpp"

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace portd::model {

class Ledger::State {
  public:
    State(std::int64_t first_serial, Limits limits) : next_serial_(first_serial), limits_(limits) {}

    void apply(const ScanStarted &started);
    void apply(const SocketSeen &seen);
    void apply(const ScanFinished &finished);
    void apply(const HeldScanned &all);
    void apply(const SocketDestroyed &destroyed);
    void apply(const PortTaken &taken);
    void apply(const SocketReleased &released);
    void apply(const SocketClosed &closed);
    void apply(const ProcessEnded &ended);
    void apply(const TimePassed &passed);
    void apply(const HolderSeen &seen);
    void apply(const HolderGone &gone);
    void apply(const HoldersCounted &counted);
    void apply(const NamespaceEnded &ended);

    void restore(std::vector<Lease> open_leases, Instant watched_until);
    void resume(std::vector<Lease> leases, const LedgerNotes &notes, Instant watched_until);
    void set_ports(const NamespacePorts &now);
    void set_own_namespace(std::uint32_t network_namespace) { own_namespace_ = network_namespace; }
    void file_by_time(std::int64_t offset_us) { serial_offset_us_ = offset_us; }
    void take_changes(std::vector<Lease> &leases, LedgerNotes *notes);
    LedgerNotes notes() const;
    std::size_t open_leases() const { return open_; }
    std::vector<Lease> open() const;
    std::vector<proto::PoolUse> pools(const KnownPorts &known) const;

    NamespacePorts ports;
    std::uint64_t unseen = 0;
    std::uint64_t leases_found = 0;
    bool lacks_holders = false; // Ledger::take_lack_of_holders()

  private:
    using Entry = std::pair<const SocketKey, Record>;

    // A lease that changed, or only what is noted beside it: its record, which stays where it is
    // under whatever key, or the lease itself once the record is gone.
    struct Change {
        Record *record;
        SocketKey key;
        std::unique_ptr<Lease> departed;
        bool is_of_lease = true;
    };

    // What an exact event tells of a socket.
    struct Fact {
        const SocketKey &key;
        Protocol protocol;
        const Endpoint &local;
        const Endpoint &peer;
        Instant at;
        bool may_be_older; // than what was told: that nothing was is no miss
    };

    // Whether a lease that begins is the newest of its socket, or was replaced by now.
    enum class Place : bool { newest, replaced };

    TableState &table_of(Protocol protocol, Family family, std::uint32_t network_namespace);
    Entry *find(const SocketKey &key);

    Record &begin(TableState &table, const SocketKey &key, Protocol protocol, const Endpoint &local,
                  const Endpoint &peer, const When &opened, Instant first_observed,
                  Place place = Place::newest);
    static void connect(TableState &table, const SocketKey &key, const Lease &lease);
    Record *adopt(TableState &table, const SocketSeen &seen);
    void meet(TableState &table, const SocketSeen &seen, std::int64_t previous = 0);
    void show(TableState &table, const SocketKey &key, Record &record, const SocketSeen &seen);
    void take_endpoints(TableState &table, const SocketKey &key, Record &record,
                        const Endpoint &local, const Endpoint &peer);
    // `known_at` is when the end came to be known, where `at` may still be to come.
    void end(TableState &table, const SocketKey &key, Record &record, const When &at,
             Standing standing, std::optional<Instant> known_at = std::nullopt);
    void reopen(TableState &table, const SocketKey &key, Record &record);
    void settle(TableState &table, const SocketKey &key, Record &record, Standing standing,
                Instant at);
    void apply_to(TableState &table, const SocketDestroyed &destroyed);
    void destroy_known(TableState &table, const SocketKey &key, Record &record,
                       const SocketDestroyed &destroyed);
    void destroy_absent(TableState &table, const SocketKey &key, Record &record,
                        const SocketDestroyed &destroyed);
    void destroy_moved(TableState &table, Entry &entry, const SocketDestroyed &destroyed);
    void destroy_replaced(const SocketKey &key, Record &record, const SocketDestroyed &destroyed);
    void explain_time_wait(TableState &table, const SocketKey &key, Record &record,
                           const SocketDestroyed &destroyed);
    void destroy_unseen(TableState &table, const SocketDestroyed &destroyed);

    static Entry *newest(TableState &table, const SocketKey &key);
    static Entry *previous(TableState &table, const Record &record);
    void end_replaced(TableState &table, const SocketKey &key, Record &record, Instant at);
    std::int64_t replace(TableState &table, const SocketKey &socket, Entry &entry, Instant at);
    Entry &occupy(TableState &table, const Fact &fact, const When &opened, Entry *earlier,
                  Entry *later);
    void pull_end(Entry &earlier, Instant at);
    Entry *meant_by(TableState &table, const Fact &fact);
    Entry &meet_unseen(TableState &table, const Fact &fact, Entry *earlier, Entry *later);

    void take_port(TableState &table, const PortTaken &taken, Entry *earlier, Entry *later);
    void go_on(TableState &table, const SocketKey &key, Record &record, const PortTaken &taken);
    bool note_opening(Record &record, const PortTaken &taken);
    static bool note_choice(Lease &lease, const PortTaken &taken, bool was_opening);
    static bool note_role(TableState &table, Lease &lease, const PortTaken &taken);
    void take_tuple(TableState &table, const SocketKey &key, Record &record,
                    const PortTaken &taken);
    bool add_process(Record &record, const ProcessRef &process, Instant at);
    void free_tuple(TableState &table, const SocketKey &taker, const Endpoint &local,
                    const Endpoint &peer, Instant at);
    void note_end(TableState &table, Entry &entry, const Fact &fact,
                  const std::optional<TcpSummary> &tcp);
    void conclude(TableState &table, const SocketKey &key, Record &record);
    void free_port(TableState &table, const SocketKey &key, Record &record, Instant at);
    void linger(TableState &table, const SocketKey &key, Record &record);
    void await_end_of_time_wait(TableState &table, const SocketKey &key, Record &record);
    void leave_without_port(TableState &table, const SocketReleased &released);
    void end_time_waits(TableState &table, Instant now);
    void settle_oldest_time_wait(TableState &table,
                                 std::deque<std::pair<Instant, SocketKey>> &lingering);

    Entry *restore_one(Lease lease, const LedgerNote *note, Instant watched_until);
    void restore_wait(Entry &entry);
    std::vector<HolderSeen> parked_claims() const;

    void park(const HolderSeen &claim);
    void take_parked_claim(Record &record);
    void retire_ended(Lease &lease, const ProcessRef &process) const;
    void retire_ended_everywhere();
    void forget_early_news(Instant now);
    void forget_empty_tables();

    void settle_shown(TableState &table, Instant scan_finished, Scope scope);
    void settle_without_word(TableState &table, Instant scan_finished);
    // Follows whatever may have made that no event will tell its end.
    static void note_without_word(TableState &table, const SocketKey &key, const Record &record);
    void settle_destroyed(TableState &table, Instant missed_since, Instant scan_finished);
    void forget_old(TableState &table, Instant now);
    void keep_within_limits(TableState &table);
    void settle_oldest_destroyed(TableState &table);
    void erase(TableState &table, const SocketKey &key);
    static void rename(TableState &table, Record &record, const SocketKey &alias,
                       const SocketKey &key);

    // NamespacePorts tell of the daemon's own namespace only, where that is known.
    bool is_own(std::uint32_t network_namespace) const {
        return !own_namespace_ || *own_namespace_ == network_namespace;
    }
    static void take_choice(Lease &lease, const Listening::Listener &listener);
    static const Listening::Listener *listener_at(const TableState &table, const Endpoint &end);
    static void decide_role_by_listeners(TableState &table, Lease &lease);
    void decide_role(TableState &table, Lease &lease);
    void listen(TableState &table, const SocketKey &key, const Lease &lease);
    void stop_listening(TableState &table, const SocketKey &key, const Lease &lease);

    void remember_departure(const HolderGone &gone);
    void remove_departed(Lease &lease, const HolderSeen &seen) const;
    void remember_departures(const SocketKey &key, const Lease &lease);

    void mark(const SocketKey &key, Record &record);
    // Its note changed, and nothing else.
    void mark_note(const SocketKey &key, Record &record);
    void add_change(const SocketKey &key, Record &record);
    std::int64_t next_serial(Instant found_at) {
        if (serial_offset_us_)
            next_serial_ = std::max(next_serial_, to_us(found_at) + *serial_offset_us_);
        return next_serial_++;
    }

    std::map<Table, TableState> tables_;
    std::vector<Change> changes_;
    bool keeps_notes_ = false;            // somebody wanted them
    std::vector<std::int64_t> forgotten_; // serials of records erased since changes were taken
    // Processes that let go of a socket, of which the lease does not tell: they had not been
    // reported to have it, or the socket has another lease by now. Newest last.
    std::deque<HolderGone> departures_;
    // Claim::opened that came before any word of its socket, and when it was true, oldest first.
    std::unordered_map<SocketKey, HolderSeen> parked_;
    std::deque<std::pair<Instant, SocketKey>> parked_order_;
    // Images that ended within the reorder window, by pid, and whether leases know of all of them.
    std::unordered_map<std::int32_t, std::vector<ProcessEnded>> ended_;
    bool ended_is_news_ = false;
    // Ended while a process still had the socket: its SocketReleased may come at any time. By when
    // it was settled.
    std::map<std::pair<Instant, SocketKey>, TableState *> unreleased_;
    Instant forgot_at_{};
    std::optional<std::uint32_t> own_namespace_;
    std::int64_t next_serial_;
    std::optional<std::int64_t> serial_offset_us_;
    std::size_t open_ = 0;
    Limits limits_;
};

// A record whose socket went on with another lease goes by its serial, in no namespace: 0 is the
// number of none.
inline SocketKey replaced_key(std::int64_t serial) {
    return {static_cast<std::uint64_t>(serial), 0, SocketKey::Kind::cookie};
}

inline bool is_replaced(const SocketKey &key) {
    return key.network_namespace == 0;
}

// How long a port lingers whose socket left a TIME_WAIT entry, lease_rules.hpp.
When end_of_time_wait(const Record &record);

// Whether no event tells its end: a TIME_WAIT entry, or a socket of the kernel's own.
bool ends_without_word(const Record &record);

inline bool is_connection(const Lease &lease) {
    return lease.protocol == Protocol::tcp && lease.peer.port != 0;
}

} // namespace portd::model
