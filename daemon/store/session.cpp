#include "store/session.hpp"

#include "store/bind_failure_rows.hpp"
#include "store/clock_table.hpp"
#include "store/fault.hpp"
#include "store/lease_state.hpp"
#include "store/rotation.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

namespace portd::store {
namespace {

// 32 MiB: a page that many commits change is then written to the file once for many of them.
constexpr int pages_between_checkpoints = 8192;

} // namespace

Session::Session(OpenedStore opened, std::int64_t waiting_leases, RecentEnds &recent_ends)
    : opened_(std::move(opened)),
      recent_ends_(recent_ends),
      interning_(*opened_.database, opened_.boot, opened_.info.base_offset_us),
      lease_writer_(*opened_.database, interning_, *opened_.part,
                    {opened_.boot, opened_.info.base_offset_us},
                    {opened_.leases, opened_.last_serial}, waiting_leases, &recent_ends),
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
      checkpoint_at_pages_(pages_between_checkpoints),
      now_us_(opened_.watched_until_us.value_or(opened_.info.base_offset_us)) {}

std::vector<model::Lease> Session::open_leases() {
    std::vector<std::int64_t> serials;
    {
        Execution row(select_open_);
        while (row.next())
            serials.push_back(opened_.part->serial_of(row.integer(0)));
    }
    std::ranges::sort(serials);
    return leases(serials);
}

std::vector<model::Lease> Session::leases(std::span<const std::int64_t> serials) {
    const Transaction one_view(*opened_.database, Transaction::Kind::read); // and one lock for all
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

std::optional<model::RingMark> Session::ring_mark() {
    Execution row(select_ring_mark_);
    if (!row.bind(opened_.boot).next())
        return std::nullopt;
    return model::RingMark{static_cast<std::uint64_t>(row.integer(0)),
                           static_cast<std::uint64_t>(row.integer(1)),
                           static_cast<std::uint64_t>(row.integer(2))};
}

PartFile Session::make_next() {
    const Part &part = *opened_.part;
    const std::int64_t since_us = std::max(now_us_, part.since_us.value_or(now_us_));
    return make_next_part(opened_.database->file().parent_path(), *opened_.database, part,
                          {.since_us = since_us,
                           .last_serial = last_serial(),
                           .next_bind_failure = next_bind_failure_,
                           .shift_us = part.shift_us});
}

std::optional<ClockSetting> Session::commit(const Batch &batch) {
    const LeaseWriter::Counts before = lease_writer_.counts();
    const std::int64_t bind_failure_before = next_bind_failure_;
    const std::int64_t now_before_us = now_us_;
    try {
        const auto set = write(batch);
        if (set)
            opened_.walls.add(*set);
        if (batch.watched)
            lease_writer_.end_order().move_horizon(row_us(batch.watched->until));
        return set;
    } catch (...) {
        // Rolled back: rows that were remembered may not exist.
        next_bind_failure_ = bind_failure_before;
        now_us_ = now_before_us;
        interning_.forget();
        lease_writer_.roll_back(before);
        throw;
    }
}

void Session::checkpoint_if_due() {
    const int pages = opened_.database->logged_pages();
    if (pages < checkpoint_at_pages_)
        return;
    checkpoint_at_pages_ = pages + pages_between_checkpoints;
    opened_.database->checkpoint(Database::Checkpoint::passive);
    checkpoint_at_pages_ = pages_between_checkpoints;
}

// What stays in the log is packed with the rest.
void Session::give_up_files() {
    try {
        opened_.database->checkpoint(Database::Checkpoint::passive);
        opened_.database->on_close(Database::OnClose::checkpoint);
    } catch (const StoreFault &) {
        return;
    }
}

void Session::checkpoint_and_close_files() {
    opened_.database->checkpoint(Database::Checkpoint::truncate);
    opened_.database->on_close(Database::OnClose::checkpoint);
}

std::optional<ClockSetting> Session::write(const Batch &batch) {
    Transaction transaction(*opened_.database, Transaction::Kind::write);
    if (batch.clock)
        recent_ends_.begin(row_us(batch.clock->at));
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
void Session::write_watched(const Watched &watched) {
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

void Session::write_gap(const proto::Gap &gap) {
    const std::int64_t cause = interning_.text(gap.cause);
    Execution(put_gap_)
        .bind(gap.since_usec)
        .bind(gap.until_usec)
        .bind(cause)
        .bind(gap.lost_events)
        .run();
}

void Session::write_bind_failure(const model::BindFailure &failure) {
    std::optional<std::int64_t> process;
    if (failure.process)
        process = interning_.process(failure.process);
    Execution insert(insert_bind_failure_);
    bind_bind_failure(insert, failure, next_bind_failure_, opened_.boot,
                      opened_.info.base_offset_us, process);
    insert.run();
    next_bind_failure_ += opened_.database->changed_rows();
}

void Session::write_namespace(const NamespaceName &name) {
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

void Session::write_ring_mark(const model::RingMark &mark) {
    Execution(put_ring_mark_)
        .bind(opened_.boot)
        .bind(static_cast<std::int64_t>(mark.generation))
        .bind(static_cast<std::int64_t>(mark.position))
        .bind(static_cast<std::int64_t>(mark.frame))
        .run();
}

// The clock was set some time before it was read.
std::optional<ClockSetting> Session::write_clock(const ClockReading &reading) {
    const ClockSetting setting{row_us(reading.at),
                               reading.wall_offset_us - opened_.info.base_offset_us};
    if (!opened_.walls.is_set_by(setting))
        return std::nullopt;
    write_setting(*opened_.database, setting);
    return setting;
}

std::string Session::describe(const ClockSetting &set) {
    const WallTimes &walls = opened_.walls;
    const std::int64_t step_us = set.ahead_us - walls.ahead_us(set.since_us - 1);
    const auto ms = std::chrono::milliseconds(std::abs(step_us) / 1000);
    return std::string("the clock was set ") + (step_us < 0 ? "back" : "forward") + " by " +
           std::to_string(ms.count()) + " ms; history goes on by CLOCK_BOOTTIME";
}

} // namespace portd::store
