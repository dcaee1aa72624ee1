#include "store/database.hpp"
#include "store/fault.hpp"
#include "unit/store/lease_generator.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace portd::store::test {
namespace {

using testing::ElementsAre;

constexpr std::uint32_t here = 4'026'531'840; // the namespace of make_lease()

model::BindFailure make_failure(std::uint64_t cookie, std::uint16_t port, std::int64_t us) {
    model::BindFailure failure;
    failure.socket = {cookie, here, model::SocketKey::Kind::cookie};
    failure.local = {{Family::ipv4, {127, 0, 0, 1}}, port};
    failure.uid = 0;
    failure.process = make_process(99, "python3");
    failure.at = at_us(us);
    return failure;
}

void fail(Writer &writer, const std::vector<model::BindFailure> &failures) {
    writer.commit({.leases = {}, .watched = {}, .gaps = {}, .bind_failures = failures});
}

std::vector<proto::BindFailure>
all_failures(model::History &history, const model::LeaseQuery &query, std::size_t limit = 100) {
    std::vector<proto::BindFailure> all;
    std::optional<model::BindFailureCursor> after;
    do {
        model::BindFailurePage page = history.bind_failures(query, after, limit);
        EXPECT_LE(page.failures.size(), limit);
        all.insert(all.end(), page.failures.begin(), page.failures.end());
        after = page.next;
    } while (after);
    return all;
}

std::vector<std::int64_t> instants_of(const std::vector<proto::BindFailure> &failures) {
    std::vector<std::int64_t> found;
    for (const proto::BindFailure &failure : failures)
        found.push_back(failure.at_usec - first_boot.wall_offset_us);
    return found;
}

RC_GTEST_PROP(BindFailure, ComesBackAsItWasStored, ()) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::BindFailure failure;
    failure.socket = {*number<std::uint64_t>(), *number<std::uint32_t>(),
                      *word(model::SocketKey::Kind::tuple)};
    failure.protocol = *word(Protocol::udp);
    failure.local = *endpoints();
    failure.at = *instants();
    if (*number<bool>())
        failure.process = *processes();
    fail(writer, {failure});

    Reader reader(directory.path());
    const auto found = all_failures(reader, {});
    RC_ASSERT(found.size() == 1u);
    const proto::BindFailure &wire = found[0];
    RC_ASSERT(wire.boot_id == first_boot.boot_id);
    RC_ASSERT(wire.at_usec == to_us(failure.at) + first_boot.wall_offset_us);
    RC_ASSERT(wire.protocol == failure.protocol);
    RC_ASSERT(wire.family == failure.local.address.family);
    RC_ASSERT(wire.local_address == failure.local.address.to_string());
    RC_ASSERT(wire.local_port == failure.local.port);
    RC_ASSERT(wire.network_namespace == failure.socket.network_namespace);
    RC_ASSERT(!wire.uid && !wire.error && wire.in_the_way.empty() && !wire.incomplete);
    RC_ASSERT((wire.process.provenance == Provenance::unknown) == !failure.process);
    if (failure.process) {
        RC_ASSERT(wire.process.pid == failure.process->key.pid);
        RC_ASSERT(wire.process.executable == failure.process->executable);
        RC_ASSERT(wire.process.unit == failure.process->unit);
        RC_ASSERT(wire.process.ancestors.size() == failure.process->ancestors.size());
    }
}

TEST(BindFailure, IsStoredOnce) {
    TemporaryDirectory directory;
    const std::vector<model::BindFailure> failures{make_failure(1, 8080, 10),
                                                   make_failure(1, 8080, 20)};
    for (int run = 0; run < 2; ++run) {
        Writer writer(directory.path(), first_boot);
        fail(writer, failures);
        fail(writer, failures);
    }
    Writer other_boot(directory.path(), second_boot);
    fail(other_boot, {failures[0]});
    Reader reader(directory.path());
    EXPECT_EQ(all_failures(reader, {}).size(), 3u);
}

TEST(BindFailure, PagesInTheOrderOfTimeByEveryFilter) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    std::vector<model::BindFailure> failures;
    for (std::int64_t i = 0; i < 40; ++i) {
        // Pairs at one instant, stored out of order.
        failures.push_back(make_failure(static_cast<std::uint64_t>(i + 1),
                                        i % 4 == 0 ? std::uint16_t{9000} : std::uint16_t{8080},
                                        (39 - i) / 2));
        failures.back().protocol = i % 5 == 0 ? Protocol::udp : Protocol::tcp;
        failures.back().uid = i % 2 == 0 ? 1000u : 2000u;
        failures.back().process = make_process(i % 8 == 0 ? 7 : 99);
    }
    fail(writer, failures);
    Reader reader(directory.path());

    const auto expect = [&](model::LeaseQuery query, auto admits) {
        std::vector<std::int64_t> expected;
        for (const auto &failure : failures)
            if (admits(failure))
                expected.push_back(to_us(failure.at));
        std::ranges::sort(expected);
        ASSERT_FALSE(expected.empty());
        for (const bool newest_first : {false, true})
            for (const std::size_t limit : {1u, 3u, 100u}) {
                query.newest_first = newest_first;
                auto found = instants_of(all_failures(reader, query, limit));
                if (newest_first)
                    std::ranges::reverse(found);
                EXPECT_EQ(found, expected) << newest_first << " " << limit;
            }
    };
    expect({}, [](const auto &) { return true; });
    model::LeaseQuery query;
    query.port = 9000;
    expect(query, [](const auto &failure) { return failure.local.port == 9000; });
    query.protocol = Protocol::udp;
    expect(query, [](const auto &failure) {
        return failure.local.port == 9000 && failure.protocol == Protocol::udp;
    });
    query = {};
    query.pid = 7;
    expect(query, [](const auto &failure) { return failure.process->key.pid == 7; });
    query = {};
    query.visible_to_uid = 2000;
    expect(query, [](const auto &failure) { return failure.uid == 2000u; });
    for (const std::optional<std::uint16_t> port :
         {std::optional<std::uint16_t>(), std::optional<std::uint16_t>(8080)}) {
        query = {};
        query.port = port;
        query.since_us = first_boot.wall_offset_us + 5;
        query.until_us = first_boot.wall_offset_us + 12;
        expect(query, [&](const auto &failure) {
            const auto us = to_us(failure.at);
            return us >= 5 && us <= 12 && (!port || failure.local.port == *port);
        });
    }
    query = {};
    query.open_only = true;
    EXPECT_TRUE(all_failures(reader, query).empty());
    query = {};
    query.since_us = first_boot.wall_offset_us + 100;
    EXPECT_TRUE(all_failures(reader, query).empty());
    query.newest_first = true;
    EXPECT_TRUE(all_failures(reader, query).empty());
}

TEST(BindFailure, NamesTheUser) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    fail(writer, {make_failure(1, 8080, 10)});
    Reader reader(directory.path());
    EXPECT_EQ(all_failures(reader, {})[0].user, "root");
    EXPECT_EQ(all_failures(reader, {})[0].process.user, "root");
}

// ---- What was in the way

// One attempt at 127.0.0.1:8080 at 1000 us, and the leases that there were.
class InTheWayTest : public testing::Test {
  protected:
    model::Lease listener(std::uint16_t port = 8080, std::int64_t opened_us = 100) {
        model::Lease lease = make_lease(++serial_, port, opened_us);
        lease.id.socket.value = 1'000'000u + static_cast<std::uint64_t>(serial_);
        lease.role = Role::listener;
        lease.phase = Phase::listening;
        auto nginx = std::make_shared<model::Process>(*make_process(812, "nginx"));
        nginx->key.started_at = at_us(50); // before the attempt
        add_holder(lease, nginx);
        return lease;
    }

    proto::BindFailure result() {
        TemporaryDirectory directory;
        Writer writer(directory.path(), first_boot);
        writer.commit(
            {.leases = leases_, .watched = {}, .gaps = {}, .bind_failures = {&attempt_, 1}});
        Reader reader(directory.path());
        return all_failures(reader, {}).at(0);
    }

    void expect_in_use(const char *what) {
        const proto::BindFailure failure = result();
        EXPECT_EQ(failure.in_the_way.size(), 1u) << what;
        EXPECT_EQ(failure.error, "EADDRINUSE") << what;
        EXPECT_EQ(failure.error_provenance, Provenance::inferred) << what;
    }
    void expect_unknown(const char *what) {
        const proto::BindFailure failure = result();
        EXPECT_TRUE(failure.in_the_way.empty()) << what;
        EXPECT_EQ(failure.error, std::nullopt) << what;
        EXPECT_EQ(failure.error_provenance, Provenance::unknown) << what;
    }

    std::int64_t serial_ = 0;
    std::vector<model::Lease> leases_;
    model::BindFailure attempt_ = make_failure(1, 8080, 1000);
};

TEST_F(InTheWayTest, IsTheListenerOfThePort) {
    leases_ = {listener()};
    const proto::BindFailure failure = result();
    EXPECT_EQ(failure.error, "EADDRINUSE");
    EXPECT_EQ(failure.error_provenance, Provenance::inferred);
    ASSERT_EQ(failure.in_the_way.size(), 1u);
    EXPECT_EQ(failure.in_the_way[0].opener.command, "nginx");
    EXPECT_EQ(failure.in_the_way[0].role, Role::listener);
}

TEST_F(InTheWayTest, IsNobodyOfAnotherPortProtocolNamespaceOrBoot) {
    leases_ = {listener(8081)};
    expect_unknown("port");
    leases_ = {listener()};
    leases_[0].protocol = Protocol::udp;
    expect_unknown("protocol");
    leases_ = {listener()};
    leases_[0].id.socket.network_namespace = here + 1;
    expect_unknown("namespace");

    TemporaryDirectory directory;
    {
        Writer writer(directory.path(), first_boot);
        commit(writer, {listener()});
    }
    Writer writer(directory.path(), second_boot);
    fail(writer, {attempt_});
    Reader reader(directory.path());
    EXPECT_EQ(all_failures(reader, {}).at(0).error, std::nullopt);
}

TEST_F(InTheWayTest, HadThePortAtThatVeryInstant) {
    const auto with = [&](model::When opened, std::optional<model::When> freed) {
        leases_ = {listener()};
        leases_[0].opened = opened;
        leases_[0].freed = freed;
    };
    using model::When;
    const auto exactly = [](std::int64_t us) { return When::observed(at_us(us)); };
    const auto between = [](std::int64_t a, std::int64_t b) {
        return When::sampled(at_us(a), at_us(b));
    };
    with(exactly(1000), std::nullopt);
    expect_in_use("opened at the instant");
    with(exactly(1001), std::nullopt);
    expect_unknown("opened after it");
    with(exactly(100), exactly(1000));
    expect_in_use("freed at the instant");
    with(exactly(100), exactly(999));
    expect_unknown("freed before it");
    with(between(900, 1100), std::nullopt);
    expect_unknown("perhaps opened after it");
    with(between(900, 1000), between(1000, 1100));
    expect_in_use("surely open");
    with(exactly(100), between(900, 1100));
    expect_unknown("perhaps freed before it");
    with({std::nullopt, at_us(500), Provenance::sampled}, std::nullopt);
    expect_in_use("opened who knows when, but before it");
}

TEST_F(InTheWayTest, LingeringPortsAreInTheWay) {
    leases_ = {listener()};
    leases_[0].role = Role::accepted;
    leases_[0].phase = Phase::lingering;
    leases_[0].closed = model::When::observed(at_us(500));
    expect_in_use("TIME_WAIT");
}

TEST_F(InTheWayTest, AddressesConflictAsSocketsDo) {
    using Bytes = std::array<std::uint8_t, 16>;
    const model::Address local{Family::ipv4, {127, 0, 0, 1}};
    const model::Address other{Family::ipv4, {10, 0, 0, 5}};
    const model::Address any{Family::ipv4, {}};
    const model::Address local6{Family::ipv6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    const model::Address other6{Family::ipv6, {0xfd, 1}};
    const model::Address any6{Family::ipv6, {}};
    const Bytes mapped_bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    const model::Address mapped{Family::ipv6, mapped_bytes};
    const Bytes mapped_any_bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
    const model::Address mapped_any{Family::ipv6, mapped_any_bytes};
    const struct {
        const model::Address &one, &two;
        bool conflict;
    } cases[] = {
        {local, local, true},    {local, other, false},     {local, any, true},
        {any, any, true},        {local, local6, false},    {local, any6, true},
        {any, any6, true},       {any, local6, false},      {local6, local6, true},
        {local6, other6, false}, {local6, any6, true},      {mapped, local, true},
        {mapped, other, false},  {mapped, any, true},       {mapped, any6, true},
        {mapped, local6, false}, {mapped_any, local, true}, {mapped_any, local6, false},
    };
    for (const auto &test : cases)
        for (const bool exchanged : {false, true}) {
            leases_ = {listener()};
            leases_[0].local.address = exchanged ? test.two : test.one;
            attempt_.local.address = exchanged ? test.one : test.two;
            EXPECT_EQ(result().error.has_value(), test.conflict)
                << test.one.to_string() << " " << test.two.to_string();
        }
}

TEST_F(InTheWayTest, ListenersComeBeforeTheConnectionsTheyAccepted) {
    leases_ = {listener(8080, 100)};
    const auto listening = leases_[0].id.socket.value;
    for (std::int64_t i = 0; i < 3000; ++i) {
        model::Lease accepted = listener(8080, 200 + i / 10);
        accepted.role = Role::accepted;
        accepted.phase = Phase::connected;
        leases_.push_back(accepted);
    }
    const proto::BindFailure failure = result();
    EXPECT_EQ(failure.error, "EADDRINUSE");
    ASSERT_EQ(failure.in_the_way.size(), 16u);
    EXPECT_EQ(failure.in_the_way[0].cookie, std::to_string(listening));
    EXPECT_EQ(failure.in_the_way[1].role, Role::accepted);
}

TEST_F(InTheWayTest, TheLikeliestComesFirst) {
    model::Lease lingering = listener(8080, 100);
    lingering.role = Role::client;
    lingering.closed = model::When::observed(at_us(300));
    model::Lease connected = listener(8080, 110);
    connected.role = Role::client;
    model::Lease other_family = listener(8080, 120);
    other_family.local.address = {Family::ipv6, {}};
    model::Lease same_family = listener(8080, 130);
    leases_ = {lingering, connected, other_family, same_family};
    std::vector<std::string> found;
    for (const proto::Lease &lease : result().in_the_way)
        found.push_back(*lease.cookie);
    EXPECT_THAT(found, ElementsAre("1000004", "1000003", "1000002", "1000001"));
}

// bind(2) of a socket that has a port is refused whoever has the other port.
TEST_F(InTheWayTest, TheSocketIsNotInItsOwnWay) {
    leases_ = {listener()};
    leases_[0].id.socket = attempt_.socket;
    expect_unknown("the socket alone");
    leases_.push_back(listener());
    EXPECT_EQ(result().error, std::nullopt);
}

TEST_F(InTheWayTest, PrivilegedPortsAreRefusedToOthersThanRoot) {
    attempt_.local.port = 80;
    attempt_.uid = 1000;
    EXPECT_EQ(result().error, "EACCES");
    EXPECT_EQ(result().error_provenance, Provenance::inferred);
    leases_ = {freed(listener(80), 900)};
    EXPECT_EQ(result().error, "EACCES") << "freed before the attempt";

    attempt_.local.port = 1023;
    EXPECT_EQ(result().error, "EACCES");
    attempt_.local.port = 1024;
    expect_unknown("not privileged");
    attempt_.local.port = 80;
    attempt_.uid = 0;
    expect_unknown("root");
    attempt_.uid.reset();
    expect_unknown("unknown owner");
}

// The kernel asks for the privilege first: that the port was taken too does not tell the reason.
TEST_F(InTheWayTest, APrivilegedPortInUseLeavesTheReasonOpen) {
    attempt_.local.port = 80;
    leases_ = {listener(80)};
    expect_in_use("root");
    for (const std::optional<std::uint32_t> uid :
         {std::optional<std::uint32_t>(1000), std::optional<std::uint32_t>()}) {
        attempt_.uid = uid;
        EXPECT_EQ(result().error, std::nullopt);
        EXPECT_EQ(result().error_provenance, Provenance::unknown);
        EXPECT_EQ(result().in_the_way.size(), 1u);
    }
}

TEST_F(InTheWayTest, ALeaseThatPerhapsWasInTheWayLeavesTheReasonOpen) {
    attempt_.local.port = 80;
    attempt_.uid = 1000;
    leases_ = {listener(80)};
    leases_[0].opened = {std::nullopt, at_us(2000), Provenance::sampled};
    expect_unknown("opened before or after");
}

TEST(BindFailureRows, ThatNoPortdWroteAreDamage) {
    for (const std::string column : {"protocol = 9", "local_port = -1", "local_address = x'00'",
                                     "key_kind = 7", "process = 77", "boot = 99", "uid = -1"}) {
        TemporaryDirectory directory;
        Writer writer(directory.path(), first_boot);
        fail(writer, {make_failure(1, 8080, 10)});
        {
            Database database(directory / "current-000001.db", Database::Access::write);
            database.execute("UPDATE bind_failure SET " + column);
        }
        Reader reader(directory.path());
        EXPECT_TRUE(all_failures(reader, {}).empty()) << column;
        EXPECT_FALSE(reader.coverage(std::nullopt, 100).complete) << column;
    }
}

// ---- Names of network namespaces

void name(Writer &writer, const std::vector<NamespaceName> &names) {
    writer.commit({.leases = {}, .watched = {}, .gaps = {}, .namespaces = names});
}

std::vector<std::string> names_of(const std::filesystem::path &directory) {
    Reader reader(directory);
    std::vector<std::string> names;
    for (const proto::Lease &lease : all_pages(reader, {}))
        names.push_back(lease.network_namespace_name.value_or("-"));
    return names;
}

TEST(NamespaceNames, HoldForAllOfTheBootUnlessTheySaySinceWhen) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    commit(writer, {make_lease(1, 40000, 10), make_lease(2, 40000, 20), make_lease(3, 40000, 30)});
    EXPECT_THAT(names_of(directory.path()), ElementsAre("-", "-", "-"));
    name(writer, {{here + 1, "other", {}}});
    EXPECT_THAT(names_of(directory.path()), ElementsAre("-", "-", "-"));
    name(writer, {{here, "blue", {}}});
    name(writer, {{here, "blue", {}}});
    EXPECT_THAT(names_of(directory.path()), ElementsAre("blue", "blue", "blue"));
    name(writer, {{here, "", at_us(15)}, {here, "red", at_us(25)}});
    EXPECT_THAT(names_of(directory.path()), ElementsAre("blue", "-", "red"));
    name(writer, {{here, "red", at_us(40)}});
    fail(writer, {make_failure(1, 8080, 12), make_failure(1, 8080, 28)});
    Reader reader(directory.path());
    EXPECT_EQ(all_failures(reader, {})[0].network_namespace_name, "blue");
    EXPECT_EQ(all_failures(reader, {})[1].network_namespace_name, "red");
    Database database(directory / "current-000001.db", Database::Access::read);
    EXPECT_EQ(database.integer("SELECT count(*) FROM network_namespace"), 4)
        << "a name that is in force is not stored again";
}

TEST(NamespaceNames, AreOfOneBoot) {
    TemporaryDirectory directory;
    {
        Writer writer(directory.path(), first_boot);
        name(writer, {{here, "blue", {}}});
        commit(writer, {make_lease(1, 40000, 10)});
    }
    Writer writer(directory.path(), second_boot);
    commit(writer, {make_lease(2, 40000, 10)});
    EXPECT_THAT(names_of(directory.path()), ElementsAre("blue", "-"));
}

} // namespace
} // namespace portd::store::test
