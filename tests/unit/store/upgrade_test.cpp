// Files of earlier versions of the schema are brought to the present one in place.
#include "store/database.hpp"
#include "store/schema.hpp"
#include "unit/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <regex>

namespace portd::store::test {
namespace {

// The tables of version 1 as that version made them.
constexpr const char *version_1 = R"sql(
CREATE TABLE boot(
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    base_offset_us INTEGER NOT NULL
) STRICT;

CREATE TABLE text(
    id INTEGER PRIMARY KEY,
    value TEXT NOT NULL UNIQUE
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
    container INTEGER REFERENCES text
) STRICT;
CREATE INDEX process_by_pid ON process(pid, start_us);

CREATE TABLE ancestor(
    process INTEGER NOT NULL REFERENCES process,
    ordinal INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    command INTEGER NOT NULL REFERENCES text,
    PRIMARY KEY(process, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease(
    serial INTEGER PRIMARY KEY CHECK(serial > 0),
    boot INTEGER NOT NULL REFERENCES boot,
    network_namespace INTEGER NOT NULL,
    key_kind INTEGER NOT NULL,
    key_value INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    protocol INTEGER NOT NULL,
    local_address BLOB NOT NULL,
    local_port INTEGER NOT NULL,
    peer_address BLOB,
    peer_port INTEGER,
    role INTEGER,
    port_choice INTEGER,
    phase INTEGER NOT NULL,
    outcome INTEGER,
    opened_earliest_us INTEGER,
    opened_latest_us INTEGER NOT NULL,
    opened_provenance INTEGER NOT NULL,
    closed_earliest_us INTEGER,
    closed_latest_us INTEGER,
    closed_provenance INTEGER,
    freed_earliest_us INTEGER,
    freed_latest_us INTEGER,
    freed_provenance INTEGER,
    uid INTEGER,
    opener INTEGER,
    opener_provenance INTEGER NOT NULL,
    last_holder INTEGER,
    last_holder_provenance INTEGER NOT NULL,
    holders_omitted INTEGER NOT NULL,
    bytes_sent INTEGER,
    bytes_received INTEGER
) STRICT;
CREATE INDEX lease_by_time ON lease(opened_latest_us);
CREATE INDEX lease_by_port ON lease(local_port, opened_latest_us);
CREATE INDEX lease_open ON lease(opened_latest_us) WHERE freed_provenance IS NULL;
CREATE INDEX lease_open_by_port ON lease(local_port, opened_latest_us)
    WHERE freed_provenance IS NULL;
CREATE INDEX lease_freed ON lease(local_port, freed_latest_us) WHERE freed_provenance IS NOT NULL;

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
    since_us INTEGER,
    until_us INTEGER,
    cause INTEGER NOT NULL REFERENCES text,
    lost_events INTEGER,
    CHECK(until_us >= since_us),
    UNIQUE(since_us, cause)
) STRICT;
)sql";

// A listener that is open and a connection that was freed, both nginx's.
constexpr const char *rows_of_version_1 = R"sql(
INSERT INTO boot VALUES(1, '0B5E1C7A-3f6d-4a52-9c1e-5d2f8a7b6c01', 1700000000000000);
INSERT INTO text VALUES(1, 'nginx'), (2, '/usr/sbin/nginx'), (3, 'notRunning');
INSERT INTO process VALUES(1, 1, 812, 1700000000000100, 2, 1, NULL, 0, 0, NULL, NULL, NULL, NULL);
INSERT INTO lease VALUES(1, 1, 4026531840, 0, 77, 1700000000000500, 0, x'00000000', 8080, NULL,
    NULL, 1, 1, 1, NULL, 1700000000000400, 1700000000000500, 1, NULL, NULL, NULL, NULL, NULL, NULL,
    0, 0, 1, 0, 1, 0, NULL, NULL);
INSERT INTO lease VALUES(2, 1, 4026531840, 0, 78, 1700000000000600, 0, x'7f000001', 40000,
    x'7f000001', 443, 0, 0, 6, 0, 1700000000000600, 1700000000000600, 0, 1700000000000700,
    1700000000000700, 0, 1700000000000700, 1700000000000700, 0, 0, 0, 1, 0, 1, 0, 5, 6);
INSERT INTO lease_holder VALUES(1, 0, 1, 1700000000000500, 1700000000000500, 1),
    (2, 0, 1, 1700000000000600, 1700000000000600, 1);
INSERT INTO coverage VALUES(1, 1, 1, 1700000000000300, 1700000000000900);
INSERT INTO gap VALUES(1, NULL, 1700000000000300, 3, NULL);
CREATE VIEW history AS SELECT serial FROM lease;
)sql";

void make_version_1(const std::filesystem::path &file) {
    Database database(file, Database::Access::write);
    database.execute("PRAGMA journal_mode = WAL");
    database.execute(version_1);
    database.execute(rows_of_version_1);
    database.execute("PRAGMA application_id = " + std::to_string(application_id));
    database.execute("PRAGMA user_version = 1");
}

// The tables and indexes, without the comments in them and without spaces.
std::string schema_of(const std::filesystem::path &file) {
    Database database(file, Database::Access::read);
    static const std::regex comment("--[^\n]*");
    static const std::regex space("\\s+");
    const std::string sql = database.text(
        "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema WHERE sql NOT NULL "
        "AND type <> 'view' ORDER BY type, name)");
    return std::regex_replace(std::regex_replace(sql, comment, ""), space, "");
}

TEST(Upgrade, KeepsWhatWasStored) {
    TemporaryDirectory directory;
    make_version_1(directory / "portd.db");
    Writer writer(directory.path(), first_boot);
    EXPECT_FALSE(writer.set_aside());
    EXPECT_EQ(writer.stored_leases(), 2);
    EXPECT_EQ(writer.next_serial(), 3);
    ASSERT_EQ(writer.open_leases().size(), 1u);
    EXPECT_EQ(writer.open_leases()[0].holders[0].process->command, "nginx");

    Reader reader(directory.path());
    const auto leases = all_pages(reader, {});
    ASSERT_EQ(cookies(leases), (std::vector<std::string>{"77", "78"}));
    EXPECT_EQ(leases[1].opener.executable, "/usr/sbin/nginx");
    EXPECT_EQ(leases[1].network_namespace_name, std::nullopt);
    model::LeaseQuery freed_port;
    freed_port.port = 40000;
    EXPECT_EQ(reader.last_freed(freed_port)->cookie, "78");
    EXPECT_EQ(reader.newest_gaps(9).size(), 1u);
}

TEST(Upgrade, TakesWhatIsNew) {
    TemporaryDirectory directory;
    make_version_1(directory / "portd.db");
    Writer writer(directory.path(), first_boot);
    model::BindFailure failure;
    failure.socket = {99, 4'026'531'840, model::SocketKey::Kind::cookie};
    failure.local = {{Family::ipv4, {127, 0, 0, 1}}, 8080};
    failure.at = at_us(800);
    const NamespaceName name{4'026'531'840, "blue", {}};
    model::Lease listener = writer.open_leases()[0];
    writer.commit({.leases = {},
                   .watched = {},
                   .gaps = {},
                   .bind_failures = {&failure, 1},
                   .namespaces = {&name, 1}});
    commit(writer, {freed(listener, 1000)});

    Reader reader(directory.path());
    const auto failures = reader.bind_failures({}, std::nullopt, 9).failures;
    ASSERT_EQ(failures.size(), 1u);
    EXPECT_EQ(failures[0].error, "EADDRINUSE");
    ASSERT_EQ(failures[0].in_the_way.size(), 1u);
    EXPECT_EQ(failures[0].in_the_way[0].cookie, "77");
    EXPECT_EQ(failures[0].in_the_way[0].network_namespace_name, "blue");
}

TEST(Upgrade, GivesTheSameTablesAsANewFile) {
    TemporaryDirectory old;
    TemporaryDirectory fresh;
    make_version_1(old / "portd.db");
    Writer(old.path(), first_boot).close_cleanly();
    Writer(fresh.path(), first_boot).close_cleanly();
    EXPECT_EQ(schema_of(old / "portd.db"), schema_of(fresh / "portd.db"));
    Database database(old / "portd.db", Database::Access::read);
    EXPECT_EQ(database.integer("PRAGMA user_version"), schema_version);
    EXPECT_EQ(database.text("PRAGMA integrity_check"), "ok");
}

} // namespace
} // namespace portd::store::test
