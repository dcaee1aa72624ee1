#include "store/writer.hpp"

#include "store/fault.hpp"
#include "store/interning.hpp"
#include "store/lease_rows.hpp"
#include "store/open_store.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace portd::store {
namespace {

constexpr std::size_t max_known_leases = 1 << 17;

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
    std::int64_t last_serial() const { return counts_.last_serial; }
    std::int64_t leases() const { return counts_.leases; }

    std::vector<model::Lease> open_leases();
    void commit(const Batch &batch);
    void checkpoint() { opened_.database->execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

  private:
    // What is stored of an open lease, to write only what changed.
    struct Known {
        std::uint16_t port = 0;
        model::Instant opened_by{};
        std::vector<HolderRow> holders;
    };
    struct Counts {
        std::int64_t leases = 0;
        std::int64_t last_serial = 0;
    };

    void write(const Batch &batch);
    void write_lease(const model::Lease &lease);
    bool update_lease(const model::Lease &lease, const Known *known);
    void insert_lease(const model::Lease &lease);
    void write_holders(std::int64_t serial, const std::vector<HolderRow> &holders,
                       const std::vector<HolderRow> &stored);
    std::vector<HolderRow> holder_rows(const model::Lease &lease);
    void write_watched(const Watched &watched);
    void write_gap(const proto::Gap &gap);
    std::int64_t row_us(model::Instant at) const { return to_us(at) + opened_.info.wall_offset_us; }

    OpenedStore opened_;
    Interning interning_;
    LeaseRows rows_;
    Statement insert_lease_;
    Statement update_lease_;
    Statement update_unmoved_lease_;
    Statement select_open_;
    Statement put_holder_;
    Statement drop_holders_;
    Statement put_coverage_;
    Statement put_gap_;
    Counts counts_;
    std::unordered_map<std::int64_t, Known> known_;
};

Writer::Session::Session(OpenedStore opened)
    : opened_(std::move(opened)),
      interning_(*opened_.database, opened_.boot, opened_.info.wall_offset_us),
      rows_(*opened_.database),
      insert_lease_(*opened_.database, insert_lease_sql()),
      update_lease_(*opened_.database, update_lease_sql()),
      update_unmoved_lease_(*opened_.database, update_unmoved_lease_sql()),
      select_open_(*opened_.database,
                   "SELECT serial FROM lease WHERE freed_provenance IS NULL AND boot = ?1"),
      put_holder_(*opened_.database,
                  "INSERT INTO lease_holder(lease, ordinal, process, first_us, last_us, present) "
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(lease, ordinal) DO UPDATE SET "
                  "process = excluded.process, first_us = excluded.first_us, "
                  "last_us = excluded.last_us, present = excluded.present"),
      drop_holders_(*opened_.database,
                    "DELETE FROM lease_holder WHERE lease = ?1 AND ordinal >= ?2"),
      put_coverage_(*opened_.database,
                    "INSERT INTO coverage(boot, source, since_us, until_us) VALUES(?1, ?2, ?3, ?4) "
                    "ON CONFLICT(boot, source, since_us) DO UPDATE SET "
                    "until_us = max(until_us, excluded.until_us)"),
      put_gap_(*opened_.database,
               "INSERT INTO gap(since_us, until_us, cause, lost_events) VALUES(?1, ?2, ?3, ?4) "
               "ON CONFLICT(since_us, cause) DO UPDATE SET until_us = excluded.until_us, "
               "lost_events = excluded.lost_events"),
      counts_{opened_.leases, opened_.last_serial} {}

std::vector<model::Lease> Writer::Session::open_leases() {
    std::vector<std::int64_t> serials;
    {
        Execution row(select_open_);
        row.bind(opened_.boot);
        while (row.next())
            serials.push_back(row.integer(0));
    }
    std::ranges::sort(serials);
    std::vector<model::Lease> leases;
    leases.reserve(serials.size());
    for (const std::int64_t serial : serials)
        leases.push_back(rows_.lease(serial).lease);
    rows_.forget_processes();
    return leases;
}

void Writer::Session::commit(const Batch &batch) {
    const Counts before = counts_;
    try {
        write(batch);
    } catch (...) {
        // Rolled back: rows that were remembered may not exist.
        counts_ = before;
        interning_.forget();
        known_.clear();
        throw;
    }
}

void Writer::Session::write(const Batch &batch) {
    Transaction transaction(*opened_.database, Transaction::Kind::write);
    for (const model::Lease &lease : batch.leases)
        write_lease(lease);
    if (batch.watched)
        write_watched(*batch.watched);
    for (const proto::Gap &gap : batch.gaps)
        write_gap(gap);
    transaction.commit();
}

void Writer::Session::write_lease(const model::Lease &lease) {
    const auto found = known_.find(lease.serial);
    const Known *known = found == known_.end() ? nullptr : &found->second;
    std::vector<HolderRow> holders = holder_rows(lease);
    if (lease.serial > counts_.last_serial || !update_lease(lease, known)) {
        insert_lease(lease);
        write_holders(lease.serial, holders, {});
    } else {
        if (!known || known->holders.size() > holders.size())
            Execution(drop_holders_)
                .bind(lease.serial)
                .bind(known ? static_cast<std::int64_t>(holders.size()) : 0)
                .run();
        write_holders(lease.serial, holders, known ? known->holders : std::vector<HolderRow>{});
    }
    if (!lease.is_open()) {
        known_.erase(lease.serial);
        return;
    }
    if (!known && known_.size() >= max_known_leases)
        known_.clear();
    known_.insert_or_assign(lease.serial,
                            Known{lease.local.port, opened_by(lease), std::move(holders)});
}

bool Writer::Session::update_lease(const model::Lease &lease, const Known *known) {
    const bool unmoved =
        known && known->port == lease.local.port && known->opened_by == opened_by(lease);
    Execution update(unmoved ? update_unmoved_lease_ : update_lease_);
    bind_lease(update, lease, opened_.boot, opened_.info.wall_offset_us);
    update.run();
    return opened_.database->changed_rows() == 1;
}

void Writer::Session::insert_lease(const model::Lease &lease) {
    Execution insert(insert_lease_);
    bind_lease(insert, lease, opened_.boot, opened_.info.wall_offset_us);
    insert.run();
    ++counts_.leases;
    counts_.last_serial = std::max(counts_.last_serial, lease.serial);
}

std::vector<HolderRow> Writer::Session::holder_rows(const model::Lease &lease) {
    std::vector<HolderRow> rows;
    rows.reserve(lease.holders.size());
    for (const model::Holder &holder : lease.holders)
        rows.push_back({interning_.process(holder.process), row_us(holder.first_seen),
                        row_us(holder.last_seen), holder.present});
    return rows;
}

void Writer::Session::write_holders(std::int64_t serial, const std::vector<HolderRow> &holders,
                                    const std::vector<HolderRow> &stored) {
    for (std::size_t i = 0; i < holders.size(); ++i) {
        const HolderRow &row = holders[i];
        if (i < stored.size() && stored[i] == row)
            continue;
        Execution(put_holder_)
            .bind(serial)
            .bind(static_cast<std::int64_t>(i))
            .bind(row.process)
            .bind(row.first_us)
            .bind(row.last_us)
            .bind(std::int64_t{row.present})
            .run();
    }
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
    if (batch.leases.empty() && !batch.watched && batch.gaps.empty())
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
