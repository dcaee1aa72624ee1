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
// What goes wrong with the files never ends a Writer: it closes them, and recover() opens them
// again, or begins another part (store/current_part.hpp). Used by one thread at a time. Faults:
// those of store/fault.hpp, std::runtime_error, std::system_error; each names the file.
#pragma once

#include "store/batch.hpp"
#include "store/boot.hpp"
#include "store/limits.hpp"
#include "store/notice.hpp"
#include "store/recent_ends.hpp"
#include "store/suspects.hpp"
#include "store/upgrade_progress.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portd::store {

class Writer {
  public:
    // Opens or makes the store. Leases that another boot left open are closed: they ended between
    // the end of that boot's coverage and the start of this boot. If the file is damaged it is set
    // aside and a new one begun; only where the last run ended with its machine is the whole file
    // looked through. Where there is no room, or the device fails, the store is left closed: see
    // is_open(). Throws what somebody has to mend: StateDirectoryInUse, ForeignStore,
    // FailedUpgrade, and other faults. Files of earlier versions are carried over before, which is
    // told as it goes on (see store/upgrade.hpp).
    Writer(const std::filesystem::path &state_directory, const BootInfo &boot,
           const Limits &limits = {}, const TellUpgrade &tell = {});
    // Closes the store, but leaves no word that the run ended as it should: for that,
    // close_cleanly().
    ~Writer();
    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    // Whether anything can be committed. If not, recover() is to be called first, now and then; and
    // if that was so at the start, nothing is known of what an earlier run has left, and what it
    // left open ends with it.
    bool is_open() const;
    // Opens the store again. Throws what is still in the way.
    Recovery recover();
    // Why it is not open.
    std::string why_closed() const;

    const StoredBoot &boot() const;
    // An instant of this boot in row time, and as the wall clock showed it, as far as that is
    // stored.
    std::int64_t row_us(model::Instant at) const;
    std::int64_t wall_us(model::Instant at) const;

    // One more than the largest serial that was committed.
    std::int64_t next_serial() const;
    // The next three are empty if the store is closed, or cannot be read: it is closed then, and
    // what an earlier run left open ends with it.
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

    // One transaction. After a fault the owner has to take it that nothing of the batch is stored;
    // it may be tried again, though all of it be stored, after recover().
    void commit(const Batch &batch);

    // Where readers tell of parts that they cannot make sense of.
    const std::shared_ptr<Suspects> &suspects() const;
    // For readers.
    std::shared_ptr<const RecentEnds> recent_ends() const;
    // From the next commit on.
    void set_limits(const Limits &limits);

    std::int64_t stored_leases() const;
    std::int64_t stored_bytes() const; // of all files
    std::vector<Notice> take_notices();

    // Begins the next part, if the current one has any lease.
    void begin_part();
    // Waits until all parts but the current one are sealed, or can not be.
    void settle();

    // Brings everything into the files and closes them, if they are open. Nothing but the
    // destructor may follow.
    void close_cleanly();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace portd::store
