#include "store/open_store.hpp"

#include "store/schema.hpp"
#include "store/set_aside.hpp"

#include <algorithm>
#include <string>

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

// The end of a lease that its boot left open: not before the last moment of which that boot tells,
// nor after the start of this one. If the clock was set back in between, the second does not bound
// the first.
void end_leases_of_other_boots(OpenedStore &store) {
    const std::string provenance = std::to_string(static_cast<int>(Provenance::inferred));
    const std::string phase = std::to_string(static_cast<int>(Phase::freed));
    Statement update(
        *store.database,
        "WITH ended AS (SELECT serial, max(first_us, ifnull((SELECT max(until_us) FROM coverage "
        "WHERE coverage.boot = lease.boot), first_us)) AS earliest FROM lease "
        "WHERE freed_provenance IS NULL AND boot <> ?1) "
        "UPDATE lease SET phase = " +
            phase +
            ", freed_earliest_us = ended.earliest, "
            "freed_latest_us = CASE WHEN ?2 >= ended.earliest THEN ?2 END, "
            "freed_provenance = " +
            provenance +
            ", closed_earliest_us = iif(closed_provenance IS NULL, ended.earliest, "
            "closed_earliest_us), "
            "closed_latest_us = CASE WHEN closed_provenance IS NOT NULL THEN closed_latest_us "
            "WHEN ?2 >= ended.earliest THEN ?2 END, "
            "closed_provenance = ifnull(closed_provenance, " +
            provenance + ") FROM ended WHERE ended.serial = lease.serial");
    Execution(update).bind(store.boot).bind(store.info.wall_offset_us).run();
}

void look_back(OpenedStore &store) {
    Statement select(*store.database,
                     "SELECT (SELECT max(until_us) FROM coverage WHERE boot = ?1), "
                     "(SELECT max(until_us) FROM coverage WHERE boot <> ?1), "
                     "(SELECT count(*) FROM lease), (SELECT ifnull(max(serial), 0) FROM lease)");
    Execution row(select);
    row.bind(store.boot).next();
    store.watched_until_us = row.optional_integer(0);
    store.watched_until_any_boot_us = store.watched_until_us;
    if (const auto other = row.optional_integer(1); other && !store.watched_until_us)
        store.watched_until_any_boot_us = std::min(*other, store.info.wall_offset_us);
    store.leases = row.integer(2);
    store.last_serial = row.integer(3);
}

} // namespace

OpenedStore open_store(const StateDirectory &directory, const BootInfo &boot) {
    OpenedStore store;
    store.database = open_sound(directory, boot.boot_id);
    Transaction transaction(*store.database, Transaction::Kind::write);
    create_schema(*store.database);
    enter_boot(store, boot);
    end_leases_of_other_boots(store);
    look_back(store);
    transaction.commit();
    return store;
}

} // namespace portd::store
