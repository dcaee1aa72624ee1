#include "store/schema.hpp"

#include "store/database.hpp"
#include "store/fault.hpp"
#include "store/lease_state.hpp"
#include "store/upgrade.hpp"

#include <string>

namespace portd::store {
namespace {

constexpr const char *tables = R"sql(
-- What this file is among the others of its directory: one row.
CREATE TABLE part(
    number INTEGER PRIMARY KEY,
    origin INTEGER,                     -- serial of a lease less its id; NULL: no lease yet
    shift_us INTEGER,                   -- a moment less the serial that was handed out then
    since_us INTEGER,                   -- the part before ends here; NULL: there was none
    first_bind_failure INTEGER NOT NULL, -- ids go on from part to part
    indexed_lease INTEGER,              -- of leases and flows up to these, the tables *_of_* tell;
    indexed_flow INTEGER NOT NULL,      -- NULL: of none
    sorted_lease INTEGER,               -- of leases after that and up to this, waiting_of_port tells
    leases INTEGER                      -- NULL: not sealed yet
) STRICT;

CREATE TABLE boot(
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    base_offset_us INTEGER NOT NULL     -- row time minus CLOCK_BOOTTIME
) STRICT;

-- From since_us on, until the next row, the wall clock is ahead of row time by ahead_us.
CREATE TABLE wall_clock(
    since_us INTEGER PRIMARY KEY,
    ahead_us INTEGER NOT NULL
) STRICT;

CREATE TABLE text(
    id INTEGER PRIMARY KEY,
    value TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE address(
    id INTEGER PRIMARY KEY,
    value BLOB NOT NULL UNIQUE          -- 4 bytes: IPv4, 16 bytes: IPv6; network order
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
    slice INTEGER REFERENCES text,
    container INTEGER REFERENCES text
) STRICT;
CREATE INDEX process_by_pid ON process(pid);
CREATE INDEX process_by_executable ON process(executable) WHERE executable IS NOT NULL;
CREATE INDEX process_by_command ON process(command);
CREATE INDEX process_by_unit ON process(unit) WHERE unit IS NOT NULL;
CREATE INDEX process_by_container ON process(container) WHERE container IS NOT NULL;

CREATE TABLE ancestor(
    process INTEGER NOT NULL REFERENCES process,
    ordinal INTEGER NOT NULL,           -- 0: the parent
    pid INTEGER NOT NULL,
    command INTEGER NOT NULL REFERENCES text,
    PRIMARY KEY(process, ordinal)
) STRICT, WITHOUT ROWID;

-- What many leases have in common: who uses a local address, and how. Equal flows may be stored more
-- than once.
CREATE TABLE flow(
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boot,
    network_namespace INTEGER NOT NULL,
    protocol INTEGER NOT NULL,
    key_kind INTEGER NOT NULL,          -- 0 cookie, 1 inode, 2 hash of the tuple
    local_address INTEGER NOT NULL REFERENCES address,
    role INTEGER,
    port_choice INTEGER,
    uid INTEGER,
    process INTEGER REFERENCES process, -- the first holder
    opener INTEGER,                     -- ordinal of a holder, from 0
    opener_provenance INTEGER NOT NULL,
    last_holder INTEGER,                -- ordinal of a holder
    last_holder_provenance INTEGER NOT NULL,
    holders_omitted INTEGER NOT NULL,
    port_chosen_by INTEGER
) STRICT;

-- The second holder and those after it.
CREATE TABLE flow_holder(
    flow INTEGER NOT NULL REFERENCES flow,
    ordinal INTEGER NOT NULL,
    process INTEGER NOT NULL REFERENCES process,
    PRIMARY KEY(flow, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX flow_holder_by_process ON flow_holder(process);

-- What would be indexes if SQLite could fill them later: each entry goes to a page of its own, so
-- they are filled for many rows at a time (store/late_index.hpp).
CREATE TABLE flow_of_process(
    process INTEGER NOT NULL REFERENCES process,    -- the first holder
    flow INTEGER NOT NULL REFERENCES flow,
    PRIMARY KEY(process, flow)
) STRICT, WITHOUT ROWID;
CREATE TABLE lease_of_port(
    span_port INTEGER NOT NULL,         -- span * 65536 + port; open: when it was filled
    lease INTEGER NOT NULL REFERENCES lease,
    PRIMARY KEY(span_port, lease)
) STRICT, WITHOUT ROWID;
CREATE TABLE lease_of_peer(
    peer_address INTEGER NOT NULL REFERENCES address,
    lease INTEGER NOT NULL REFERENCES lease,
    PRIMARY KEY(peer_address, lease)
) STRICT, WITHOUT ROWID;
CREATE TABLE lease_of_flow(
    flow INTEGER NOT NULL REFERENCES flow,
    lease INTEGER NOT NULL REFERENCES lease,
    PRIMARY KEY(flow, lease)
) STRICT, WITHOUT ROWID;

-- The leases that wait for that, sorted by port in runs: each is named by the last lease in it.
CREATE TABLE waiting_run(
    last_lease INTEGER PRIMARY KEY,
    leases INTEGER NOT NULL
) STRICT;
CREATE TABLE waiting_of_port(
    run INTEGER NOT NULL REFERENCES waiting_run,
    port INTEGER NOT NULL,
    lease INTEGER NOT NULL REFERENCES lease,
    PRIMARY KEY(run, port, lease)
) STRICT, WITHOUT ROWID;

-- See store/lease_times.hpp for the times. Serials are handed out in the order in which leases are
-- found, and are microseconds, too: so ids are in the order of time.
CREATE TABLE lease(
    id INTEGER PRIMARY KEY,             -- serial less part.origin
    flow INTEGER NOT NULL REFERENCES flow,
    ports INTEGER NOT NULL,             -- (port - 32768) * 65536 + peer_port: never more than 4 bytes
    peer_address INTEGER REFERENCES address,
    key_value INTEGER NOT NULL,         -- the 64 bits, as a signed number
    state INTEGER NOT NULL,             -- see store/lease_state.hpp
    opened_by_us INTEGER NOT NULL,      -- after serial + part.shift_us
    closed_us INTEGER,
    freed_us INTEGER,
    spreads ANY,                        -- freed_spread_us alone, or a text: [first_observed_us,
    bytes_sent INTEGER,                 -- opened_spread_us, closed_spread_us, freed_spread_us]
    bytes_received INTEGER,
    -- What is calculated when it is read takes no room, not even that of its absence.
    port INTEGER AS ((ports >> 16) + 32768) VIRTUAL,
    peer_port INTEGER AS (ports & 65535) VIRTUAL, -- 0: none
    first_observed_us INTEGER AS (CASE WHEN typeof(spreads) <> 'text' THEN 0
        WHEN json_valid(spreads) THEN spreads ->> 0 END) VIRTUAL,
    opened_spread_us INTEGER AS (CASE WHEN typeof(spreads) = 'text' AND json_valid(spreads)
        THEN spreads ->> 1 END) VIRTUAL,
    closed_spread_us INTEGER AS (CASE WHEN typeof(spreads) = 'text' AND json_valid(spreads)
        THEN spreads ->> 2 END) VIRTUAL,
    freed_spread_us INTEGER AS (CASE WHEN typeof(spreads) <> 'text' THEN spreads
        WHEN json_valid(spreads) THEN spreads ->> 3 END) VIRTUAL
) STRICT;
-- Of a sealed part: which leases of each span there are, at the most.
CREATE TABLE span_bounds(
    span INTEGER PRIMARY KEY,
    first_lease INTEGER NOT NULL,
    last_lease INTEGER NOT NULL
) STRICT;
-- In the order of ids, within each span.
CREATE INDEX lease_long ON lease(state & 7) WHERE state & 7 > 2;

-- Leases of which portd learned so late that they are over that they have another place in the order
-- of ends than their times say: see store/end_order.hpp.
CREATE TABLE late_end(
    lease INTEGER PRIMARY KEY REFERENCES lease,
    ended_at_us INTEGER NOT NULL
) STRICT;

-- Of open leases, when a holder had the socket, if that is not from the opening on and until the
-- socket was closed.
CREATE TABLE open_holder(
    lease INTEGER NOT NULL REFERENCES lease,
    ordinal INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    present INTEGER NOT NULL,
    PRIMARY KEY(lease, ordinal)
) STRICT, WITHOUT ROWID;

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

-- How far a run had stored what the kernel told, for the next one in its boot.
CREATE TABLE ring_mark(
    boot INTEGER PRIMARY KEY REFERENCES boot,
    generation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    frame INTEGER NOT NULL
) STRICT;

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
    key_kind INTEGER NOT NULL,          -- as in flow
    key_value INTEGER NOT NULL,         -- as in lease
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
)sql";

template <typename Enum>
std::string words(const std::string &column) {
    std::string sql = "CASE " + column;
    for (int value = 0; value <= static_cast<int>(last_value<Enum>); ++value)
        sql += " WHEN " + std::to_string(value) + " THEN '" +
               std::string(to_string(static_cast<Enum>(value))) + "'";
    return sql + " END";
}

// What the wall clock showed at a moment of row time.
std::string wall_time(const std::string &column) {
    return "(" + column +
           " + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= " + column +
           " ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY "
           "w.since_us LIMIT 1)))";
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

// The times of a lease, spelt out of what store/lease_times.hpp packed.
std::string provenance_of(const std::string &kind) {
    return "CASE WHEN " + kind + " > 0 THEN " + words<Provenance>("((" + kind + " - 1) % 4)") +
           " END";
}

// Of what lease_time_view() gives.
std::string moment(const std::string &name) {
    const std::string kind = "m." + name + "_kind";
    const std::string at_us = "m." + name + "_us";
    return "CASE WHEN " + kind + " NOT BETWEEN 9 AND 12 THEN " +
           iso_time("(" + at_us + " - ifnull(l." + name + "_spread_us, 0))") + " END AS " + name +
           "_earliest, CASE WHEN " + kind + " NOT BETWEEN 13 AND 16 THEN " + iso_time(at_us) +
           " END AS " + name + "_latest, " + provenance_of(kind) + " AS " + name + "_provenance, ";
}

// What an operator wants to see of the process that opened the socket or was the last to hold it.
std::string process_columns(const std::string &who) {
    std::string sql = words<Provenance>("f." + who + "_provenance") + " AS " + who +
                      "_provenance, " + who + ".pid AS " + who + "_pid, ";
    for (const std::string field :
         {"command", "executable", "arguments", "unit", "slice", "container"})
        sql += "(SELECT value FROM text WHERE id = " + who + "." + field + ") AS " + who + "_" +
               field + ", ";
    return sql;
}

std::string process_join(const std::string &who) {
    return " LEFT JOIN process AS " + who + " ON " + who + ".id = CASE f." + who +
           " WHEN 0 THEN f.process ELSE (SELECT h.process FROM flow_holder AS h WHERE h.flow = "
           "f.id AND h.ordinal = f." +
           who + ") END";
}

// A name of the network namespace that `row` is in, as of `moment`.
std::string namespace_name(const std::string &row, const std::string &moment) {
    return "(SELECT t.value FROM network_namespace AS n LEFT JOIN text AS t ON t.id = n.name "
           "WHERE n.boot = " +
           row + ".boot AND n.inode = " + row + ".network_namespace AND n.since_us <= " + moment +
           " ORDER BY n.since_us DESC LIMIT 1) AS network_namespace_name, ";
}

// What the view of leases needs more than once stands in views of its own: SQLite keeps all of them
// in memory for each file that is open, spelt out as often as they stand there.

std::string address_text_view() {
    return "CREATE VIEW address_text AS SELECT a.id, " + address("a.value") +
           " AS text FROM address AS a";
}

std::string row_time_view() {
    const std::string opened = "(l.id + p.origin + p.shift_us + l.opened_by_us)";
    return "CREATE VIEW row_time AS SELECT l.id AS lease, " + opened + " AS opened_us, " + opened +
           " + l.first_observed_us AS first_observed_us, " + opened +
           " + l.closed_us AS closed_us, " + opened +
           " + ifnull(l.closed_us, 0) + l.freed_us AS freed_us, " + kind_sql(Time::opened) +
           " AS opened_kind, " + kind_sql(Time::closed) + " AS closed_kind, " +
           kind_sql(Time::freed) + " AS freed_kind FROM part AS p JOIN lease AS l";
}

// By the wall clock, but first_observed_us.
std::string lease_time_view() {
    return "CREATE VIEW lease_time AS SELECT r.lease, r.first_observed_us, " +
           wall_time("r.opened_us") + " AS opened_us, r.opened_kind, " + wall_time("r.closed_us") +
           " AS closed_us, r.closed_kind, " + wall_time("r.freed_us") +
           " AS freed_us, r.freed_kind FROM row_time AS r";
}

std::string history_view() {
    return "CREATE VIEW history AS SELECT l.id + p.origin AS serial, " +
           words<Protocol>("f.protocol") +
           " AS protocol, here.text AS local_address, l.port AS local_port, CASE WHEN l.peer_port "
           "> 0 THEN there.text END AS peer_address, nullif(l.peer_port, 0) AS peer_port, "
           "f.network_namespace, " +
           namespace_name("f", "m.first_observed_us") + words<Role>("f.role") + " AS role, " +
           words<PortChoice>("f.port_choice") + " AS port_choice, " +
           words<PortChosenBy>("f.port_chosen_by") + " AS port_chosen_by, " +
           words<Phase>(phase_sql()) + " AS phase, " + words<Outcome>(outcome_sql()) +
           " AS outcome, " + moment("opened") + moment("closed") + moment("freed") + "f.uid, " +
           process_columns("opener") + process_columns("last_holder") +
           "l.bytes_sent, l.bytes_received, "
           "CASE WHEN f.key_kind = 0 THEN printf('%llu', l.key_value) END AS cookie, b.uuid AS "
           "boot "
           "FROM part AS p JOIN lease AS l JOIN lease_time AS m ON m.lease = l.id "
           "JOIN flow AS f ON f.id = l.flow JOIN boot AS b ON b.id = f.boot "
           "JOIN address_text AS here ON here.id = f.local_address "
           "LEFT JOIN address_text AS there ON there.id = l.peer_address" +
           process_join("opener") + process_join("last_holder");
}

std::string failed_bind_view() {
    std::string process;
    for (const std::string field :
         {"command", "executable", "arguments", "unit", "slice", "container"})
        process += "(SELECT value FROM text WHERE id = p." + field + ") AS " + field + ", ";
    return "CREATE VIEW failed_bind AS SELECT f.id, " + iso_time(wall_time("f.at_us")) +
           " AS at, " + words<Protocol>("f.protocol") + " AS protocol, " +
           address("f.local_address") + " AS local_address, f.local_port, f.network_namespace, " +
           namespace_name("f", "f.at_us") + "f.uid, p.pid, " + process +
           "CASE WHEN f.key_kind = 0 THEN printf('%llu', f.key_value) END AS cookie, "
           "b.uuid AS boot FROM bind_failure AS f JOIN boot AS b ON b.id = f.boot "
           "LEFT JOIN process AS p ON p.id = f.process";
}

// There will never be so many.
constexpr std::int64_t most_versions = 9999;

void set_version(Database &database) {
    database.execute("PRAGMA user_version = " + std::to_string(schema_version));
}

// Writes nothing where it is as it should be: a store that has no room can be opened, too.
void set_view(Database &database, const std::string &name, const std::string &sql) {
    Statement select(database, "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1");
    {
        Execution row(select);
        if (row.bind(name).next() && row.text(0) == sql)
            return;
    }
    database.execute("DROP VIEW IF EXISTS " + name);
    database.execute(sql);
}

} // namespace

std::int64_t check_ownership(Database &database, Versions admitted) {
    const std::int64_t id = database.integer("PRAGMA application_id");
    const std::int64_t version = database.integer("PRAGMA user_version");
    const bool empty = database.integer("SELECT count(*) FROM sqlite_schema") == 0;
    if (empty && id == 0 && version == 0)
        return version;
    if (id != application_id) {
        if (database.integer("SELECT count(*) FROM sqlite_schema WHERE name IN "
                             "('part', 'lease', 'flow') AND type = 'table'") == 3)
            database.damaged("its header has another application's number");
        throw ForeignStore(database.file(), "this is an SQLite database, but not portd's; move it "
                                            "away or choose another state directory");
    }
    if (version < 1 || version > most_versions)
        database.damaged("its header has no version of portd's");
    if (version == schema_version ||
        (admitted == Versions::can_be_upgraded && can_be_upgraded(version)))
        return version;
    throw ForeignStore(database.file(),
                       std::string("written by ") +
                           (version > schema_version ? "a newer" : "an older") + " portd (schema " +
                           std::to_string(version) + "; this one knows " +
                           std::to_string(schema_version) +
                           "); install that portd again, or choose another state directory");
}

void create_schema(Database &database) {
    if (database.integer("PRAGMA user_version") == 0) {
        database.execute(tables);
        database.execute("PRAGMA application_id = " + std::to_string(application_id));
        set_version(database);
    }
    set_view(database, "address_text", address_text_view());
    set_view(database, "row_time", row_time_view());
    set_view(database, "lease_time", lease_time_view());
    set_view(database, "history", history_view());
    set_view(database, "failed_bind", failed_bind_view());
}

} // namespace portd::store
