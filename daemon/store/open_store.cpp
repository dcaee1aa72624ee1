#include "store/open_store.hpp"

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
// nor after the start of this one. If the clock was set back in between, the second does not bound
// the first.
void end_lease(model::Lease &lease, std::optional<std::int64_t> watched_until_us,
               std::int64_t next_boot_us) {
    model::Instant earliest = lease.id.first_observed;
    if (watched_until_us)
        earliest = std::max(earliest, model::instant_from_us(*watched_until_us));
    model::When end = model::When::inferred(earliest, std::nullopt);
    if (next_boot_us >= to_us(earliest))
        end.latest = model::instant_from_us(next_boot_us);
    lease.phase = Phase::freed;
    lease.freed = end;
    if (!lease.closed)
        lease.closed = end;
}

void end_leases_of_other_boots(OpenedStore &store) {
    Interning interning(*store.database, store.boot, store.info.wall_offset_us);
    LeaseWriter writer(*store.database, interning, *store.part, {store.boot, 0}, {}, 0);
    LeaseRows rows(*store.database, *store.part);
    Statement watched(*store.database, "SELECT max(until_us) FROM coverage WHERE boot = ?1");
    for (const std::int64_t serial : serials_left_open(store)) {
        LeaseRows::Stored stored = rows.lease(serial);
        const std::int64_t base = stored.boot->wall_offset_us;
        Execution row(watched);
        row.bind(stored.boot_row).next();
        auto until_us = row.optional_integer(0);
        if (until_us)
            *until_us -= base;
        end_lease(stored.lease, until_us, store.info.wall_offset_us - base);
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
    enter_boot(store, boot);
    end_leases_of_other_boots(store);
    look_back(store);
    transaction.commit();
    return store;
}

} // namespace portd::store
