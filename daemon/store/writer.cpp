#include "store/writer.hpp"

#include "store/bind_failure_rows.hpp"
#include "store/fault.hpp"
#include "store/interning.hpp"
#include "store/lease_rows.hpp"
#include "store/lease_writer.hpp"
#include "store/open_store.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace portd::store {
namespace {

std::int64_t file_bytes(const std::filesystem::path &file) {
    std::error_code missing;
    const std::uintmax_t size = std::filesystem::file_size(file, missing);
    return missing ? 0 : static_cast<std::int64_t>(size);
}

} // namespace

// The open file with its statements.
class Writer::Session {
  public:
    explicit Session(OpenedStore opened);

    const OpenedStore &opened() const { return opened_; }
    std::int64_t last_serial() const { return lease_writer_.counts().last_serial; }
    std::int64_t leases() const { return lease_writer_.counts().leases; }

    std::vector<model::Lease> open_leases();
    std::vector<model::Lease> leases(std::span<const std::int64_t> serials);
    std::optional<model::RingMark> ring_mark();
    void commit(const Batch &batch);
    void checkpoint() { opened_.database->execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

  private:
    void write(const Batch &batch);
    void write_watched(const Watched &watched);
    void write_gap(const proto::Gap &gap);
    void write_bind_failure(const model::BindFailure &failure);
    void write_namespace(const NamespaceName &name);
    void write_ring_mark(const model::RingMark &mark);
    std::int64_t row_us(model::Instant at) const { return to_us(at) + opened_.info.wall_offset_us; }

    OpenedStore opened_;
    Interning interning_;
    LeaseWriter lease_writer_;
    LeaseRows rows_;
    Statement select_open_;
    Statement put_coverage_;
    Statement put_gap_;
    Statement insert_bind_failure_;
    Statement select_namespace_;
    Statement put_namespace_;
    Statement select_stored_;
    Statement select_ring_mark_;
    Statement put_ring_mark_;
};

Writer::Session::Session(OpenedStore opened)
    : opened_(std::move(opened)),
      interning_(*opened_.database, opened_.boot, opened_.info.wall_offset_us),
      lease_writer_(*opened_.database, interning_, opened_.boot, opened_.info.wall_offset_us,
                    {opened_.leases, opened_.last_serial}),
      rows_(*opened_.database),
      select_open_(*opened_.database,
                   "SELECT serial FROM lease WHERE freed_provenance IS NULL AND boot = ?1"),
      put_coverage_(*opened_.database,
                    "INSERT INTO coverage(boot, source, since_us, until_us) VALUES(?1, ?2, ?3, ?4) "
                    "ON CONFLICT(boot, source, since_us) DO UPDATE SET "
                    "until_us = max(until_us, excluded.until_us)"),
      put_gap_(*opened_.database,
               "INSERT INTO gap(since_us, until_us, cause, lost_events) VALUES(?1, ?2, ?3, ?4) "
               "ON CONFLICT(since_us, cause) DO UPDATE SET until_us = excluded.until_us, "
               "lost_events = excluded.lost_events"),
      insert_bind_failure_(*opened_.database, insert_bind_failure_sql()),
      select_namespace_(*opened_.database,
                        "SELECT name FROM network_namespace WHERE boot = ?1 AND inode = ?2 "
                        "AND since_us <= ?3 ORDER BY since_us DESC LIMIT 1"),
      put_namespace_(*opened_.database,
                     "INSERT INTO network_namespace(boot, inode, since_us, name) "
                     "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(boot, inode, since_us) "
                     "DO UPDATE SET name = excluded.name"),
      select_stored_(*opened_.database, "SELECT 1 FROM lease WHERE serial = ?1 AND boot = ?2"),
      select_ring_mark_(*opened_.database,
                        "SELECT generation, position, frame FROM ring_mark WHERE boot = ?1"),
      put_ring_mark_(*opened_.database, "REPLACE INTO ring_mark(boot, generation, position, frame) "
                                        "VALUES(?1, ?2, ?3, ?4)") {}

std::vector<model::Lease> Writer::Session::open_leases() {
    std::vector<std::int64_t> serials;
    {
        Execution row(select_open_);
        row.bind(opened_.boot);
        while (row.next())
            serials.push_back(row.integer(0));
    }
    std::ranges::sort(serials);
    return leases(serials);
}

std::vector<model::Lease> Writer::Session::leases(std::span<const std::int64_t> serials) {
    std::vector<model::Lease> leases;
    leases.reserve(serials.size());
    for (const std::int64_t serial : serials) {
        bool is_stored = false;
        {
            Execution row(select_stored_);
            is_stored = row.bind(serial).bind(opened_.boot).next();
        }
        if (is_stored)
            leases.push_back(rows_.lease(serial).lease);
    }
    rows_.forget_processes();
    return leases;
}

std::optional<model::RingMark> Writer::Session::ring_mark() {
    Execution row(select_ring_mark_);
    if (!row.bind(opened_.boot).next())
        return std::nullopt;
    return model::RingMark{static_cast<std::uint64_t>(row.integer(0)),
                           static_cast<std::uint64_t>(row.integer(1)),
                           static_cast<std::uint64_t>(row.integer(2))};
}

void Writer::Session::commit(const Batch &batch) {
    const LeaseWriter::Counts before = lease_writer_.counts();
    try {
        write(batch);
    } catch (...) {
        // Rolled back: rows that were remembered may not exist.
        interning_.forget();
        lease_writer_.roll_back(before);
        throw;
    }
}

void Writer::Session::write(const Batch &batch) {
    Transaction transaction(*opened_.database, Transaction::Kind::write);
    lease_writer_.write(batch.leases);
    if (batch.watched)
        write_watched(*batch.watched);
    for (const proto::Gap &gap : batch.gaps)
        write_gap(gap);
    for (const model::BindFailure &failure : batch.bind_failures)
        write_bind_failure(failure);
    for (const NamespaceName &name : batch.namespaces)
        write_namespace(name);
    if (batch.ring_mark)
        write_ring_mark(*batch.ring_mark);
    transaction.commit();
}

void Writer::Session::write_watched(const Watched &watched) {
    Execution(put_coverage_)
        .bind(opened_.boot)
        .bind(static_cast<std::int64_t>(watched.source))
        .bind(row_us(watched.since))
        .bind(row_us(watched.until))
        .run();
}

void Writer::Session::write_gap(const proto::Gap &gap) {
    const std::int64_t cause = interning_.text(gap.cause);
    Execution(put_gap_)
        .bind(gap.since_usec)
        .bind(gap.until_usec)
        .bind(cause)
        .bind(gap.lost_events)
        .run();
}

void Writer::Session::write_bind_failure(const model::BindFailure &failure) {
    std::optional<std::int64_t> process;
    if (failure.process)
        process = interning_.process(failure.process);
    Execution insert(insert_bind_failure_);
    bind_bind_failure(insert, failure, opened_.boot, opened_.info.wall_offset_us, process);
    insert.run();
}

void Writer::Session::write_namespace(const NamespaceName &name) {
    std::optional<std::int64_t> text;
    if (!name.name.empty())
        text = interning_.text(name.name);
    std::optional<std::int64_t> in_force;
    {
        Execution row(select_namespace_);
        row.bind(opened_.boot).bind(name.inode).bind(row_us(name.since));
        if (row.next())
            in_force = row.optional_integer(0);
    }
    if (in_force != text)
        Execution(put_namespace_)
            .bind(opened_.boot)
            .bind(name.inode)
            .bind(row_us(name.since))
            .bind(text)
            .run();
}

void Writer::Session::write_ring_mark(const model::RingMark &mark) {
    Execution(put_ring_mark_)
        .bind(opened_.boot)
        .bind(static_cast<std::int64_t>(mark.generation))
        .bind(static_cast<std::int64_t>(mark.position))
        .bind(static_cast<std::int64_t>(mark.frame))
        .run();
}

// Declaration order is lifetime: the lock outlives the file.
struct Writer::State {
    StateDirectory directory;
    std::optional<SetAside> set_aside;
    std::unique_ptr<Session> session; // none once closed

    State(const std::filesystem::path &path, const BootInfo &boot);

    // Leaves word of damage that is met for the next run, which sets the file aside.
    template <typename Act>
    auto noting_damage(Act act) {
        try {
            return act();
        } catch (const DamagedStore &damage) {
            directory.record(StateDirectory::PreviousRun::End::damaged, damage.what());
            throw;
        }
    }
};

Writer::State::State(const std::filesystem::path &path, const BootInfo &boot)
    : directory(path, boot.boot_id) {
    try {
        session = std::make_unique<Session>(open_store(directory, boot));
    } catch (const DamagedStore &damage) {
        set_aside = store::set_aside(directory.database_file(), damage.what());
        directory.forget_previous_run(); // it was about the file that is gone
        session = std::make_unique<Session>(open_store(directory, boot));
    }
}

Writer::Writer(const std::filesystem::path &state_directory, const BootInfo &boot)
    : state_(std::make_unique<State>(state_directory, boot)) {}

Writer::~Writer() = default;

Writer::Session &Writer::session() const {
    if (!state_->session)
        throw std::logic_error("the store has been closed");
    return *state_->session;
}

const std::optional<SetAside> &Writer::set_aside() const {
    return state_->set_aside;
}

const BootInfo &Writer::boot() const {
    return session().opened().info;
}

std::int64_t Writer::wall_us(model::Instant at) const {
    return to_us(at) + boot().wall_offset_us;
}

std::int64_t Writer::next_serial() const {
    return session().last_serial() + 1;
}

std::vector<model::Lease> Writer::open_leases() const {
    return state_->noting_damage([this] { return session().open_leases(); });
}

std::vector<model::Lease> Writer::leases(std::span<const std::int64_t> serials) const {
    return state_->noting_damage([&] { return session().leases(serials); });
}

std::optional<model::RingMark> Writer::ring_mark() const {
    return state_->noting_damage([this] { return session().ring_mark(); });
}

std::optional<model::Instant> Writer::watched_until() const {
    const OpenedStore &opened = session().opened();
    if (!opened.watched_until_us)
        return std::nullopt;
    return model::instant_from_us(*opened.watched_until_us - opened.info.wall_offset_us);
}

std::optional<std::int64_t> Writer::watched_until_wall_us() const {
    return session().opened().watched_until_any_boot_us;
}

void Writer::commit(const Batch &batch) {
    if (batch.leases.empty() && !batch.watched && batch.gaps.empty() &&
        batch.bind_failures.empty() && batch.namespaces.empty() && !batch.ring_mark)
        return;
    state_->noting_damage([&] { session().commit(batch); });
}

std::int64_t Writer::stored_leases() const {
    return session().leases();
}

std::int64_t Writer::stored_bytes() const {
    const std::filesystem::path file = state_->directory.database_file();
    return file_bytes(file) + file_bytes(file.string() + "-wal");
}

void Writer::close_cleanly() {
    state_->noting_damage([this] { session().checkpoint(); });
    state_->session.reset();
    state_->directory.record(StateDirectory::PreviousRun::End::clean);
}

} // namespace portd::store
