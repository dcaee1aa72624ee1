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
#include <span>
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

std::optional<std::int64_t> watched_until(Database &database, std::int64_t boot) {
    Statement select(database, "SELECT max(until_us) FROM coverage WHERE boot = ?1");
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
    const auto until_us = watched_until(*store.database, store.boot);
    const std::int64_t since_us =
        until_us ? std::max(*until_us, store.walls.last_set_us()) + 1 : base_us;
    const ClockSetting setting{since_us, boot.wall_offset_us - base_us};
    if (!store.walls.is_set_by(setting))
        return;
    write_setting(*store.database, setting);
    store.walls.add(setting);
}

// But those of the boot that is given.
std::vector<std::int64_t> serials_left_open(Database &database, const Part &part,
                                            std::int64_t except_boot) {
    std::vector<std::int64_t> serials;
    Statement select(database, "SELECT l.id FROM lease AS l JOIN flow AS f ON f.id = l.flow "
                               "WHERE f.boot <> ?1 AND " +
                                   is_long(Span::open));
    Execution row(select);
    row.bind(except_boot);
    while (row.next())
        serials.push_back(part.serial_of(row.integer(0)));
    return serials;
}

// The end of a lease that was left open: not before the last moment of which its boot tells, nor
// after the start of the next boot, if it is known when that was.
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

constexpr std::int64_t no_boot = -1;

// The boot that follows those of which leases are left, if there is one.
struct NextBoot {
    std::int64_t row = no_boot;
    std::int64_t base_offset_us = 0;
    std::optional<std::int64_t> start_us; // if the clock tells when that was
};

void end_leases(Database &database, Part &part, const NextBoot &next,
                std::span<const std::int64_t> serials) {
    Interning interning(database, next.row, next.base_offset_us);
    LeaseWriter writer(database, interning, part, {next.row, 0}, {}, 0);
    LeaseRows rows(database, part);
    for (const std::int64_t serial : serials) {
        LeaseRows::Stored stored = rows.lease(serial);
        const std::int64_t base = stored.boot->base_offset_us;
        const auto instant = [base](std::optional<std::int64_t> us) {
            return us ? std::optional(model::instant_from_us(*us - base)) : std::nullopt;
        };
        const bool is_followed = stored.boot_row != next.row;
        end_lease(stored.lease, instant(watched_until(database, stored.boot_row)),
                  is_followed ? instant(next.start_us) : std::nullopt);
        writer.end(stored.lease, {stored.boot_row, base});
    }
}

NextBoot next_boot(const OpenedStore &store) {
    const std::int64_t start_us = store.info.base_offset_us;
    NextBoot next{store.boot, start_us, start_us};
    if (store.walls.ahead_us(start_us) != store.walls.ahead_us(start_us - 1))
        next.start_us.reset();
    return next;
}

void look_back(OpenedStore &store) {
    store.watched_until_us = watched_until(*store.database, store.boot);
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

PartFile find_current_part(const StateDirectory &directory, const NewPart &made) {
    const auto parts = list_parts(directory.path());
    if (!parts.empty() && !parts.back().is_sealed && parts.back().number >= made.least_number)
        return parts.back();
    const std::int64_t last =
        std::max(parts.empty() ? 0 : parts.back().number, last_number_set_aside(directory.path()));
    const PartFile file{std::max(last + 1, made.least_number), false};
    make_first_part(directory.path(), file.number, made.since_us, made.boot);
    return file;
}

OpenedStore open_store(const StateDirectory &directory, const PartFile &file, const BootInfo &boot,
                       std::optional<Database::Depth> depth, OwnOpen own) {
    OpenedStore store;
    store.file = file;
    store.database = open_sound(directory, path_of(directory.path(), file), boot.boot_id, depth);
    Transaction transaction(*store.database, Transaction::Kind::write);
    create_schema(*store.database);
    store.part = std::make_unique<Part>(read_part(*store.database));
    read_wall_times(*store.database, store.walls);
    enter_boot(store, boot);
    read_clock(store, boot);
    const auto left_open = serials_left_open(*store.database, *store.part,
                                             own == OwnOpen::go_on ? store.boot : no_boot);
    end_leases(*store.database, *store.part, next_boot(store), left_open);
    look_back(store);
    transaction.commit();
    return store;
}

void end_open_leases(Database &database) {
    Part part = read_part(database);
    Transaction transaction(database, Transaction::Kind::write);
    end_leases(database, part, {}, serials_left_open(database, part, no_boot));
    transaction.commit();
}

} // namespace portd::store
