#include "store/open_store.hpp"

#include "store/interning.hpp"
#include "store/lease_rows.hpp"
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

void enter_boot(OpenedStore &store, const BootInfo &boot) {
    Statement insert(*store.database, "INSERT INTO boot(uuid, base_offset_us) VALUES(?1, ?2) "
                                      "ON CONFLICT(uuid) DO NOTHING");
    Execution(insert).bind(boot.boot_id).bind(boot.wall_offset_us).run();
    Statement select(*store.database, "SELECT id, base_offset_us FROM boot WHERE uuid = ?1");
    Execution row(select);
    row.bind(boot.boot_id).next();
    store.boot = row.integer(0);
    store.info = {boot.boot_id, row.integer(1)};
}

// But those of the boot that is given.
std::vector<std::int64_t> serials_left_open(Database &database, const Part &part,
                                            std::int64_t except_boot) {
    std::vector<std::int64_t> serials;
    Statement select(database, "SELECT l.id FROM lease AS l JOIN flow AS f ON f.id = l.flow "
                               "WHERE l.span = 2 AND f.boot <> ?1");
    Execution row(select);
    row.bind(except_boot);
    while (row.next())
        serials.push_back(part.serial_of(row.integer(0)));
    return serials;
}

// The end of a lease that was left open: not before the last moment of which its boot tells, nor
// after the next one began, where that is known. If the clock was set back in between, the second
// does not bound the first.
void end_lease(model::Lease &lease, std::optional<std::int64_t> watched_until_us,
               std::optional<std::int64_t> next_boot_us) {
    model::Instant earliest = lease.id.first_observed;
    if (watched_until_us)
        earliest = std::max(earliest, model::instant_from_us(*watched_until_us));
    model::When end = model::When::inferred(earliest, std::nullopt);
    if (next_boot_us && *next_boot_us >= to_us(earliest))
        end.latest = model::instant_from_us(*next_boot_us);
    lease.phase = Phase::freed;
    lease.freed = end;
    if (!lease.closed)
        lease.closed = end;
}

constexpr std::int64_t no_boot = -1;

// `boot`, of which `info` tells, is this one; or none is.
void end_leases(Database &database, Part &part, std::int64_t boot, const BootInfo &info,
                std::span<const std::int64_t> serials) {
    Interning interning(database, boot, info.wall_offset_us);
    LeaseWriter writer(database, interning, part, {boot, 0}, {});
    LeaseRows rows(database, part);
    Statement watched(database, "SELECT max(until_us) FROM coverage WHERE boot = ?1");
    for (const std::int64_t serial : serials) {
        LeaseRows::Stored stored = rows.lease(serial);
        const std::int64_t base = stored.boot->wall_offset_us;
        Execution row(watched);
        row.bind(stored.boot_row).next();
        auto until_us = row.optional_integer(0);
        if (until_us)
            *until_us -= base;
        std::optional<std::int64_t> next_boot_us;
        if (boot != no_boot && stored.boot_row != boot)
            next_boot_us = info.wall_offset_us - base;
        end_lease(stored.lease, until_us, next_boot_us);
        writer.end(stored.lease, {stored.boot_row, base});
    }
}

void look_back(OpenedStore &store) {
    Statement select(*store.database,
                     "SELECT (SELECT max(until_us) FROM coverage WHERE boot = ?1), "
                     "(SELECT max(until_us) FROM coverage WHERE boot <> ?1), "
                     "(SELECT count(*) FROM lease), (SELECT max(id) FROM lease), "
                     "(SELECT max(id) FROM bind_failure)");
    Execution row(select);
    row.bind(store.boot).next();
    store.watched_until_us = row.optional_integer(0);
    store.watched_until_any_boot_us = store.watched_until_us;
    if (const auto other = row.optional_integer(1); other && !store.watched_until_us)
        store.watched_until_any_boot_us = std::min(*other, store.info.wall_offset_us);
    store.leases = row.integer(2);
    // Leases that were taken along have negative ids: the part begins after them.
    if (store.part->origin)
        store.last_serial = store.part->serial_of(std::max<std::int64_t>(row.integer(3), 0));
    store.last_bind_failure = row.optional_integer(4).value_or(store.part->first_bind_failure - 1);
}

} // namespace

PartFile find_current_part(const StateDirectory &directory, const NewPart &made) {
    const auto parts = list_parts(directory.path());
    if (!parts.empty() && !parts.back().is_sealed && parts.back().number >= made.least_number)
        return parts.back();
    const std::int64_t last =
        std::max(parts.empty() ? 0 : parts.back().number, last_number_set_aside(directory.path()));
    const PartFile file{std::max(last + 1, made.least_number), false};
    make_first_part(directory.path(), file.number, made.since_us);
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
    enter_boot(store, boot);
    const auto left_open = serials_left_open(*store.database, *store.part,
                                             own == OwnOpen::go_on ? store.boot : no_boot);
    end_leases(*store.database, *store.part, store.boot, store.info, left_open);
    look_back(store);
    transaction.commit();
    return store;
}

void end_open_leases(Database &database) {
    Part part = read_part(database);
    Transaction transaction(database, Transaction::Kind::write);
    end_leases(database, part, no_boot, {}, serials_left_open(database, part, no_boot));
    transaction.commit();
}

} // namespace portd::store
