#include "store/writer.hpp"

#include "store/bind_failure_rows.hpp"
#include "store/clock_table.hpp"
#include "store/fault.hpp"
#include "store/interning.hpp"
#include "store/lease_rows.hpp"
#include "store/lease_state.hpp"
#include "store/lease_writer.hpp"
#include "store/open_store.hpp"
#include "store/part_files.hpp"
#include "store/retention.hpp"
#include "store/rotation.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

namespace portd::store {
namespace {

constexpr std::int64_t smallest_part = 1 << 20;
constexpr std::int64_t largest_part = 256 << 20;

// A part that could not be begun is tried again after so many commits.
constexpr int commits_until_retry = 100;

} // namespace

// The open file with its statements.
class Writer::Session {
  public:
    Session(OpenedStore opened, std::int64_t waiting_leases);

    const OpenedStore &opened() const { return opened_; }
    std::int64_t row_us(model::Instant at) const { return to_us(at) + opened_.info.base_offset_us; }
    std::int64_t wall_us(model::Instant at) const { return opened_.walls.wall_us(row_us(at)); }
    std::int64_t bytes() { return opened_.database->integer("PRAGMA page_count") * page_bytes_; }
    // Makes the next part and gives this one up.
    PartFile make_next();
    std::int64_t now_us() const { return now_us_; }
    std::int64_t last_serial() const { return lease_writer_.counts().last_serial; }
    std::int64_t leases() const { return lease_writer_.counts().leases; }

    std::vector<model::Lease> open_leases();
    std::vector<model::Lease> leases(std::span<const std::int64_t> serials);
    std::optional<model::RingMark> ring_mark();
    // What the batch says of the clock, if it was set.
    std::optional<ClockSetting> commit(const Batch &batch);
    std::string describe(const ClockSetting &set);
    void checkpoint() { opened_.database->execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

  private:
    std::optional<ClockSetting> write(const Batch &batch);
    void write_watched(const Watched &watched);
    void write_gap(const proto::Gap &gap);
    void write_bind_failure(const model::BindFailure &failure);
    void write_namespace(const NamespaceName &name);
    void write_ring_mark(const model::RingMark &mark);
    std::optional<ClockSetting> write_clock(const ClockReading &reading);

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
    const std::int64_t page_bytes_;
    std::int64_t next_bind_failure_;
    std::int64_t now_us_; // the latest moment that was stored
};

Writer::Session::Session(OpenedStore opened, std::int64_t waiting_leases)
    : opened_(std::move(opened)),
      interning_(*opened_.database, opened_.boot, opened_.info.base_offset_us),
      lease_writer_(*opened_.database, interning_, *opened_.part,
                    {opened_.boot, opened_.info.base_offset_us},
                    {opened_.leases, opened_.last_serial}, waiting_leases),
      rows_(*opened_.database, *opened_.part),
      select_open_(*opened_.database, "SELECT id FROM lease AS l WHERE " + is_long(Span::open)),
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
      select_stored_(*opened_.database, "SELECT 1 FROM lease AS l JOIN flow AS f ON f.id = l.flow "
                                        "WHERE l.id = ?1 AND f.boot = ?2"),
      select_ring_mark_(*opened_.database,
                        "SELECT generation, position, frame FROM ring_mark WHERE boot = ?1"),
      put_ring_mark_(*opened_.database, "REPLACE INTO ring_mark(boot, generation, position, frame) "
                                        "VALUES(?1, ?2, ?3, ?4)"),
      page_bytes_(opened_.database->integer("PRAGMA page_size")),
      next_bind_failure_(opened_.last_bind_failure + 1),
      now_us_(opened_.watched_until_us.value_or(opened_.info.base_offset_us)) {}

std::vector<model::Lease> Writer::Session::open_leases() {
    std::vector<std::int64_t> serials;
    {
        Execution row(select_open_);
        while (row.next())
            serials.push_back(opened_.part->serial_of(row.integer(0)));
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
            is_stored = row.bind(opened_.part->id_of(serial)).bind(opened_.boot).next();
        }
        if (is_stored)
            leases.push_back(rows_.lease(serial).lease);
    }
    rows_.forget();
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

PartFile Writer::Session::make_next() {
    const Part &part = *opened_.part;
    const std::int64_t since_us = std::max(now_us_, part.since_us.value_or(now_us_));
    return make_next_part(opened_.database->file().parent_path(), *opened_.database, part,
                          {.since_us = since_us,
                           .last_serial = last_serial(),
                           .next_bind_failure = next_bind_failure_,
                           .shift_us = part.shift_us});
}

std::optional<ClockSetting> Writer::Session::commit(const Batch &batch) {
    const LeaseWriter::Counts before = lease_writer_.counts();
    const std::int64_t bind_failure_before = next_bind_failure_;
    try {
        const auto set = write(batch);
        if (set)
            opened_.walls.add(*set);
        return set;
    } catch (...) {
        // Rolled back: rows that were remembered may not exist.
        interning_.forget();
        lease_writer_.roll_back(before);
        next_bind_failure_ = bind_failure_before;
        throw;
    }
}

std::optional<ClockSetting> Writer::Session::write(const Batch &batch) {
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
    const auto set = batch.clock ? write_clock(*batch.clock) : std::nullopt;
    transaction.commit();
    return set;
}

// What was before this part stands in the one before.
void Writer::Session::write_watched(const Watched &watched) {
    const std::int64_t until_us = row_us(watched.until);
    const std::int64_t since_us =
        std::max(row_us(watched.since), opened_.part->since_us.value_or(row_us(watched.since)));
    now_us_ = std::max(now_us_, until_us);
    if (until_us < since_us)
        return;
    Execution(put_coverage_)
        .bind(opened_.boot)
        .bind(static_cast<std::int64_t>(watched.source))
        .bind(since_us)
        .bind(until_us)
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
    bind_bind_failure(insert, failure, next_bind_failure_, opened_.boot,
                      opened_.info.base_offset_us, process);
    insert.run();
    next_bind_failure_ += opened_.database->changed_rows();
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

// The clock was set some time before it was read.
std::optional<ClockSetting> Writer::Session::write_clock(const ClockReading &reading) {
    const ClockSetting setting{row_us(reading.at),
                               reading.wall_offset_us - opened_.info.base_offset_us};
    if (!opened_.walls.is_set_by(setting))
        return std::nullopt;
    write_setting(*opened_.database, setting);
    return setting;
}

std::string Writer::Session::describe(const ClockSetting &set) {
    const WallTimes &walls = opened_.walls;
    const std::int64_t step_us = set.ahead_us - walls.ahead_us(set.since_us - 1);
    const auto ms = std::chrono::milliseconds(std::abs(step_us) / 1000);
    return std::string("the clock was set ") + (step_us < 0 ? "back" : "forward") + " by " +
           std::to_string(ms.count()) + " ms; history goes on by CLOCK_BOOTTIME";
}

std::int64_t Limits::part_bytes() const {
    return std::clamp(max_bytes / 16, smallest_part, largest_part);
}

void Writer::Session::write_ring_mark(const model::RingMark &mark) {
    Execution(put_ring_mark_)
        .bind(opened_.boot)
        .bind(static_cast<std::int64_t>(mark.generation))
        .bind(static_cast<std::int64_t>(mark.position))
        .bind(static_cast<std::int64_t>(mark.frame))
        .run();
}

// Declaration order is lifetime: the lock outlives the files.
struct Writer::State {
    StateDirectory directory;
    Limits limits;
    std::optional<SetAside> set_aside;
    std::unique_ptr<Session> session; // none once closed
    std::optional<Retention> retention;
    std::vector<Notice> notices;
    std::int64_t part_began_us = 0;
    int commits_until_next_part = 0; // after a failure

    State(const std::filesystem::path &path, const BootInfo &boot, const Limits &kept);
    void begin_part();
    void keep_house();

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

Writer::State::State(const std::filesystem::path &path, const BootInfo &boot, const Limits &kept)
    : directory(path, boot.boot_id), limits(kept) {
    const PartFile current = find_current_part(directory);
    try {
        session =
            std::make_unique<Session>(open_store(directory, current, boot), limits.waiting_leases);
    } catch (const DamagedStore &damage) {
        set_aside = store::set_aside(path_of(directory.path(), current), damage.what());
        directory.forget_previous_run(); // it was about the file that is gone
        session = std::make_unique<Session>(
            open_store(directory, find_current_part(directory), boot), limits.waiting_leases);
    }
    retention.emplace(directory.path(), session->opened().file.number);
    part_began_us = session->opened().part->since_us.value_or(session->now_us());
}

void Writer::State::begin_part() {
    const OpenedStore &given_up = session->opened();
    const std::int64_t leases = session->leases();
    const BootInfo boot{given_up.info.boot_id,
                        given_up.info.base_offset_us +
                            given_up.walls.ahead_us(given_up.walls.last_set_us())};
    const std::int64_t number = given_up.file.number;
    const PartFile next = session->make_next();
    try {
        session =
            std::make_unique<Session>(open_store(directory, next, boot), limits.waiting_leases);
    } catch (...) {
        remove_database(path_of(directory.path(), next)); // the current part is still the newest
        throw;
    }
    part_began_us = session->opened().part->since_us.value_or(session->now_us());
    retention->give_up(number, leases - session->leases(), part_began_us);
}

void Writer::State::keep_house() {
    const std::int64_t age_us = session->now_us() - part_began_us;
    const bool is_due = session->leases() > 0 && (session->bytes() >= limits.part_bytes() ||
                                                  age_us >= limits.part_age().count());
    if (is_due && --commits_until_next_part < 0) {
        try {
            begin_part();
            commits_until_next_part = 0;
        } catch (const DamagedStore &) {
            throw;
        } catch (const std::exception &fault) {
            notices.push_back(
                {Notice::Kind::failure,
                 std::string("cannot begin another part of the history: ") + fault.what()});
            commits_until_next_part = commits_until_retry;
        }
    }
    retention->work(limits, session->bytes(), session->now_us());
}

Writer::Writer(const std::filesystem::path &state_directory, const BootInfo &boot,
               const Limits &limits)
    : state_(std::make_unique<State>(state_directory, boot, limits)) {}

Writer::~Writer() = default;

Writer::Session &Writer::session() const {
    if (!state_->session)
        throw std::logic_error("the store has been closed");
    return *state_->session;
}

const std::optional<SetAside> &Writer::set_aside() const {
    return state_->set_aside;
}

const StoredBoot &Writer::boot() const {
    return session().opened().info;
}

std::int64_t Writer::row_us(model::Instant at) const {
    return session().row_us(at);
}

std::int64_t Writer::wall_us(model::Instant at) const {
    return session().wall_us(at);
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
    return model::instant_from_us(*opened.watched_until_us - opened.info.base_offset_us);
}

std::optional<std::int64_t> Writer::watched_until_row_us() const {
    return session().opened().watched_until_any_boot_us;
}

void Writer::commit(const Batch &batch) {
    if (batch.leases.empty() && !batch.watched && batch.gaps.empty() &&
        batch.bind_failures.empty() && batch.namespaces.empty() && !batch.ring_mark && !batch.clock)
        return;
    state_->noting_damage([&] {
        if (const auto set = session().commit(batch))
            state_->notices.push_back({Notice::Kind::clock_set, session().describe(*set)});
        state_->keep_house();
    });
}

void Writer::set_limits(const Limits &limits) {
    state_->limits = limits;
}

std::int64_t Writer::stored_leases() const {
    return session().leases() + state_->retention->leases();
}

std::int64_t Writer::stored_bytes() const {
    const auto current = path_of(state_->directory.path(), session().opened().file);
    return bytes_of(current) + state_->retention->bytes();
}

std::vector<Notice> Writer::take_notices() {
    std::vector<Notice> notices = std::exchange(state_->notices, {});
    std::ranges::move(state_->retention->take_notices(), std::back_inserter(notices));
    return notices;
}

void Writer::begin_part() {
    if (session().leases() > 0)
        state_->noting_damage([this] { state_->begin_part(); });
}

void Writer::settle() {
    state_->retention->settle(state_->limits, session().bytes(), session().now_us());
}

void Writer::close_cleanly() {
    state_->noting_damage([this] { session().checkpoint(); });
    state_->session.reset();
    state_->retention.reset();
    state_->directory.record(StateDirectory::PreviousRun::End::clean);
}

} // namespace portd::store
