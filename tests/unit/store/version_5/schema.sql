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
CREATE TABLE ancestor(
    process INTEGER NOT NULL REFERENCES process,
    ordinal INTEGER NOT NULL,           -- 0: the parent
    pid INTEGER NOT NULL,
    command INTEGER NOT NULL REFERENCES text,
    PRIMARY KEY(process, ordinal)
) STRICT, WITHOUT ROWID;
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
    holders_omitted INTEGER NOT NULL
) STRICT;
CREATE TABLE flow_holder(
    flow INTEGER NOT NULL REFERENCES flow,
    ordinal INTEGER NOT NULL,
    process INTEGER NOT NULL REFERENCES process,
    PRIMARY KEY(flow, ordinal)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE lease(
    id INTEGER PRIMARY KEY,             -- serial less part.origin
    port INTEGER NOT NULL,
    flow INTEGER NOT NULL REFERENCES flow,
    peer_address INTEGER REFERENCES address,
    peer_port INTEGER,                  -- 0: none
    key_value INTEGER NOT NULL,         -- the 64 bits, as a signed number
    state INTEGER NOT NULL,             -- see store/lease_state.hpp
    opened_by_us INTEGER NOT NULL,      -- after serial + part.shift_us
    first_observed_us INTEGER NOT NULL,
    opened_spread_us INTEGER,
    closed_us INTEGER,
    closed_spread_us INTEGER,
    freed_us INTEGER,
    freed_spread_us INTEGER,
    bytes_sent INTEGER,
    bytes_received INTEGER
) STRICT;
CREATE TABLE span_bounds(
    span INTEGER PRIMARY KEY,
    first_lease INTEGER NOT NULL,
    last_lease INTEGER NOT NULL
) STRICT;
CREATE TABLE late_end(
    lease INTEGER PRIMARY KEY REFERENCES lease,
    ended_at_us INTEGER NOT NULL
) STRICT;
CREATE TABLE open_holder(
    lease INTEGER NOT NULL REFERENCES lease,
    ordinal INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    present INTEGER NOT NULL,
    PRIMARY KEY(lease, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE coverage(
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boot,
    source INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL CHECK(until_us >= since_us),
    UNIQUE(boot, source, since_us)
) STRICT;
CREATE TABLE gap(
    id INTEGER PRIMARY KEY,
    since_us INTEGER,                   -- NULL: before anything there is a record of
    until_us INTEGER,                   -- NULL: without end
    cause INTEGER NOT NULL REFERENCES text,
    lost_events INTEGER,
    CHECK(until_us >= since_us),
    UNIQUE(since_us, cause)
) STRICT;
CREATE TABLE ring_mark(
    boot INTEGER PRIMARY KEY REFERENCES boot,
    generation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    frame INTEGER NOT NULL
) STRICT;
CREATE TABLE network_namespace(
    boot INTEGER NOT NULL REFERENCES boot,
    inode INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    name INTEGER REFERENCES text,       -- NULL: it has none
    PRIMARY KEY(boot, inode, since_us)
) STRICT, WITHOUT ROWID;
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
CREATE INDEX process_by_pid ON process(pid, start_us);
CREATE INDEX process_by_executable ON process(executable) WHERE executable IS NOT NULL;
CREATE INDEX process_by_command ON process(command);
CREATE INDEX process_by_unit ON process(unit) WHERE unit IS NOT NULL;
CREATE INDEX process_by_container ON process(container) WHERE container IS NOT NULL;
CREATE INDEX flow_holder_by_process ON flow_holder(process);
CREATE INDEX lease_long ON lease(state & 7) WHERE state & 7 > 2;
CREATE INDEX bind_failure_by_time ON bind_failure(at_us);
CREATE INDEX bind_failure_by_port ON bind_failure(local_port, at_us);
CREATE VIEW history AS SELECT l.id + p.origin AS serial, CASE f.protocol WHEN 0 THEN 'tcp' WHEN 1 THEN 'udp' END AS protocol, CASE length(here.value) WHEN 4 THEN ((instr('0123456789ABCDEF', substr(hex(here.value), 1, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(here.value), 2, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(here.value), 3, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(here.value), 4, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(here.value), 5, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(here.value), 6, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(here.value), 7, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(here.value), 8, 1)) - 1)) WHEN 16 THEN lower(hex(substr(here.value, 1, 2))) || ':' || lower(hex(substr(here.value, 3, 2))) || ':' || lower(hex(substr(here.value, 5, 2))) || ':' || lower(hex(substr(here.value, 7, 2))) || ':' || lower(hex(substr(here.value, 9, 2))) || ':' || lower(hex(substr(here.value, 11, 2))) || ':' || lower(hex(substr(here.value, 13, 2))) || ':' || lower(hex(substr(here.value, 15, 2))) END AS local_address, l.port AS local_port, CASE WHEN l.peer_port > 0 THEN CASE length(there.value) WHEN 4 THEN ((instr('0123456789ABCDEF', substr(hex(there.value), 1, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(there.value), 2, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(there.value), 3, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(there.value), 4, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(there.value), 5, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(there.value), 6, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(there.value), 7, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(there.value), 8, 1)) - 1)) WHEN 16 THEN lower(hex(substr(there.value, 1, 2))) || ':' || lower(hex(substr(there.value, 3, 2))) || ':' || lower(hex(substr(there.value, 5, 2))) || ':' || lower(hex(substr(there.value, 7, 2))) || ':' || lower(hex(substr(there.value, 9, 2))) || ':' || lower(hex(substr(there.value, 11, 2))) || ':' || lower(hex(substr(there.value, 13, 2))) || ':' || lower(hex(substr(there.value, 15, 2))) END END AS peer_address, nullif(l.peer_port, 0) AS peer_port, f.network_namespace, (SELECT t.value FROM network_namespace AS n LEFT JOIN text AS t ON t.id = n.name WHERE n.boot = f.boot AND n.inode = f.network_namespace AND n.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + l.first_observed_us) ORDER BY n.since_us DESC LIMIT 1) AS network_namespace_name, CASE f.role WHEN 0 THEN 'client' WHEN 1 THEN 'listener' WHEN 2 THEN 'accepted' WHEN 3 THEN 'datagram' END AS role, CASE f.port_choice WHEN 0 THEN 'automatic' WHEN 1 THEN 'explicit' END AS port_choice, CASE (((l.state >> 12 & 7) | 6) - ((l.state >> 12 & 7) & 6)) WHEN 0 THEN 'bound' WHEN 1 THEN 'listening' WHEN 2 THEN 'connecting' WHEN 3 THEN 'connected' WHEN 4 THEN 'closing' WHEN 5 THEN 'lingering' WHEN 6 THEN 'freed' END AS phase, CASE nullif((((l.state >> 8 & 15) | 1) - ((l.state >> 8 & 15) & 1)) - 1, -1) WHEN 0 THEN 'closed' WHEN 1 THEN 'refused' WHEN 2 THEN 'reset' WHEN 3 THEN 'timedOut' WHEN 4 THEN 'unreachable' WHEN 5 THEN 'abandoned' END AS outcome, CASE WHEN NOT ((((l.state >> 20 & 31) | 1) - ((l.state >> 20 & 31) & 1)) BETWEEN 9 AND 12) THEN strftime('%Y-%m-%dT%H:%M:%S', (((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= (l.id + p.origin + p.shift_us + l.opened_by_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) - ifnull(l.opened_spread_us, 0)) / 1000000, 'unixepoch') || printf('.%06dZ', (((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= (l.id + p.origin + p.shift_us + l.opened_by_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) - ifnull(l.opened_spread_us, 0)) % 1000000) END AS opened_earliest, CASE WHEN NOT ((((l.state >> 20 & 31) | 1) - ((l.state >> 20 & 31) & 1)) BETWEEN 13 AND 16) THEN strftime('%Y-%m-%dT%H:%M:%S', ((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= (l.id + p.origin + p.shift_us + l.opened_by_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) / 1000000, 'unixepoch') || printf('.%06dZ', ((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= (l.id + p.origin + p.shift_us + l.opened_by_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) % 1000000) END AS opened_latest, CASE WHEN (((l.state >> 20 & 31) | 1) - ((l.state >> 20 & 31) & 1)) > 0 THEN CASE (((((l.state >> 20 & 31) | 1) - ((l.state >> 20 & 31) & 1)) - 1) % 4) WHEN 0 THEN 'observed' WHEN 1 THEN 'sampled' WHEN 2 THEN 'inferred' WHEN 3 THEN 'unknown' END END AS opened_provenance, CASE WHEN NOT ((((l.state >> 15 & 31) | 1) - ((l.state >> 15 & 31) & 1)) BETWEEN 9 AND 12) THEN strftime('%Y-%m-%dT%H:%M:%S', ((((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) - ifnull(l.closed_spread_us, 0)) / 1000000, 'unixepoch') || printf('.%06dZ', ((((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) - ifnull(l.closed_spread_us, 0)) % 1000000) END AS closed_earliest, CASE WHEN NOT ((((l.state >> 15 & 31) | 1) - ((l.state >> 15 & 31) & 1)) BETWEEN 13 AND 16) THEN strftime('%Y-%m-%dT%H:%M:%S', (((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) / 1000000, 'unixepoch') || printf('.%06dZ', (((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + l.closed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) % 1000000) END AS closed_latest, CASE WHEN (((l.state >> 15 & 31) | 1) - ((l.state >> 15 & 31) & 1)) > 0 THEN CASE (((((l.state >> 15 & 31) | 1) - ((l.state >> 15 & 31) & 1)) - 1) % 4) WHEN 0 THEN 'observed' WHEN 1 THEN 'sampled' WHEN 2 THEN 'inferred' WHEN 3 THEN 'unknown' END END AS closed_provenance, CASE WHEN NOT ((((l.state >> 3 & 31) | 1) - ((l.state >> 3 & 31) & 1)) BETWEEN 9 AND 12) THEN strftime('%Y-%m-%dT%H:%M:%S', ((((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) - ifnull(l.freed_spread_us, 0)) / 1000000, 'unixepoch') || printf('.%06dZ', ((((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) - ifnull(l.freed_spread_us, 0)) % 1000000) END AS freed_earliest, CASE WHEN NOT ((((l.state >> 3 & 31) | 1) - ((l.state >> 3 & 31) & 1)) BETWEEN 13 AND 16) THEN strftime('%Y-%m-%dT%H:%M:%S', (((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) / 1000000, 'unixepoch') || printf('.%06dZ', (((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= ((l.id + p.origin + p.shift_us + l.opened_by_us) + ifnull(l.closed_us, 0) + l.freed_us) ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) % 1000000) END AS freed_latest, CASE WHEN (((l.state >> 3 & 31) | 1) - ((l.state >> 3 & 31) & 1)) > 0 THEN CASE (((((l.state >> 3 & 31) | 1) - ((l.state >> 3 & 31) & 1)) - 1) % 4) WHEN 0 THEN 'observed' WHEN 1 THEN 'sampled' WHEN 2 THEN 'inferred' WHEN 3 THEN 'unknown' END END AS freed_provenance, f.uid, CASE f.opener_provenance WHEN 0 THEN 'observed' WHEN 1 THEN 'sampled' WHEN 2 THEN 'inferred' WHEN 3 THEN 'unknown' END AS opener_provenance, opener.pid AS opener_pid, (SELECT value FROM text WHERE id = opener.command) AS opener_command, (SELECT value FROM text WHERE id = opener.executable) AS opener_executable, (SELECT value FROM text WHERE id = opener.arguments) AS opener_arguments, (SELECT value FROM text WHERE id = opener.unit) AS opener_unit, (SELECT value FROM text WHERE id = opener.slice) AS opener_slice, (SELECT value FROM text WHERE id = opener.container) AS opener_container, CASE f.last_holder_provenance WHEN 0 THEN 'observed' WHEN 1 THEN 'sampled' WHEN 2 THEN 'inferred' WHEN 3 THEN 'unknown' END AS last_holder_provenance, last_holder.pid AS last_holder_pid, (SELECT value FROM text WHERE id = last_holder.command) AS last_holder_command, (SELECT value FROM text WHERE id = last_holder.executable) AS last_holder_executable, (SELECT value FROM text WHERE id = last_holder.arguments) AS last_holder_arguments, (SELECT value FROM text WHERE id = last_holder.unit) AS last_holder_unit, (SELECT value FROM text WHERE id = last_holder.slice) AS last_holder_slice, (SELECT value FROM text WHERE id = last_holder.container) AS last_holder_container, l.bytes_sent, l.bytes_received, CASE WHEN f.key_kind = 0 THEN printf('%llu', l.key_value) END AS cookie, b.uuid AS boot FROM part AS p JOIN lease AS l JOIN flow AS f ON f.id = l.flow JOIN boot AS b ON b.id = f.boot JOIN address AS here ON here.id = f.local_address LEFT JOIN address AS there ON there.id = l.peer_address LEFT JOIN process AS opener ON opener.id = CASE f.opener WHEN 0 THEN f.process ELSE (SELECT h.process FROM flow_holder AS h WHERE h.flow = f.id AND h.ordinal = f.opener) END LEFT JOIN process AS last_holder ON last_holder.id = CASE f.last_holder WHEN 0 THEN f.process ELSE (SELECT h.process FROM flow_holder AS h WHERE h.flow = f.id AND h.ordinal = f.last_holder) END
/* history(serial,protocol,local_address,local_port,peer_address,peer_port,network_namespace,network_namespace_name,role,port_choice,phase,outcome,opened_earliest,opened_latest,opened_provenance,closed_earliest,closed_latest,closed_provenance,freed_earliest,freed_latest,freed_provenance,uid,opener_provenance,opener_pid,opener_command,opener_executable,opener_arguments,opener_unit,opener_slice,opener_container,last_holder_provenance,last_holder_pid,last_holder_command,last_holder_executable,last_holder_arguments,last_holder_unit,last_holder_slice,last_holder_container,bytes_sent,bytes_received,cookie,boot) */;
CREATE VIEW failed_bind AS SELECT f.id, strftime('%Y-%m-%dT%H:%M:%S', (f.at_us + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= f.at_us ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) / 1000000, 'unixepoch') || printf('.%06dZ', (f.at_us + ifnull((SELECT w.ahead_us FROM wall_clock AS w WHERE w.since_us <= f.at_us ORDER BY w.since_us DESC LIMIT 1), (SELECT w.ahead_us FROM wall_clock AS w ORDER BY w.since_us LIMIT 1))) % 1000000) AS at, CASE f.protocol WHEN 0 THEN 'tcp' WHEN 1 THEN 'udp' END AS protocol, CASE length(f.local_address) WHEN 4 THEN ((instr('0123456789ABCDEF', substr(hex(f.local_address), 1, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(f.local_address), 2, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(f.local_address), 3, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(f.local_address), 4, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(f.local_address), 5, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(f.local_address), 6, 1)) - 1)) || '.' || ((instr('0123456789ABCDEF', substr(hex(f.local_address), 7, 1)) - 1) * 16 + (instr('0123456789ABCDEF', substr(hex(f.local_address), 8, 1)) - 1)) WHEN 16 THEN lower(hex(substr(f.local_address, 1, 2))) || ':' || lower(hex(substr(f.local_address, 3, 2))) || ':' || lower(hex(substr(f.local_address, 5, 2))) || ':' || lower(hex(substr(f.local_address, 7, 2))) || ':' || lower(hex(substr(f.local_address, 9, 2))) || ':' || lower(hex(substr(f.local_address, 11, 2))) || ':' || lower(hex(substr(f.local_address, 13, 2))) || ':' || lower(hex(substr(f.local_address, 15, 2))) END AS local_address, f.local_port, f.network_namespace, (SELECT t.value FROM network_namespace AS n LEFT JOIN text AS t ON t.id = n.name WHERE n.boot = f.boot AND n.inode = f.network_namespace AND n.since_us <= f.at_us ORDER BY n.since_us DESC LIMIT 1) AS network_namespace_name, f.uid, p.pid, (SELECT value FROM text WHERE id = p.command) AS command, (SELECT value FROM text WHERE id = p.executable) AS executable, (SELECT value FROM text WHERE id = p.arguments) AS arguments, (SELECT value FROM text WHERE id = p.unit) AS unit, (SELECT value FROM text WHERE id = p.slice) AS slice, (SELECT value FROM text WHERE id = p.container) AS container, CASE WHEN f.key_kind = 0 THEN printf('%llu', f.key_value) END AS cookie, b.uuid AS boot FROM bind_failure AS f JOIN boot AS b ON b.id = f.boot LEFT JOIN process AS p ON p.id = f.process
/* failed_bind(id,at,protocol,local_address,local_port,network_namespace,network_namespace_name,uid,pid,command,executable,arguments,unit,slice,container,cookie,boot) */;
