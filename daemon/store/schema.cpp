#include "store/schema.hpp"

#include "store/database.hpp"

#include <stdexcept>
#include <string>

namespace portd::store {
namespace {

constexpr const char *tables = R"sql(
CREATE TABLE boot(
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    base_offset_us INTEGER NOT NULL     -- row time minus CLOCK_BOOTTIME
) STRICT;

CREATE TABLE text(
    id INTEGER PRIMARY KEY,
    value TEXT NOT NULL UNIQUE
) STRICT;

-- One row an image: (boot, pid, start_us) alone is not unique, an exec changes the rest.
CREATE TABLE process(
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boot,
    pid INTEGER NOT NULL,
    start_us INTEGER NOT NULL,
    executable INTEGER REFERENCES text,
    command INTEGER NOT NULL REFERENCES text,
    arguments INTEGER REFERENCES text,
    uid INTEGER,
    gid INTEGER,
    login_uid INTEGER,
    control_group INTEGER REFERENCES text,
    unit INTEGER REFERENCES text,
    container INTEGER REFERENCES text
) STRICT;
CREATE INDEX process_by_pid ON process(pid, start_us);

CREATE TABLE ancestor(
    process INTEGER NOT NULL REFERENCES process,
    ordinal INTEGER NOT NULL,           -- 0: the parent
    pid INTEGER NOT NULL,
    command INTEGER NOT NULL REFERENCES text,
    PRIMARY KEY(process, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease(
    serial INTEGER PRIMARY KEY CHECK(serial > 0),
    boot INTEGER NOT NULL REFERENCES boot,
    network_namespace INTEGER NOT NULL,
    key_kind INTEGER NOT NULL,          -- 0 cookie, 1 inode, 2 hash of the tuple
    key_value INTEGER NOT NULL,         -- the 64 bits, as a signed number
    first_us INTEGER NOT NULL,          -- when portd first had word of it
    protocol INTEGER NOT NULL,
    local_address BLOB NOT NULL,        -- 4 bytes: IPv4, 16 bytes: IPv6; network order
    local_port INTEGER NOT NULL,
    peer_address BLOB,
    peer_port INTEGER,                  -- 0: none
    role INTEGER,
    port_choice INTEGER,
    phase INTEGER NOT NULL,
    outcome INTEGER,
    opened_earliest_us INTEGER,         -- NULL: not known; never before the boot
    opened_latest_us INTEGER NOT NULL,  -- the order of every listing, with serial
    opened_provenance INTEGER NOT NULL,
    closed_earliest_us INTEGER,
    closed_latest_us INTEGER,
    closed_provenance INTEGER,          -- NULL: not closed
    freed_earliest_us INTEGER,
    freed_latest_us INTEGER,
    freed_provenance INTEGER,           -- NULL: the lease is open
    uid INTEGER,
    opener INTEGER,                     -- ordinal in lease_holder
    opener_provenance INTEGER NOT NULL,
    last_holder INTEGER,                -- ordinal in lease_holder
    last_holder_provenance INTEGER NOT NULL,
    holders_omitted INTEGER NOT NULL,
    bytes_sent INTEGER,
    bytes_received INTEGER,
    epoch INTEGER NOT NULL DEFAULT 0    -- the last that began by opened_latest_us
) STRICT;
CREATE INDEX lease_by_time ON lease(opened_latest_us);

CREATE TABLE lease_holder(
    lease INTEGER NOT NULL REFERENCES lease,
    ordinal INTEGER NOT NULL,
    process INTEGER NOT NULL REFERENCES process,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    present INTEGER NOT NULL,
    PRIMARY KEY(lease, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_holder_by_process ON lease_holder(process, lease);

-- While portd watches, until_us of one row grows.
CREATE TABLE coverage(
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boot,
    source INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL CHECK(until_us >= since_us),
    UNIQUE(boot, source, since_us)
) STRICT;

-- While a gap lasts, until_us of its row grows.
CREATE TABLE gap(
    id INTEGER PRIMARY KEY,
    since_us INTEGER,                   -- NULL: before anything there is a record of
    until_us INTEGER,                   -- NULL: without end
    cause INTEGER NOT NULL REFERENCES text,
    lost_events INTEGER,
    CHECK(until_us >= since_us),
    UNIQUE(since_us, cause)
) STRICT;
)sql";

// To version 2, from version 1.
constexpr const char *from_version_1 = R"sql(
ALTER TABLE lease ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
DROP INDEX lease_by_port;
DROP INDEX lease_open;
DROP INDEX lease_open_by_port;
DROP INDEX lease_freed;
)sql";

// What came with version 2.
constexpr const char *since_version_2 = R"sql(
-- See store/epochs.hpp.
CREATE TABLE epoch(
    id INTEGER PRIMARY KEY,
    since_us INTEGER NOT NULL           -- before the openings of its leases, after those of others
) STRICT;
INSERT INTO epoch VALUES(0, -9223372036854775808);
CREATE INDEX lease_by_port ON lease(epoch, local_port, opened_latest_us);
-- A busy port has few open leases among its many freed ones.
CREATE INDEX lease_open ON lease(opened_latest_us, local_port) WHERE freed_provenance IS NULL;

-- The names of a namespace: each from since_us on, until the next.
CREATE TABLE network_namespace(
    boot INTEGER NOT NULL REFERENCES boot,
    inode INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    name INTEGER REFERENCES text,       -- NULL: it has none
    PRIMARY KEY(boot, inode, since_us)
) STRICT, WITHOUT ROWID;

-- Attempts to bind a port that the kernel refused.
CREATE TABLE bind_failure(
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boot,
    network_namespace INTEGER NOT NULL,
    key_kind INTEGER NOT NULL,          -- as in lease
    key_value INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    protocol INTEGER NOT NULL,
    local_address BLOB NOT NULL,        -- as requested
    local_port INTEGER NOT NULL,
    uid INTEGER,
    process INTEGER REFERENCES process, -- NULL: not known
    UNIQUE(boot, network_namespace, key_kind, key_value, at_us)
) STRICT;
CREATE INDEX bind_failure_by_time ON bind_failure(at_us);
CREATE INDEX bind_failure_by_port ON bind_failure(local_port, at_us);

-- A listener among the many connections that it accepted.
CREATE INDEX lease_listener ON lease(local_port, opened_latest_us) WHERE role = 1;
)sql";

// Beside the history: how far a run had stored what the kernel told, for the next one in its boot.
// It says nothing of the leases, so that files with and without it are of one version.
constexpr const char *ring_mark_table = R"sql(
CREATE TABLE IF NOT EXISTS ring_mark(
    boot INTEGER PRIMARY KEY REFERENCES boot,
    generation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    frame INTEGER NOT NULL
) STRICT;
)sql";

template <typename Enum>
std::string words(const std::string &column) {
    std::string sql = "CASE " + column;
    for (int value = 0; value <= static_cast<int>(last_value<Enum>); ++value)
        sql += " WHEN " + std::to_string(value) + " THEN '" +
               std::string(to_string(static_cast<Enum>(value))) + "'";
    return sql + " END";
}

std::string iso_time(const std::string &column) {
    return "strftime('%Y-%m-%dT%H:%M:%S', " + column +
           " / 1000000, 'unixepoch') || printf('.%06dZ', " + column + " % 1000000)";
}

// SQLite has no function that gives the number of a byte, but its hexadecimal digits can be looked
// up.
std::string decimal_byte(const std::string &blob, int index) {
    const auto digit = [&](int position) {
        return "(instr('0123456789ABCDEF', substr(hex(" + blob + "), " + std::to_string(position) +
               ", 1)) - 1)";
    };
    return std::string("(") + digit(2 * index + 1) + " * 16 + " + digit(2 * index + 2) + ")";
}

std::string address(const std::string &blob) {
    std::string ipv4;
    for (int byte = 0; byte < 4; ++byte)
        ipv4 += (byte ? " || '.' || " : "") + decimal_byte(blob, byte);
    std::string ipv6;
    for (int group = 0; group < 8; ++group)
        ipv6 += (group ? " || ':' || " : "") + std::string("lower(hex(substr(") + blob + ", " +
                std::to_string(2 * group + 1) + ", 2)))";
    return "CASE length(" + blob + ") WHEN 4 THEN " + ipv4 + " WHEN 16 THEN " + ipv6 + " END";
}

std::string moment(const std::string &name) {
    const std::string column = "l." + name;
    return iso_time(column + "_earliest_us") + " AS " + name + "_earliest, " +
           iso_time(column + "_latest_us") + " AS " + name + "_latest, " +
           words<Provenance>(column + "_provenance") + " AS " + name + "_provenance, ";
}

// What an operator wants to see of the process that opened the socket or was the last to hold it.
std::string process_columns(const std::string &who) {
    std::string sql = words<Provenance>("l." + who + "_provenance") + " AS " + who +
                      "_provenance, " + who + ".pid AS " + who + "_pid, ";
    for (const std::string field : {"command", "executable", "arguments", "unit", "container"})
        sql += "(SELECT value FROM text WHERE id = " + who + "." + field + ") AS " + who + "_" +
               field + ", ";
    return sql;
}

std::string process_joins(const std::string &who) {
    return " LEFT JOIN lease_holder AS " + who + "_row ON " + who + "_row.lease = l.serial AND " +
           who + "_row.ordinal = l." + who + " LEFT JOIN process AS " + who + " ON " + who +
           ".id = " + who + "_row.process";
}

// A name of the network namespace that `row` (l or f) is in, as of `moment`.
std::string namespace_name(const std::string &row, const std::string &moment) {
    return "(SELECT t.value FROM network_namespace AS n LEFT JOIN text AS t ON t.id = n.name "
           "WHERE n.boot = " +
           row + ".boot AND n.inode = " + row + ".network_namespace AND n.since_us <= " + row +
           "." + moment + " ORDER BY n.since_us DESC LIMIT 1) AS network_namespace_name, ";
}

std::string history_view() {
    return "CREATE VIEW history AS SELECT l.serial, " + words<Protocol>("l.protocol") +
           " AS protocol, " + address("l.local_address") +
           " AS local_address, l.local_port, CASE WHEN l.peer_port > 0 THEN " +
           address("l.peer_address") +
           " END AS peer_address, nullif(l.peer_port, 0) AS peer_port, l.network_namespace, " +
           namespace_name("l", "first_us") + words<Role>("l.role") + " AS role, " +
           words<PortChoice>("l.port_choice") + " AS port_choice, " + words<Phase>("l.phase") +
           " AS phase, " + words<Outcome>("l.outcome") + " AS outcome, " + moment("opened") +
           moment("closed") + moment("freed") + "l.uid, " + process_columns("opener") +
           process_columns("last_holder") +
           "l.bytes_sent, l.bytes_received, "
           "CASE WHEN l.key_kind = 0 THEN printf('%llu', l.key_value) END AS cookie, b.uuid AS "
           "boot "
           "FROM lease AS l JOIN boot AS b ON b.id = l.boot" +
           process_joins("opener") + process_joins("last_holder");
}

std::string failed_bind_view() {
    std::string process;
    for (const std::string field : {"command", "executable", "arguments", "unit", "container"})
        process += "(SELECT value FROM text WHERE id = p." + field + ") AS " + field + ", ";
    return "CREATE VIEW failed_bind AS SELECT f.id, " + iso_time("f.at_us") + " AS at, " +
           words<Protocol>("f.protocol") + " AS protocol, " + address("f.local_address") +
           " AS local_address, f.local_port, f.network_namespace, " + namespace_name("f", "at_us") +
           "f.uid, p.pid, " + process +
           "CASE WHEN f.key_kind = 0 THEN printf('%llu', f.key_value) END AS cookie, "
           "b.uuid AS boot FROM bind_failure AS f JOIN boot AS b ON b.id = f.boot "
           "LEFT JOIN process AS p ON p.id = f.process";
}

void set_version(Database &database) {
    database.execute("PRAGMA user_version = " + std::to_string(schema_version));
}

} // namespace

void check_ownership(Database &database) {
    const std::int64_t id = database.integer("PRAGMA application_id");
    const std::int64_t version = database.integer("PRAGMA user_version");
    const bool empty = database.integer("SELECT count(*) FROM sqlite_schema") == 0;
    const std::string file = database.file().string();
    if (empty && id == 0 && version == 0)
        return;
    if (id != application_id)
        throw std::runtime_error(file +
                                 ": this is an SQLite database, but not portd's; move it away "
                                 "or choose another state directory");
    if (version > schema_version)
        throw std::runtime_error(file + ": written by a newer portd (schema " +
                                 std::to_string(version) + "; this one knows " +
                                 std::to_string(schema_version) +
                                 "); install that portd again, or choose another state directory");
}

void create_schema(Database &database) {
    const std::int64_t version = database.integer("PRAGMA user_version");
    if (version == 0) {
        database.execute(tables);
        database.execute("PRAGMA application_id = " + std::to_string(application_id));
    }
    if (version == 1)
        database.execute(from_version_1);
    if (version < 2)
        database.execute(since_version_2);
    set_version(database);
    database.execute(ring_mark_table);
    database.execute("DROP VIEW IF EXISTS history; DROP VIEW IF EXISTS failed_bind");
    database.execute(history_view());
    database.execute(failed_bind_view());
}

} // namespace portd::store
