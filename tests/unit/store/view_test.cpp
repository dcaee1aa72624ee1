// The views `history` and `failed_bind`, as an operator reads them with plain sqlite3.
#include "store/database.hpp"
#include "unit/store/store_fixture.hpp"

#include <gtest/gtest.h>

namespace portd::store::test {
namespace {

struct Expected {
    std::string column;
    std::string value; // "" for NULL
};

void expect_row(Database &database, std::int64_t serial, const std::vector<Expected> &expected) {
    for (const Expected &one : expected)
        EXPECT_EQ(database.text("SELECT ifnull(" + one.column +
                                ", '') FROM history WHERE serial = " + std::to_string(serial)),
                  one.value)
            << one.column;
}

TEST(HistoryView, SpellsEverythingOut) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::Lease lease = make_lease(1, 60609, 1'500'000);
    lease.local.address.bytes = {192, 0, 2, 255};
    lease.peer = {{Family::ipv4, {10, 171, 9, 0}}, 443};
    lease.role = Role::client;
    lease.port_choice = PortChoice::automatic;
    lease.port_chosen_by = PortChosenBy::bind;
    lease.phase = Phase::lingering;
    lease.outcome = Outcome::timed_out;
    lease.closed = model::When::sampled(at_us(2'000'000), at_us(3'000'001));
    lease.uid = 1000;
    lease.bytes_sent = 12;
    auto process = std::make_shared<model::Process>(*make_process(812));
    process->unit = "ssh.service";
    process->slice = "system.slice";
    add_holder(lease, process);
    model::Lease v6 = make_lease(2, 40000, 5);
    v6.local.address = {Family::ipv6, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    v6.protocol = Protocol::udp;
    v6.id.socket.value = ~0ull;
    commit(writer, {lease, v6});

    Database database(directory / "current-000001.db", Database::Access::read);
    expect_row(database, 1,
               {{"protocol", "tcp"},
                {"local_address", "192.0.2.255"},
                {"local_port", "60609"},
                {"peer_address", "10.171.9.0"},
                {"peer_port", "443"},
                {"role", "client"},
                {"port_choice", "automatic"},
                {"port_chosen_by", "bind"},
                {"phase", "lingering"},
                {"outcome", "timedOut"},
                {"opened_earliest", "2023-11-14T22:13:21.500000Z"},
                {"opened_latest", "2023-11-14T22:13:21.500000Z"},
                {"opened_provenance", "observed"},
                {"closed_earliest", "2023-11-14T22:13:22.000000Z"},
                {"closed_latest", "2023-11-14T22:13:23.000001Z"},
                {"closed_provenance", "sampled"},
                {"freed_latest", ""},
                {"freed_provenance", ""},
                {"uid", "1000"},
                {"opener_pid", "812"},
                {"opener_command", "curl"},
                {"opener_executable", "/usr/bin/curl"},
                {"opener_unit", "ssh.service"},
                {"opener_slice", "system.slice"},
                {"opener_container", ""},
                {"last_holder_pid", "812"},
                {"last_holder_provenance", "sampled"},
                {"bytes_sent", "12"},
                {"bytes_received", ""},
                {"cookie", "1"},
                {"boot", first_boot.boot_id}});
    expect_row(database, 2,
               {{"protocol", "udp"},
                {"local_address", "2001:0db8:0000:0000:0000:0000:0000:0001"},
                {"peer_address", ""},
                {"peer_port", ""},
                {"opener_pid", ""},
                {"opener_provenance", "unknown"},
                {"cookie", "18446744073709551615"}});
}

TEST(HistoryView, NamesTheNamespace) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const model::Lease lease = make_lease(1, 40000, 5);
    model::Lease elsewhere = make_lease(2, 40000, 5);
    elsewhere.id.socket.network_namespace = 7;
    const NamespaceName name{lease.id.socket.network_namespace, "blue", {}};
    const std::vector leases{lease, elsewhere};
    writer.commit({.leases = leases, .watched = {}, .gaps = {}, .namespaces = {&name, 1}});
    Database database(directory / "current-000001.db", Database::Access::read);
    expect_row(database, 1,
               {{"network_namespace", "4026531840"}, {"network_namespace_name", "blue"}});
    expect_row(database, 2, {{"network_namespace", "7"}, {"network_namespace_name", ""}});
}

TEST(FailedBindView, SpellsEverythingOut) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::BindFailure failure;
    failure.socket = {77, 7, model::SocketKey::Kind::cookie};
    failure.protocol = Protocol::udp;
    failure.local = {{Family::ipv4, {192, 0, 2, 1}}, 60609};
    failure.uid = 1000;
    auto process = std::make_shared<model::Process>(*make_process(812));
    process->unit = "web.service";
    process->slice = "web.slice";
    failure.process = process;
    failure.at = at_us(1'500'000);
    model::BindFailure nobodys = failure;
    nobodys.at = at_us(1'600'000);
    nobodys.process.reset();
    const NamespaceName name{7, "blue", {}};
    writer.commit({.leases = {},
                   .watched = {},
                   .gaps = {},
                   .bind_failures = std::vector{failure, nobodys},
                   .namespaces = {&name, 1}});
    Database database(directory / "current-000001.db", Database::Access::read);
    const std::vector<Expected> expected{{"at", "2023-11-14T22:13:21.500000Z"},
                                         {"protocol", "udp"},
                                         {"local_address", "192.0.2.1"},
                                         {"local_port", "60609"},
                                         {"network_namespace", "7"},
                                         {"network_namespace_name", "blue"},
                                         {"uid", "1000"},
                                         {"pid", "812"},
                                         {"command", "curl"},
                                         {"executable", "/usr/bin/curl"},
                                         {"arguments", ""},
                                         {"unit", "web.service"},
                                         {"slice", "web.slice"},
                                         {"container", ""},
                                         {"cookie", "77"},
                                         {"boot", first_boot.boot_id}};
    for (const Expected &one : expected)
        EXPECT_EQ(database.text("SELECT ifnull(" + one.column + ", '') FROM failed_bind LIMIT 1"),
                  one.value)
            << one.column;
    EXPECT_EQ(database.integer("SELECT count(*) FROM failed_bind"), 2);
    EXPECT_EQ(database.integer("SELECT count(*) FROM failed_bind WHERE pid IS NULL"), 1);
}

TEST(HistoryView, HasOneRowALeaseAfterReopening) {
    TemporaryDirectory directory;
    for (std::int64_t run = 0; run < 2; ++run) {
        Writer writer(directory.path(), first_boot);
        model::Lease lease = make_lease(run + 1, 40000, 5);
        add_holder(lease, make_process(1));
        add_holder(lease, make_process(2));
        commit(writer, {lease});
        writer.close_cleanly();
    }
    Database database(directory / "current-000001.db", Database::Access::read);
    EXPECT_EQ(database.integer("SELECT count(*) FROM history"), 2);
}

} // namespace
} // namespace portd::store::test
