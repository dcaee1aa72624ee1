// The heart of portd: turns observations into leases.
//
// The ledger does no I/O and has no clock; every instant comes with an observation. It keeps the
// open leases of one boot and hands out each lease that changed. Observations may come twice, late
// by up to `reorder_window`, or never:
//
//  * A socket first seen by a scan was opened after the previous complete scan of its table began,
//    and no later than it was seen. Without a previous scan the lower bound is unknown.
//  * A socket that a complete scan no longer shows has let its port go between the start of the
//    last scan that showed it and the end of this one. If a later scan shows it again with the same
//    port (a scan can miss a row that moves while it reads), the lease goes on.
//  * A destroy event is the exact end, also when it comes after a scan has missed the socket. An
//    event that is younger than that scan moves nothing: the socket was kept without its port.
//  * If nobody ever saw the socket, the event alone makes a lease, with unknown holders: opened
//    since the last scan that was over by then, which did not show it.
//  * A closed TCP connection may leave a TIME_WAIT entry: another object, with the same cookie or
//    another. The first scan that begins after the end decides, by the tuple, whether the port
//    lingers.
//  * A connection is `accepted` if a listener holds its port, `client` if it was seen connecting,
//    or if no unconnected socket was on its automatically choosable port while it came to be. The
//    latter is known only if that was since portd watches, and once the listeners have been read
//    after it. Else the role is left unknown.
//  * A port that the kernel would not choose by itself was chosen by the program. Otherwise nothing
//    is said; an accepted connection has its listener's choice.
//  * A socket that a scan or its destroy event shows under another local port has ended one lease
//    and begun another.
//
// Exact events (PortTaken, SocketReleased, SocketClosed) say the same at the instant it happens.
// What they say is observed, and gives way to nothing; a scan and the destroy events, which go on
// beside them, fill in for those that were lost:
//
//  * The first PortTaken of a socket on a port is its opening, and its caller the opener. Of an
//    accepted connection nobody calls: who accepts it is the opener. That a TCP client is connected
//    is not its opening, but tells that there was one before; so does what a socket does that may
//    have been there before portd watched.
//  * Events of one socket may come in any order. Each is about the lease that had that port at that
//    instant; if there was none, one is made. So a socket has a chain of leases, the newest under
//    its own key and the others, which have ended, under keys of the ledger's own for as long as
//    late news of them may come.
//  * Nobody has the socket (closed) since its SocketReleased, or since its port was free or left to
//    a TIME_WAIT entry, whichever was first. Its releaser is the last holder; if the port was given
//    up before the socket, that is whoever released the socket later, unless it began only after
//    the port was closed.
//  * The port is free (freed) when SocketReleased or SocketClosed say so. After a TIME_WAIT entry
//    it is free when a scan of all sockets no longer shows the entry. In a table that is never
//    scanned like that it is inferred: after TCP_TIMEWAIT_LEN, twice that if the peer had not
//    closed, and an eighth of it for the slack of timers (lease_rules.hpp). Another connection with
//    the same ends tells that the entry is gone, too.
//  * Who ended has let go of everything; the ends are taken together at the next scan or
//    TimePassed.
//  * A scan of what processes hold says nothing of what needs no holder: orphans, TIME_WAIT
//    entries, and connections that nobody has accepted yet. No scan ends a lease of which an event
//    told since it began.
//  * A socket whose port is free, and which is not known to be released, is remembered until it is.
//
// NamespacePorts are those of one network namespace. In others, role and port choice follow from
// events and listeners alone.
#pragma once

#include "model/ledger_notes.hpp"
#include "model/observation.hpp"
#include "model/port_policy.hpp"
#include "proto/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace portd::model {

class Ledger {
  public:
    struct Limits {
        // For each table: ended sockets kept to recognise late news of them, and destroyed
        // connections kept until a scan, or the time, has told how long their ports linger. Beyond
        // these the oldest are settled with what is known. Of all tables together, as many ended
        // sockets are kept that are yet to be released.
        std::size_t remembered_ends = 1 << 15;
        std::size_t awaiting_scan = 1 << 17;
    };

    // How late news of a socket may come after its end.
    static constexpr Duration reorder_window = std::chrono::seconds(2);

    // Serials are handed out from `first_serial` up.
    explicit Ledger(std::int64_t first_serial = 1);
    Ledger(std::int64_t first_serial, Limits limits);
    ~Ledger();

    // Which ports the kernel chooses by itself, from now on. More ports may be recorded than
    // before: that earlier scans did not show a socket then says nothing of when it was opened.
    void set_namespace_ports(const NamespacePorts &ports);

    // The namespace of which set_namespace_ports() tells (its inode number). Of ports of others
    // nothing is concluded from them then; if this is not called, they are taken to hold of all.
    void set_own_namespace(std::uint32_t network_namespace);

    // From now on a serial is no less than the moment at which its lease was found, in microseconds
    // plus `offset_us`. So serials tell when, as long as fewer leases than one a microsecond are
    // found.
    void file_by_time(std::int64_t offset_us);

    // Takes over the open leases of an earlier run in the same boot. `watched_until` is when the
    // last complete scan of that run began, of every table. The next complete scan of each table
    // tells which leases are still there. What is new then has no lower bound of its opening,
    // because that run may have recorded fewer ports.
    void restore(std::vector<Lease> open_leases, Instant watched_until);

    // Goes on where an earlier run in the same boot was, of which nothing is missing: `notes` are
    // all that it had, and `leases` those that they are about, and every other open one.
    // set_own_namespace() comes before it. Events since then follow, in their order.
    void resume(std::vector<Lease> leases, const LedgerNotes &notes, Instant watched_until);

    void apply(const Observation &observation);

    // Every lease that was made or changed since the last call, each once, in its present state and
    // in the order of first change. Freed leases appear here for the last time, unless news of them
    // comes within the reorder window. With them, the notes that changed.
    std::vector<Lease> take_changes(LedgerNotes *notes = nullptr);
    // The same behind what is there already, in memory that the caller uses again.
    void take_changes(std::vector<Lease> &leases, LedgerNotes *notes);
    // All of them.
    LedgerNotes notes() const;

    // Whether, since the last call, a lease went on whose last known holder ended: somebody has its
    // socket, who inherited it or was sent it, and a look at the processes tells who.
    bool take_lack_of_holders();

    std::size_t open_leases() const;
    // Each of them in its present state, by serial.
    std::vector<Lease> open() const;
    // Leases that were found since the start, those of an earlier run not counted.
    std::uint64_t found_leases() const;
    // The ports that open leases have, of each namespace and protocol that has any, in the order of
    // both; with the kernel's own choice where the settings of the namespace are known. Looks at
    // every lease.
    std::vector<proto::PoolUse> pools(const KnownPorts &known) const;
    // Destroyed sockets that no scan had shown: each is a lease with unknown holders.
    std::uint64_t unseen_sockets() const;

  private:
    class State;
    std::unique_ptr<State> state_;
};

} // namespace portd::model
