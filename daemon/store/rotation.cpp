#include "store/rotation.hpp"

#include "store/checksum.hpp"
#include "store/clock_table.hpp"
#include "store/fault.hpp"
#include "store/late_index.hpp"
#include "store/lease_span.hpp"
#include "store/lease_state.hpp"
#include "store/open_store.hpp"
#include "store/packing.hpp"
#include "store/schema.hpp"

#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace portd::store {
namespace {

// ?1: the distance between the ids of the two parts; ?2: that between their shifts.
constexpr const char *copy_leases =
    "INSERT INTO next.lease SELECT id + ?1, flow, ports, peer_address, key_value, state, "
    "opened_by_us + ?2, closed_us, freed_us, spreads, bytes_sent, bytes_received "
    "FROM main.lease AS l WHERE ";

// ?3: what turns an id into a moment; ?4: the moment since when freed leases are taken along.
constexpr const char *freed_lately =
    " AND l.freed_us IS NOT NULL AND l.id + ?3 + l.opened_by_us + ifnull(l.closed_us, 0) + "
    "l.freed_us >= ?4";

// Flows and addresses are numbered anew, so that a long history takes no more bytes a lease than a
// short one.
constexpr const char *copy_the_rest = R"sql(
CREATE TEMP TABLE flow_number(new INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE);
INSERT INTO flow_number(old) SELECT DISTINCT flow FROM next.lease ORDER BY flow;
CREATE TEMP TABLE address_number(new INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE);
INSERT INTO address_number(old) SELECT peer_address FROM next.lease WHERE peer_address IS NOT NULL
    UNION SELECT local_address FROM main.flow WHERE id IN (SELECT old FROM flow_number);
UPDATE next.lease SET flow = (SELECT new FROM flow_number WHERE old = flow),
    peer_address = (SELECT new FROM address_number WHERE old = peer_address);
INSERT INTO next.flow SELECT n.new, f.boot, f.network_namespace, f.protocol, f.key_kind, a.new,
    f.role, f.port_choice, f.uid, f.process, f.opener, f.opener_provenance, f.last_holder,
    f.last_holder_provenance, f.holders_omitted, f.port_chosen_by
    FROM flow_number AS n JOIN main.flow AS f ON f.id = n.old
    JOIN address_number AS a ON a.old = f.local_address;
INSERT INTO next.flow_holder SELECT n.new, h.ordinal, h.process
    FROM flow_number AS n JOIN main.flow_holder AS h ON h.flow = n.old;
INSERT INTO next.address SELECT n.new, a.value
    FROM address_number AS n JOIN main.address AS a ON a.id = n.old;
DROP TABLE temp.flow_number;
DROP TABLE temp.address_number;
INSERT INTO next.process SELECT * FROM main.process
    WHERE id IN (SELECT process FROM next.flow UNION SELECT process FROM next.flow_holder);
INSERT INTO next.ancestor SELECT * FROM main.ancestor
    WHERE process IN (SELECT id FROM next.process);
INSERT INTO next.boot SELECT * FROM main.boot;
INSERT INTO next.ring_mark SELECT * FROM main.ring_mark;
INSERT INTO next.network_namespace SELECT * FROM main.network_namespace AS n WHERE since_us =
    (SELECT max(since_us) FROM main.network_namespace AS m
     WHERE m.boot = n.boot AND m.inode = n.inode);
INSERT INTO next.text SELECT * FROM main.text WHERE id IN (
    SELECT executable FROM next.process UNION SELECT command FROM next.process
    UNION SELECT arguments FROM next.process UNION SELECT control_group FROM next.process
    UNION SELECT unit FROM next.process UNION SELECT slice FROM next.process
    UNION SELECT container FROM next.process
    UNION SELECT command FROM next.ancestor UNION SELECT name FROM next.network_namespace);
)sql";

// An empty part, under the name of an unfinished one.
std::filesystem::path make_unfinished(const std::filesystem::path &file, const Part &part) {
    const auto path = unfinished_path(file);
    remove_database(path);
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, database_mode);
    if (fd < 0)
        fail_by_errno(path, "cannot create it");
    close(fd);
    Database database(path, Database::Access::write);
    Transaction transaction(database, Transaction::Kind::write);
    create_schema(database);
    write_part(database, part);
    transaction.commit();
    return path;
}

void copy(Database &current, const Part &part, const NextPart &next) {
    const std::int64_t filed = part.origin.value_or(0) + part.shift_us;
    const std::int64_t lately_us = next.since_us - settling_us;
    const auto run = [&](const std::string &condition) {
        Statement statement(current, copy_leases + condition);
        Execution execution(statement);
        execution.bind(part.origin.value_or(0) - next.last_serial)
            .bind(part.shift_us - next.shift_us);
        if (condition.ends_with(freed_lately))
            execution.bind(filed).bind(lately_us);
        execution.run();
    };
    run(is_long(Span::open));
    for (const Span span : long_spans)
        run(is_long(span) + freed_lately);
    run("l.id >= " + std::to_string(lately_us - reach_us(last_short_span) - filed) + " AND " +
        is_short() + freed_lately);
}

// What only leases had that the next part has now. Few addresses and texts are, and they stay.
constexpr const char *remove_unused = R"sql(
DELETE FROM flow WHERE NOT EXISTS (SELECT 1 FROM lease_of_flow AS l WHERE l.flow = flow.id);
DELETE FROM flow_holder WHERE flow NOT IN (SELECT id FROM flow);
DELETE FROM flow_of_process WHERE flow NOT IN (SELECT id FROM flow);
DELETE FROM process WHERE id NOT IN (SELECT process FROM flow_of_process
    UNION SELECT process FROM flow_holder
    UNION SELECT process FROM bind_failure WHERE process IS NOT NULL);
DELETE FROM ancestor WHERE process NOT IN (SELECT id FROM process);
)sql";

// The leases that the next part has of this one, by id. Read only: it is being written.
void note_copied(Database &given_up, const std::filesystem::path &next_file) {
    given_up.execute("CREATE TEMP TABLE copied(id INTEGER PRIMARY KEY)");
    Database next(next_file, Database::Access::read);
    next.on_close(Database::OnClose::leave);
    const std::int64_t distance = read_part(next).serial_of(0) - read_part(given_up).serial_of(0);
    Statement select(next, "SELECT id FROM lease WHERE id <= 0");
    Statement insert(given_up, "INSERT INTO copied(id) VALUES(?1)");
    Execution row(select);
    while (row.next())
        Execution(insert).bind(row.integer(0) + distance).run();
    given_up.execute("INSERT OR IGNORE INTO copied SELECT l.id FROM lease AS l WHERE " +
                     is_long(Span::open));
}

// Where all leases are over.
void settle(Database &given_up) {
    settle_spans(given_up);
    given_up.execute("DELETE FROM span_bounds; INSERT INTO span_bounds SELECT span_port >> 16, "
                     "min(lease), max(lease) FROM lease_of_port GROUP BY 1");
}

void remove_copied(Database &given_up, const std::filesystem::path &next_file) {
    Transaction transaction(given_up, Transaction::Kind::write);
    note_copied(given_up, next_file);
    index_all(given_up, "main");
    const std::string copied = " FROM lease AS l WHERE l.id IN (SELECT id FROM copied))";
    const std::string key_begin = "DELETE FROM lease_of_port WHERE (span_port, lease) IN (SELECT ";
    given_up.execute(key_begin + span_sql() + " << 16 | l.port, l.id" + copied);
    given_up.execute(key_begin + std::to_string(span_port(Span::open, 0)) + " | l.port, l.id" +
                     copied);
    given_up.execute("DELETE FROM lease_of_flow WHERE (flow, lease) IN (SELECT l.flow, l.id" +
                     copied);
    given_up.execute("DELETE FROM lease_of_peer WHERE (peer_address, lease) IN "
                     "(SELECT l.peer_address, l.id" +
                     copied);
    given_up.execute("DELETE FROM lease WHERE id IN (SELECT id FROM copied); "
                     "DELETE FROM late_end WHERE lease IN (SELECT id FROM copied); "
                     "DELETE FROM open_holder; "
                     "UPDATE part SET leases = (SELECT count(*) FROM lease)");
    given_up.execute(remove_unused);
    settle(given_up);
    transaction.commit();
}

// Nobody else has what goes on.
void keep_copied(Database &given_up) {
    end_open_leases(given_up);
    Transaction transaction(given_up, Transaction::Kind::write);
    index_all(given_up, "main");
    given_up.execute("DELETE FROM open_holder; "
                     "UPDATE part SET leases = (SELECT count(*) FROM lease)");
    settle(given_up);
    transaction.commit();
}

} // namespace

void make_first_part(const std::filesystem::path &directory, std::int64_t number,
                     std::optional<std::int64_t> since_us, const std::optional<StoredBoot> &boot) {
    const auto file = path_of(directory, {number, false});
    Part first;
    first.number = number;
    first.since_us = since_us;
    const auto being_made = make_unfinished(file, first);
    if (boot) {
        Database database(being_made, Database::Access::write);
        Statement insert(database, "INSERT INTO boot(uuid, base_offset_us) VALUES(?1, ?2)");
        Execution(insert).bind(boot->boot_id).bind(boot->base_offset_us).run();
    }
    put_in_place(being_made, file);
}

PartFile make_next_part(const std::filesystem::path &directory, Database &current, const Part &part,
                        const NextPart &next) {
    const PartFile file{part.number + 1, false};
    const auto path = path_of(directory, file);
    Part made{.number = file.number,
              .origin = next.last_serial,
              .shift_us = next.shift_us,
              .since_us = next.since_us,
              .first_bind_failure = next.next_bind_failure,
              .indexed_lease = {},
              .indexed_flow = 0,
              .sorted_lease = {},
              .leases = {},
              .bounds = {}};
    const auto being_made = make_unfinished(path, made);
    current.execute("ATTACH " + quoted(being_made) + " AS next");
    try {
        Transaction transaction(current, Transaction::Kind::read);
        copy(current, part, next);
        current.execute("INSERT INTO next.open_holder SELECT lease + " +
                        std::to_string(part.origin.value_or(0) - next.last_serial) +
                        ", ordinal, first_us, last_us, present FROM main.open_holder");
        const std::string id =
            "lease + " + std::to_string(part.origin.value_or(0) - next.last_serial);
        current.execute("INSERT INTO next.late_end SELECT " + id +
                        ", ended_at_us FROM main.late_end WHERE " + id +
                        " IN (SELECT id FROM next.lease)");
        current.execute(copy_the_rest);
        current.execute(copy_settings_sql());
        current.execute("INSERT INTO next.coverage(boot, source, since_us, until_us) SELECT boot, "
                        "source, until_us, until_us FROM main.coverage ORDER BY until_us DESC "
                        "LIMIT 1");
        index_all(current, "next");
        transaction.commit();
    } catch (...) {
        current.execute("DETACH next");
        throw;
    }
    current.execute("DETACH next");
    put_in_place(being_made, path);
    return file;
}

void seal(const std::filesystem::path &directory, std::int64_t number) {
    const auto given_up = path_of(directory, {number, false});
    const auto sealed = path_of(directory, {number, true});
    const auto being_made = unfinished_path(sealed);
    remove_database(being_made);
    try {
        Database database(given_up, Database::Access::write);
        database.on_close(Database::OnClose::leave);
        check_ownership(database);
        const auto next = path_of(directory, {number + 1, false});
        if (std::filesystem::exists(next))
            remove_copied(database, next);
        else
            keep_copied(database);
        pack_into(database, being_made);
        write_checksum(being_made, sealed);
        put_in_place(being_made, sealed);
    } catch (...) {
        remove_database(being_made); // it may be what takes the last room
        std::filesystem::remove(checksum_path(sealed));
        throw;
    }
    remove_database(given_up);
}

void remove_unfinished(const std::filesystem::path &directory) {
    for (const auto &entry : std::filesystem::directory_iterator(directory)) {
        const std::string name = entry.path().filename();
        const auto end = name.find(unfinished);
        if (end != std::string::npos && parse_part_name(name.substr(0, end)))
            std::filesystem::remove(entry.path());
    }
    for (const PartFile &part : list_parts(directory))
        if (part.is_sealed)
            remove_database(path_of(directory, {part.number, false}));
}

} // namespace portd::store
