#include "store/open_store.hpp"

#include "store/clock_table.hpp"
#include "store/interning.hpp"
#include "store/lease_rows.hpp"
#include "store/lease_state.hpp"
#include "store/lease_writer.hpp"
#include "store/rotation.hpp"
#include "store/schema.hpp"
#include "store/set_aside.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace portd::store {
namespace {

// The last moment of which the part tells.
std::optional<std::int64_t> end_of_record(const OpenedStore &store) {
    Statement select(*store.database,
                     "SELECT (SELECT max(until_us) FROM coverage), (SELECT max(id) FROM lease)");
    Execution row(select);
    row.next();
    std::optional<std::int64_t> end = row.optional_integer(0);
    if (const auto id = row.optional_integer(1)) {
        const Part &part = *store.part;
        const std::int64_t filed = part.moment_us(part.serial_of(std::max<std::int64_t>(*id, 0)));
        end = std::max(end.value_or(filed), filed);
    }
    return end;
}

// Row time less CLOCK_BOOTTIME in a boot that follows what is on record.
std::int64_t base_of_next_boot(const OpenedStore &store, std::int64_t wall_offset_us) {
    const auto end = end_of_record(store);
    if (!end)
        return wall_offset_us;
    std::int64_t absence_us = 0;
    if (__builtin_sub_overflow(wall_offset_us, store.walls.wall_us(*end), &absence_us) ||
        absence_us > longest_absence_us)
        absence_us = 0;
    return *end + std::max<std::int64_t>(absence_us, 1);
}

std::optional<std::int64_t> watched_until(const OpenedStore &store, std::int64_t boot) {
    Statement select(*store.database, "SELECT max(until_us) FROM coverage WHERE boot = ?1");
    Execution row(select);
    row.bind(boot).next();
    return row.optional_integer(0);
}

void enter_boot(OpenedStore &store, const BootInfo &boot) {
    Statement select(*store.database, "SELECT id, base_offset_us FROM boot WHERE uuid = ?1");
    const auto is_known = [&] {
        Execution row(select);
        if (!row.bind(boot.boot_id).next())
            return false;
        store.boot = row.integer(0);
        store.info = {boot.boot_id, row.integer(1)};
        return true;
    };
    if (!is_known()) {
        Statement insert(*store.database, "INSERT INTO boot(uuid, base_offset_us) VALUES(?1, ?2)");
        Execution(insert)
            .bind(boot.boot_id)
            .bind(base_of_next_boot(store, boot.wall_offset_us))
            .run();
        is_known();
    }
}

// The clock may have been set since the last run: when nobody looked.
void read_clock(OpenedStore &store, const BootInfo &boot) {
    const std::int64_t base_us = store.info.base_offset_us;
    const auto until_us = watched_until(store, store.boot);
    const std::int64_t since_us =
        until_us ? std::max(*until_us, store.walls.last_set_us()) + 1 : base_us;
    const ClockSetting setting{since_us, boot.wall_offset_us - base_us};
    if (!store.walls.is_set_by(setting))
        return;
    write_setting(*store.database, setting);
    store.walls.add(setting);
}

std::vector<std::int64_t> serials_left_open(OpenedStore &store) {
    std::vector<std::int64_t> serials;
    Statement select(*store.database, "SELECT l.id FROM lease AS l JOIN flow AS f ON f.id = l.flow "
                                      "WHERE f.boot <> ?1 AND " +
                                          is_long(Span::open));
    Execution row(select);
    row.bind(store.boot);
    while (row.next())
        serials.push_back(store.part->serial_of(row.integer(0)));
    return serials;
}

// The end of a lease that its boot left open: not before the last moment of which that boot tells,
// nor after the start of this one, if the clock tells when that was.
void end_lease(model::Lease &lease, std::optional<model::Instant> watched_until,
               std::optional<model::Instant> next_boot) {
    model::Instant earliest = lease.id.first_observed;
    if (watched_until)
        earliest = std::max(earliest, *watched_until);
    const model::When end = model::When::inferred(earliest, next_boot);
    lease.phase = Phase::freed;
    lease.freed = end;
    if (!lease.closed)
        lease.closed = end;
}

void end_leases_of_other_boots(OpenedStore &store) {
    Interning interning(*store.database, store.boot, store.info.base_offset_us);
    LeaseWriter writer(*store.database, interning, *store.part, {store.boot, 0}, {}, 0);
    LeaseRows rows(*store.database, *store.part);
    const std::int64_t start_us = store.info.base_offset_us;
    const bool was_clock_set = store.walls.ahead_us(start_us) != store.walls.ahead_us(start_us - 1);
    for (const std::int64_t serial : serials_left_open(store)) {
        LeaseRows::Stored stored = rows.lease(serial);
        const std::int64_t base = stored.boot->base_offset_us;
        const auto instant = [base](std::int64_t us) { return model::instant_from_us(us - base); };
        const auto until_us = watched_until(store, stored.boot_row);
        end_lease(stored.lease, until_us ? std::optional(instant(*until_us)) : std::nullopt,
                  was_clock_set ? std::nullopt : std::optional(instant(start_us)));
        writer.end(stored.lease, {stored.boot_row, base});
    }
}

void look_back(OpenedStore &store) {
    store.watched_until_us = watched_until(store, store.boot);
    Statement select(*store.database, "SELECT (SELECT max(until_us) FROM coverage), "
                                      "(SELECT count(*) FROM lease), (SELECT max(id) FROM lease), "
                                      "(SELECT max(id) FROM bind_failure)");
    Execution row(select);
    row.next();
    store.watched_until_any_boot_us = row.optional_integer(0);
    store.leases = row.integer(1);
    // Leases that were taken along have negative ids: the part begins after them.
    if (store.part->origin)
        store.last_serial = store.part->serial_of(std::max<std::int64_t>(row.integer(2), 0));
    store.last_bind_failure = row.optional_integer(3).value_or(store.part->first_bind_failure - 1);
}

} // namespace

PartFile find_current_part(const StateDirectory &directory) {
    remove_unfinished(directory.path());
    const auto parts = list_parts(directory.path());
    if (!parts.empty() && !parts.back().is_sealed)
        return parts.back();
    const std::int64_t number =
        std::max(parts.empty() ? 0 : parts.back().number, last_number_set_aside(directory.path())) +
        1;
    make_first_part(directory.path(), number);
    return {number, false};
}

OpenedStore open_store(const StateDirectory &directory, const PartFile &file,
                       const BootInfo &boot) {
    OpenedStore store;
    store.file = file;
    store.database = open_sound(directory, path_of(directory.path(), file), boot.boot_id);
    Transaction transaction(*store.database, Transaction::Kind::write);
    create_schema(*store.database);
    store.part = std::make_unique<Part>(read_part(*store.database));
    read_wall_times(*store.database, store.walls);
    enter_boot(store, boot);
    read_clock(store, boot);
    end_leases_of_other_boots(store);
    look_back(store);
    transaction.commit();
    return store;
}

} // namespace portd::store
