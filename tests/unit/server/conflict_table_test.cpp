#include "server/conflict_table.hpp"

#include "fake_backend.hpp"

#include <gtest/gtest.h>

namespace portd::server {
namespace {

const model::NamespacePorts range_of_ten{.local_range = {50000, 50009},
                                         .reserved = {{50009, 50009}}};

proto::Lease service(std::int64_t port, std::optional<PortChoice> choice,
                     Role role = Role::listener) {
    proto::Lease lease = open_lease("s", port, 1000, 5);
    lease.protocol = role == Role::datagram ? Protocol::udp : Protocol::tcp;
    lease.role = role;
    lease.port_choice = choice;
    lease.peer_address.reset();
    lease.peer_port.reset();
    return lease;
}

std::string ports_of(const ConflictTable &table) {
    std::string text;
    for (const auto &[port, protocol] : table.ports())
        text += std::to_string(port) + (protocol == Protocol::udp ? "u " : " ");
    return text;
}

TEST(ConflictTable, HasServicesOfTheirOwnChoiceInsideOfTheRange) {
    ConflictTable table(range_of_ten, 7);
    table.add_open(service(50001, PortChoice::explicit_));
    table.add_open(service(50002, PortChoice::explicit_, Role::datagram));
    table.add_open(service(50003, PortChoice::automatic));
    table.add_open(service(50004, std::nullopt));
    table.add_open(service(50009, PortChoice::explicit_)); // reserved
    table.add_open(service(50010, PortChoice::explicit_)); // outside
    table.add_open(service(50005, PortChoice::explicit_, Role::client));
    proto::Lease connected = service(50006, PortChoice::explicit_, Role::datagram);
    connected.peer_address = "192.0.2.2";
    table.add_open(connected);
    proto::Lease elsewhere = service(50007, PortChoice::explicit_);
    elsewhere.network_namespace = 8;
    table.add_open(elsewhere);
    EXPECT_EQ(ports_of(table), "50001 50002u ");
    EXPECT_EQ(table.reserved(), 1);
    EXPECT_EQ(table.choice_unknown(), 1);
    table.add_open(service(50004, PortChoice::explicit_));
    EXPECT_EQ(table.choice_unknown(), 0);
}

TEST(ConflictTable, CountsWhatTheKernelChose) {
    ConflictTable table(range_of_ten, 7);
    table.add_open(service(50001, PortChoice::explicit_));
    table.add_open(service(50002, PortChoice::explicit_));
    for (int i = 0; i < 3; ++i)
        table.add_past(freed_lease("a", 50002, 1000, 10 + i, 20));
    proto::Lease accepted = freed_lease("b", 50002, 1000, 50, 60);
    accepted.role = Role::accepted;
    table.add_past(accepted);
    table.add_past(service(50002, PortChoice::explicit_));
    const auto conflicts = table.conflicts();
    ASSERT_EQ(conflicts.size(), 2U);
    EXPECT_EQ(conflicts[0].port, 50002);
    EXPECT_EQ(conflicts[0].automatic_leases, 3);
    EXPECT_EQ(conflicts[0].last_automatic_usec, 12);
    EXPECT_EQ(conflicts[0].programs.at(0).leases, 3);
    EXPECT_EQ(conflicts[1].automatic_leases, 0);
    EXPECT_EQ(conflicts[1].last_automatic_usec, std::nullopt);
}

TEST(ConflictTable, HasServicesThatCouldNotStart) {
    ConflictTable table(range_of_ten, 7);
    proto::BindFailure taken = bind_failure(50001, 1000, 5);
    taken.in_the_way = {open_lease("a", 50001, 1000, 1)};
    proto::BindFailure twice = bind_failure(50002, 1000, 5);
    twice.in_the_way = {service(50002, PortChoice::explicit_)};
    table.add(taken);
    table.add(twice);
    table.add(bind_failure(50003, 1000, 5));
    EXPECT_EQ(ports_of(table), "50001 ");
    EXPECT_EQ(table.conflicts()[0].refused_binds, 1);
    EXPECT_EQ(table.conflicts()[0].holder, std::nullopt);
}

} // namespace
} // namespace portd::server
