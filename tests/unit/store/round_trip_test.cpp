#include "unit/store/lease_generator.hpp"
#include "unit/store/store_fixture.hpp"

#include "store/wire_lease.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace portd::store::test {
namespace {

using testing::ElementsAre;

std::optional<std::string> no_name(std::uint32_t) {
    return std::nullopt;
}

// Lease's operator== compares processes by address; here they are compared by what they say.
void expect_equal(const model::Lease &stored, model::Lease expected) {
    RC_ASSERT(stored.holders.size() == expected.holders.size());
    for (std::size_t i = 0; i < expected.holders.size(); ++i) {
        RC_ASSERT(*stored.holders[i].process == *expected.holders[i].process);
        expected.holders[i].process = stored.holders[i].process;
    }
    RC_ASSERT(stored == expected);
}

std::vector<model::Lease> some_leases(std::int64_t first_serial,
                                      const std::vector<model::ProcessRef> &processes) {
    std::vector<model::Lease> made;
    const int count = *rc::gen::inRange(1, 8);
    for (int i = 0; i < count; ++i)
        made.push_back(*leases(first_serial + i, processes));
    return made;
}

std::vector<model::Lease> only_open(std::vector<model::Lease> leases) {
    std::erase_if(leases, [](const model::Lease &lease) { return !lease.is_open(); });
    return leases;
}

RC_GTEST_PROP(RoundTrip, OpenLeasesComeBackEqualAfterReopening, ()) {
    const auto processes =
        *rc::gen::container<std::vector<model::ProcessRef>>(4, test::processes());
    const std::vector<model::Lease> stored = some_leases(1, processes);
    TemporaryDirectory directory;
    {
        Writer writer(directory.path(), first_boot);
        commit(writer, stored);
    }
    Writer writer(directory.path(), first_boot);
    const std::vector<model::Lease> expected = only_open(stored);
    const std::vector<model::Lease> found = writer.open_leases();
    RC_ASSERT(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        expect_equal(found[i], expected[i]);
    RC_ASSERT(writer.stored_leases() == static_cast<std::int64_t>(stored.size()));
    RC_ASSERT(writer.next_serial() == stored.back().serial + 1);
}

RC_GTEST_PROP(RoundTrip, ReaderGivesEveryFieldAsTheWireHasIt, ()) {
    const auto processes =
        *rc::gen::container<std::vector<model::ProcessRef>>(4, test::processes());
    std::vector<model::Lease> stored = some_leases(1, processes);
    for (model::Lease &lease : stored)
        lease.uid.reset(); // names of users are for another test
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    commit(writer, stored);

    Reader reader(directory.path());
    const std::vector<proto::Lease> found = all_pages(reader, {}, 3);
    RC_ASSERT(found.size() == stored.size());
    const StoredBoot boot{first_boot.boot_id, first_boot.wall_offset_us};
    const WallTimes walls; // was not set: row time
    for (std::size_t i = 0; i < found.size(); ++i) {
        proto::Lease expected = to_wire(stored[i], {boot, walls}, no_name);
        // uids of processes do have names, where the machine knows them.
        const auto names_from = [](proto::Process &to, const proto::Process &from) {
            to.user = from.user;
        };
        names_from(expected.opener, found[i].opener);
        names_from(expected.last_holder, found[i].last_holder);
        for (std::size_t h = 0; h < expected.holders.size(); ++h)
            names_from(expected.holders[h], found[i].holders.at(h));
        RC_ASSERT(found[i] == expected);
    }
}

// Whatever was stored before, the last commit of a lease is what counts; with and without what the
// writer remembers of it.
RC_GTEST_PROP(RoundTrip, AnUpsertReplacesEverything, ()) {
    const auto processes =
        *rc::gen::container<std::vector<model::ProcessRef>>(4, test::processes());
    TemporaryDirectory directory;
    auto writer = std::make_unique<Writer>(directory.path(), first_boot);
    model::Lease last;
    const int versions = *rc::gen::inRange(2, 6);
    for (int i = 0; i < versions; ++i) {
        const model::Lease previous = last;
        last = *leases(7, processes);
        if (i > 0 && *number<bool>())
            last.local.port = previous.local.port;
        if (i > 0 && *number<bool>())
            last.opened.latest = previous.opened.latest;
        if (*number<bool>())
            last.freed.reset();
        commit(*writer, {last});
        if (*rc::gen::inRange(0, 4) == 0) {
            writer.reset();
            writer = std::make_unique<Writer>(directory.path(), first_boot);
        }
    }
    if (!last.is_open()) {
        last.freed.reset();
        commit(*writer, {last});
    }
    RC_ASSERT(writer->stored_leases() == 1);
    const std::vector<model::Lease> found = writer->open_leases();
    RC_ASSERT(found.size() == 1u);
    expect_equal(found.front(), last);
    // The indexes follow.
    Reader reader(directory.path());
    model::LeaseQuery query;
    query.port = last.local.port;
    RC_ASSERT(all_pages(reader, query).size() == 1u);
    query.open_only = true;
    RC_ASSERT(all_pages(reader, query).size() == 1u);
    RC_ASSERT(!reader.last_freed(query));
}

TEST(RoundTrip, EqualProcessesOfOpenLeasesAreOneObject) {
    TemporaryDirectory directory;
    {
        Writer writer(directory.path(), first_boot);
        std::vector<model::Lease> leases{make_lease(1, 40000, 10), make_lease(2, 40001, 20),
                                         make_lease(3, 40002, 30)};
        add_holder(leases[0], make_process(7));
        add_holder(leases[1], make_process(7)); // equal, but another object
        add_holder(leases[2], make_process(8));
        commit(writer, leases);
    }
    Writer writer(directory.path(), first_boot);
    const auto leases = writer.open_leases();
    ASSERT_EQ(leases.size(), 3u);
    EXPECT_EQ(leases[0].holders[0].process, leases[1].holders[0].process);
    EXPECT_NE(leases[0].holders[0].process, leases[2].holders[0].process);
}

TEST(RoundTrip, AnExecMakesAnotherImageOfTheSameProcess) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::Lease lease = make_lease(1, 40000, 10);
    add_holder(lease, make_process(7, "sh"));
    add_holder(lease, make_process(7, "nc"));
    commit(writer, {lease});
    const auto found = writer.open_leases();
    ASSERT_EQ(found.at(0).holders.size(), 2u);
    EXPECT_EQ(found[0].holders[0].process->command, "sh");
    EXPECT_EQ(found[0].holders[1].process->command, "nc");
}

TEST(RoundTrip, AnOpeningWithoutLatestBoundIsBoundedByTheFirstWordOfIt) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::Lease lease = make_lease(1, 40000, 500);
    lease.opened = model::When{};
    commit(writer, {lease});
    const auto found = writer.open_leases();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_FALSE(found[0].opened.earliest);
    EXPECT_EQ(found[0].opened.latest, at_us(500));
    EXPECT_EQ(found[0].opened.provenance, Provenance::unknown);
}

TEST(RoundTrip, AFailedCommitLeavesNothing) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::Lease good = make_lease(1, 40000, 10);
    add_holder(good, make_process(7));
    model::Lease bad = make_lease(0, 40001, 20); // no serial
    EXPECT_THROW(commit(writer, {good, bad}), std::invalid_argument);
    EXPECT_EQ(writer.stored_leases(), 0);
    EXPECT_EQ(writer.next_serial(), 1);
    EXPECT_TRUE(writer.open_leases().empty());
    // The process and its strings went with it, and must be made again.
    commit(writer, {good});
    EXPECT_EQ(writer.stored_leases(), 1);
    ASSERT_EQ(writer.open_leases().size(), 1u);
    EXPECT_EQ(*writer.open_leases()[0].holders.at(0).process, *good.holders[0].process);
}

TEST(WireLease, WhatIsNotKnownIsAbsent) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::Lease lease = make_lease(1, 40000, 5);
    lease.id.socket.kind = model::SocketKey::Kind::inode;
    lease.opened = model::When::sampled(std::nullopt, at_us(5));
    commit(writer, {lease});
    Reader reader(directory.path());
    const auto found = all_pages(reader, {});
    ASSERT_EQ(found.size(), 1u);
    proto::Lease expected;
    expected.id = "0b5e1c7a3f6d4a529c1e5d2f8a7b6c01-4026531840-i1-5";
    expected.boot_id = first_boot.boot_id;
    expected.local_address = "127.0.0.1";
    expected.local_port = 40000;
    expected.network_namespace = 4'026'531'840;
    expected.opened = {std::nullopt, std::nullopt, first_boot.wall_offset_us + 5,
                       Provenance::sampled, 5};
    EXPECT_EQ(found[0], expected);
}

TEST(WireLease, IdNamesTheSocketAndTheMoment) {
    struct Case {
        model::SocketKey key;
        std::int64_t first_us;
        std::string id;
    };
    const std::vector<Case> cases{
        {{0x1f, 4'026'531'840, model::SocketKey::Kind::cookie}, 255, "-4026531840-c1f-ff"},
        {{~0ull, 1, model::SocketKey::Kind::tuple}, 0, "-1-tffffffffffffffff-0"},
        {{0, 0, model::SocketKey::Kind::inode}, 16, "-0-i0-10"},
    };
    for (const Case &one : cases)
        EXPECT_EQ(wire_id({one.key, at_us(one.first_us)}, first_boot.boot_id),
                  "0b5e1c7a3f6d4a529c1e5d2f8a7b6c01" + one.id);
}

TEST(WireLease, UsersHaveNames) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    model::Lease named = make_lease(1, 40000, 5);
    named.uid = 0;
    add_holder(named, make_process(7));
    model::Lease nameless = make_lease(2, 40001, 6);
    nameless.uid = 4'294'000'000u;
    commit(writer, {named, nameless});
    Reader reader(directory.path());
    const auto found = all_pages(reader, {});
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].user, "root");
    EXPECT_EQ(found[0].opener.user, "root");
    EXPECT_EQ(found[1].uid, 4'294'000'000);
    EXPECT_EQ(found[1].user, std::nullopt);
}

// A socket of the kernel's own: it has a holder, which is no process.
TEST(RoundTrip, TheKernelIsAHolder) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    auto kernel = std::make_shared<model::Process>();
    kernel->command = "kernel";
    model::Lease lease = make_lease(1, 2049, 10);
    add_holder(lease, kernel);
    commit(writer, {lease});
    const auto restored = writer.open_leases();
    ASSERT_EQ(restored.size(), 1u);
    EXPECT_EQ(*restored[0].holders.at(0).process, *kernel);
    Reader reader(directory.path());
    const auto found = all_pages(reader, {});
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].opener.provenance, Provenance::observed);
    EXPECT_EQ(found[0].opener.pid, 0);
    EXPECT_EQ(found[0].opener.command, "kernel");
    EXPECT_EQ(found[0].opener.executable, std::nullopt);
    EXPECT_EQ(found[0].opener.user, std::nullopt);
}

TEST(WireLease, AnAttributionOfUnknownProvenanceNamesNobody) {
    model::Lease lease = make_lease(1, 40000, 5);
    add_holder(lease, make_process(7));
    lease.opener.provenance = Provenance::unknown;
    lease.last_holder = {std::nullopt, Provenance::unknown};
    const StoredBoot boot{first_boot.boot_id, first_boot.wall_offset_us};
    const WallTimes walls;
    const proto::Lease wire = to_wire(lease, {boot, walls}, no_name);
    EXPECT_EQ(wire.opener, proto::Process{});
    EXPECT_EQ(wire.last_holder, proto::Process{});
    ASSERT_EQ(wire.holders.size(), 1u);
    EXPECT_EQ(wire.holders[0].pid, 7);
}

} // namespace
} // namespace portd::store::test
