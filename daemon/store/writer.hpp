// The writing end of the store: history in files of the state directory (store/part_files.hpp) that
// plain sqlite3 opens (see their view `history`). One is written; when it is full or old, the next
// one is begun, the full one is packed, and the oldest are dropped when there are too many.
//
// There is one Writer to a state directory, kept by a lock file, and it holds the only connection
// that writes or checkpoints: SQLite up to 3.51.2 can corrupt a write-ahead log when two
// connections write or checkpoint at once. Readers (store/reader.hpp) never do.
//
// A commit has reached the kernel when it returns: it survives the death of the process. What of it
// survives a power failure is up to the last checkpoint (synchronous=NORMAL); the file stays sound.
//
// Used by one thread at a time. After a DamagedStore from any function, the next Writer sets the
// file aside. Faults: DamagedStore and StateDirectoryInUse (store/fault.hpp), std::runtime_error,
// std::system_error; each names the file.
#pragma once

#include "model/bind_failure.hpp"
#include "model/lease.hpp"
#include "model/ring_mark.hpp"
#include "proto/messages.hpp"
#include "store/boot.hpp"
#include "store/set_aside.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portd::store {

// portd watched without interruption; `until` of an interval with the same source and start grows.
struct Watched {
    CaptureTier source = CaptureTier::sock_diag;
    model::Instant since{};
    model::Instant until{};
};

// What a network namespace is called. Its inode number can be used again by another one: so a name
// holds for leases and bind failures of which portd first had word at `since` or later, until the
// next name of the same inode. The default is all of this boot, and replaces a name of that kind.
struct NamespaceName {
    std::uint32_t inode = 0;
    std::string name; // empty: it has none
    model::Instant since{};
};

// What both clocks showed at one moment.
struct ClockReading {
    model::Instant at{};
    std::int64_t wall_offset_us = 0; // CLOCK_REALTIME minus CLOCK_BOOTTIME
};

// What is stored together or not at all.
struct Batch {
    // Each replaces what is stored under its serial, which must be positive. Serials grow.
    std::span<const model::Lease> leases;
    std::optional<Watched> watched;
    // In row time (Writer::row_us). One with the start and cause of a stored gap replaces it: so a
    // gap grows while it lasts.
    std::span<const proto::Gap> gaps;
    // One with the socket and instant of a stored one is left out.
    std::span<const model::BindFailure> bind_failures = {};
    // Names that are in force already cost nothing.
    std::span<const NamespaceName> namespaces = {};
    // The events before it are in this batch or in earlier ones.
    std::optional<model::RingMark> ring_mark = {};
    // Costs nothing as long as the clock is not set.
    std::optional<ClockReading> clock = {};
};

// How much history is kept.
struct Limits {
    std::int64_t max_bytes = std::int64_t{2} << 30;
    std::chrono::microseconds max_age = std::chrono::hours(90 * 24);
    // So many leases at the least, and at the most twice as many, wait to be indexed.
    std::int64_t waiting_leases = 65'536;

    // A part is this large or this old when the next one is begun.
    std::int64_t part_bytes() const;
    std::chrono::microseconds part_age() const { return max_age / 30; }
};

// What the owner may want to log.
struct Notice {
    enum class Kind { dropped, clock_set, failure };
    Kind kind = Kind::failure;
    std::string text;
};

class Writer {
  public:
    // Opens or makes the store. Leases that another boot left open are closed: they ended between
    // the end of that boot's coverage and the start of this boot. If the file is damaged it is set
    // aside and a new one begun; only where the last run ended with its machine is the whole file
    // looked through.
    Writer(const std::filesystem::path &state_directory, const BootInfo &boot,
           const Limits &limits = {});
    // Closes the store, but leaves no word that the run ended as it should: for that,
    // close_cleanly().
    ~Writer();
    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    // The damaged file that was found when the store was opened.
    const std::optional<SetAside> &set_aside() const;
    const StoredBoot &boot() const;
    // An instant of this boot in row time, and as the wall clock showed it, as far as that is
    // stored.
    std::int64_t row_us(model::Instant at) const;
    std::int64_t wall_us(model::Instant at) const;

    // One more than the largest serial that was committed.
    std::int64_t next_serial() const;
    // Of this boot, by serial; for Ledger::restore. Equal processes share one object.
    std::vector<model::Lease> open_leases() const;
    // Those of them that are stored, by serial.
    std::vector<model::Lease> leases(std::span<const std::int64_t> serials) const;
    // Of the last batch of this boot that had one.
    std::optional<model::RingMark> ring_mark() const;
    // Until when an earlier run watched, as found when the store was opened: in this boot, and in
    // any (row time).
    std::optional<model::Instant> watched_until() const;
    std::optional<std::int64_t> watched_until_row_us() const;

    // One transaction. After a fault nothing of the batch is stored, and it may be tried again,
    // except after DamagedStore: the next Writer will set the file aside.
    void commit(const Batch &batch);

    // From the next commit on.
    void set_limits(const Limits &limits);

    std::int64_t stored_leases() const;
    std::int64_t stored_bytes() const; // of all files
    std::vector<Notice> take_notices();

    // Begins the next part, if the current one has any lease.
    void begin_part();
    // Waits until all parts but the current one are sealed, or can not be.
    void settle();

    // Brings everything into the files and closes them. Nothing but the destructor may follow.
    void close_cleanly();

  private:
    class Session;
    struct State;
    Session &session() const;
    std::unique_ptr<State> state_;
};

} // namespace portd::store
