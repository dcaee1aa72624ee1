#include "store/database.hpp"
#include "store/lease_query.hpp"
#include "store/lease_times.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <random>
#include <set>
#include <thread>

namespace portd::store::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t base = 1'700'000'000'000'000;

std::vector<std::string> texts(const std::vector<std::int64_t> &serials) {
    std::vector<std::string> found;
    for (const std::int64_t serial : serials)
        found.push_back(std::to_string(serial));
    return found;
}

class Paging : public testing::Test {
  protected:
    TemporaryDirectory directory_;
    // Few leases wait, so that those of each state of the indexes are met.
    Writer writer_{directory_.path(), first_boot, {.waiting_leases = 4}};
    Reader reader_{directory_.path()};

    std::vector<std::string> ask(const model::LeaseQuery &query) {
        return cookies(all_pages(reader_, query));
    }
};

// Random data against a filter written in C++.
struct Sample {
    model::Lease lease;

    bool matches(const model::LeaseQuery &query) const {
        const auto row_us = [](model::Instant at) { return to_us(at) + base; };
        const auto has_pid = [&](const model::Holder &holder) {
            return holder.process->key.pid == query.pid;
        };
        if (query.port && lease.local.port != query.port)
            return false;
        if (query.protocol && lease.protocol != query.protocol)
            return false;
        if (query.pid && std::ranges::none_of(lease.holders, has_pid))
            return false;
        const auto from = held_from(lease);
        if (query.until_us && (from ? row_us(*from) : base) > *query.until_us)
            return false;
        if (query.since_us && lease.freed && lease.freed->latest &&
            row_us(*lease.freed->latest) < *query.since_us)
            return false;
        if (query.visible_to_uid && !lease.is_open() && lease.uid != query.visible_to_uid)
            return false;
        return !query.open_only || lease.is_open();
    }
};

// Microseconds to hours: a lease lives for some of them, so that each span is met.
std::int64_t some_unit() {
    return *rc::gen::element<std::int64_t>(1, 100'000, 1'000'000, 30'000'000, 1'000'000'000);
}

Sample some_sample(std::int64_t serial, const std::vector<model::ProcessRef> &processes) {
    const std::int64_t unit = some_unit();
    const std::int64_t opened = *rc::gen::inRange(0, 50) * unit;
    Sample sample{make_lease(serial, *rc::gen::element<std::uint16_t>(40000, 40001), opened)};
    model::Lease &lease = sample.lease;
    lease.protocol = *rc::gen::element(Protocol::tcp, Protocol::udp);
    const int kind = *rc::gen::inRange(0, 3);
    if (kind == 0)
        lease.opened = model::When::sampled(std::nullopt, at_us(opened));
    else if (kind == 1)
        lease.opened = model::When::sampled(at_us(opened / 2), at_us(opened));
    lease.uid = *rc::gen::element<std::uint32_t>(0, 1000);
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i)
        add_holder(lease, *rc::gen::elementOf(processes));
    const int end = *rc::gen::inRange(0, 4);
    if (end == 0)
        lease = freed(lease, opened + *rc::gen::inRange(0, 30) * unit);
    else if (end == 1)
        lease.freed = model::When{at_us(opened), std::nullopt, Provenance::sampled};
    return sample;
}

model::LeaseQuery some_query() {
    const auto chance = [] { return *rc::gen::inRange(0, 3) == 0; };
    model::LeaseQuery query;
    if (chance())
        query.port = *rc::gen::element<std::uint16_t>(40000, 40001, 40002);
    if (chance())
        query.protocol = *rc::gen::element(Protocol::tcp, Protocol::udp);
    if (chance())
        query.pid = *rc::gen::inRange(1, 5);
    if (chance())
        query.since_us = base + *rc::gen::inRange(-5, 60) * some_unit();
    if (chance())
        query.until_us = base + *rc::gen::inRange(-5, 60) * some_unit();
    if (query.since_us && query.until_us && *query.since_us > *query.until_us)
        std::swap(query.since_us, query.until_us);
    if (chance())
        query.visible_to_uid = *rc::gen::element<std::uint32_t>(0, 1000, 2000);
    query.open_only = chance();
    query.newest_first = chance();
    return query;
}

// Some are stored as open first, and freed in another part than the one they were found in.
void commit_over_parts(Writer &writer, const std::vector<model::Lease> &leases) {
    std::vector<model::Lease> later;
    for (const model::Lease &lease : leases) {
        model::Lease first = lease;
        if (!lease.is_open() && *rc::gen::inRange(0, 3) == 0) {
            first.freed.reset();
            first.closed.reset();
            later.push_back(lease);
        }
        commit(writer, {first});
        if (*rc::gen::inRange(0, 8) == 0)
            writer.begin_part();
        if (!later.empty() && *rc::gen::inRange(0, 4) == 0) {
            commit(writer, {later.back()});
            later.pop_back();
        }
        if (*rc::gen::inRange(0, 16) == 0)
            writer.settle();
    }
    commit(writer, later);
}

RC_GTEST_FIXTURE_PROP(Paging, EveryQueryGivesWhatAPlainFilterGives, ()) {
    const std::vector<model::ProcessRef> processes{make_process(1), make_process(2),
                                                   make_process(3)};
    std::vector<Sample> samples;
    std::vector<model::Lease> leases;
    const int count = *rc::gen::inRange(1, 40);
    for (int i = 1; i <= count; ++i) {
        samples.push_back(some_sample(i, processes));
        leases.push_back(samples.back().lease);
    }
    commit_over_parts(writer_, leases);
    for (int i = 0; i < 10; ++i) {
        const model::LeaseQuery query = some_query();
        std::vector<std::int64_t> expected;
        for (const Sample &sample : samples)
            if (sample.matches(query))
                expected.push_back(sample.lease.serial);
        if (query.newest_first)
            std::ranges::reverse(expected);
        const auto limit = static_cast<std::size_t>(*rc::gen::inRange(1, 10));
        RC_ASSERT(cookies(all_pages(reader_, query, limit)) == texts(expected));
    }
}

TEST_F(Paging, LeasesAddedMeanwhileNeitherShiftNorRepeatTheOthers) {
    std::mt19937 random(42);
    std::int64_t serial = 0;
    const auto add = [&](int count) {
        std::vector<model::Lease> leases;
        for (int i = 0; i < count; ++i)
            leases.push_back(
                make_lease(++serial, 40000, static_cast<std::int64_t>(random() % 500)));
        commit(writer_, leases);
    };
    for (const bool newest_first : {false, true}) {
        add(300);
        model::LeaseQuery query;
        query.newest_first = newest_first;
        const std::vector<std::string> before = ask(query);
        const std::set<std::string> known(before.begin(), before.end());

        std::vector<std::string> seen;
        std::optional<model::LeaseCursor> after;
        do {
            const model::LeasePage page = reader_.page(query, after, 7);
            for (const std::string &cookie : cookies(page.leases))
                seen.push_back(cookie);
            after = page.next;
            if (serial < 2000)
                add(5);
        } while (after);
        EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size());
        std::erase_if(seen, [&](const std::string &cookie) { return !known.contains(cookie); });
        EXPECT_EQ(seen, before);
    }
}

TEST_F(Paging, TheLastPageHasNoNext) {
    commit(writer_, {make_lease(1, 40000, 10), make_lease(2, 40000, 20)});
    EXPECT_TRUE(reader_.page({}, {}, 1).next);
    EXPECT_FALSE(reader_.page({}, {}, 2).next);
    EXPECT_FALSE(reader_.page({}, {}, 3).next);
}

TEST_F(Paging, NoReadLooksAtMoreThanItsShare) {
    std::vector<model::Lease> leases;
    const auto count = static_cast<std::int64_t>(Reader::max_examined) + 10;
    for (std::int64_t serial = 1; serial <= count; ++serial)
        leases.push_back(make_lease(serial, 40000, serial));
    leases.back().protocol = Protocol::udp;
    commit(writer_, leases);
    model::LeaseQuery query;
    query.protocol = Protocol::udp;
    const model::LeasePage first = reader_.page(query, {}, 10);
    EXPECT_THAT(first.leases, IsEmpty());
    ASSERT_TRUE(first.next);
    EXPECT_EQ(*first.next, static_cast<std::int64_t>(Reader::max_examined));
    EXPECT_EQ(cookies(reader_.page(query, first.next, 10).leases), texts({count}));
}

TEST_F(Paging, APidWithManyLeasesIsFoundToo) {
    const auto busy = make_process(5);
    const auto rare = make_process(6);
    std::vector<model::Lease> leases;
    for (std::int64_t serial = 1; serial <= 5000; ++serial) {
        leases.push_back(make_lease(serial, 40000, serial));
        add_holder(leases.back(), serial == 4321 ? rare : busy);
    }
    commit(writer_, leases);
    model::LeaseQuery query;
    query.pid = 5;
    EXPECT_EQ(ask(query).size(), 4999u);
    query.pid = 6;
    EXPECT_EQ(ask(query), texts({4321}));
}

TEST_F(Paging, APidIsAnyHoldersNotOnlyTheOpeners) {
    model::Lease lease = make_lease(1, 40000, 10);
    add_holder(lease, make_process(5));
    add_holder(lease, make_process(6));
    commit(writer_, {lease});
    for (const std::int64_t pid : {5, 6}) {
        model::LeaseQuery query;
        query.pid = pid;
        EXPECT_EQ(ask(query).size(), 1u) << pid;
    }
    // The second lets go and is replaced: what is no longer said is no longer found.
    lease.holders[1].process = make_process(7);
    commit(writer_, {lease});
    model::LeaseQuery query;
    query.pid = 6;
    EXPECT_THAT(ask(query), IsEmpty());
}

TEST_F(Paging, BothEndsOfAnIntervalBelongToIt) {
    model::Lease lease = freed(make_lease(1, 40000, 10), 20);
    commit(writer_, {lease});
    struct Case {
        std::int64_t since, until;
        bool found;
    };
    for (const Case one : {Case{0, 9, false}, Case{0, 10, true}, Case{12, 13, true},
                           Case{20, 30, true}, Case{21, 30, false}}) {
        model::LeaseQuery query;
        query.since_us = base + one.since;
        query.until_us = base + one.until;
        EXPECT_EQ(!ask(query).empty(), one.found) << one.since << " to " << one.until;
    }
}

TEST_F(Paging, AnUnknownOpeningIsNotBeforeTheBoot) {
    model::Lease lease = make_lease(1, 40000, 10);
    lease.opened = model::When::sampled(std::nullopt, at_us(10));
    commit(writer_, {lease});
    model::LeaseQuery query;
    query.until_us = base + 1;
    EXPECT_EQ(ask(query).size(), 1u);
    query.until_us = base - 1;
    EXPECT_THAT(ask(query), IsEmpty());
}

TEST_F(Paging, LastFreedOfAPort) {
    model::Lease other_port = freed(make_lease(5, 40001, 1), 99);
    model::Lease unknown_end = make_lease(6, 40000, 2);
    unknown_end.freed = model::When{};
    model::Lease udp = freed(make_lease(4, 40000, 3), 25);
    udp.protocol = Protocol::udp;
    udp.uid = 1000;
    commit(writer_, {freed(make_lease(1, 40000, 10), 30), freed(make_lease(2, 40000, 1), 40),
                     make_lease(3, 40000, 50), udp, other_port, unknown_end});
    model::LeaseQuery query;
    query.port = 40000;
    EXPECT_EQ(reader_.last_freed(query)->cookie, "2") << "the end counts, not the start";
    query.protocol = Protocol::udp;
    EXPECT_EQ(reader_.last_freed(query)->cookie, "4");
    query.protocol.reset();
    query.visible_to_uid = 1000;
    EXPECT_EQ(reader_.last_freed(query)->cookie, "4");
    query.visible_to_uid = 1001;
    EXPECT_FALSE(reader_.last_freed(query));
    EXPECT_THROW(reader_.last_freed({}), std::invalid_argument);
}

TEST_F(Paging, NoPageIsSortedOrSkippedThroughExceptOfRareProcesses) {
    commit(writer_, {make_lease(1, 40000, 10)});
    Database database(directory_ / "current-000001.db", Database::Access::read);
    const Part part = read_part(database);
    for (const bool newest_first : {false, true})
        for (const bool has_port : {false, true})
            for (const bool has_interval : {false, true})
                for (const bool has_pid : {false, true})
                    for (const bool open_only : {false, true}) {
                        model::LeaseQuery query;
                        query.newest_first = newest_first;
                        query.open_only = open_only;
                        if (has_port)
                            query.port = 40000;
                        if (has_interval)
                            query.since_us = query.until_us = base;
                        if (has_pid)
                            query.pid = 7;
                        for (const BoundSql &sql :
                             candidates(query, part, Holdings::current, FoundBy::passing)) {
                            Statement explain(database, "EXPLAIN QUERY PLAN " + sql.text);
                            std::string plan = sql.text + "\n";
                            for (Execution row(explain); row.next();)
                                plan += row.text(3) + "\n";
                            EXPECT_EQ(plan.find("FOR ORDER BY"), std::string::npos) << plan;
                            // A page begins where the one before it ended.
                            EXPECT_NE(plan.find(newest_first ? "<?" : ">?", sql.text.size()),
                                      std::string::npos)
                                << plan;
                        }
                    }
}

// What SQLite does for the page after the last one.
int steps_after_all(const std::filesystem::path &file, const BoundSql &sql, bool newest_first) {
    sqlite3 *database = nullptr;
    sqlite3_stmt *statement = nullptr;
    EXPECT_EQ(sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_prepare_v2(database, sql.text.c_str(), -1, &statement, nullptr), SQLITE_OK);
    int place = 0;
    for (const BoundSql::Value &value : sql.values)
        sqlite3_bind_int64(statement, ++place, std::get<std::int64_t>(value));
    using Ids = std::numeric_limits<std::int64_t>;
    sqlite3_bind_int64(statement, ++place, newest_first ? Ids::min() : Ids::max());
    EXPECT_EQ(place, sqlite3_bind_parameter_count(statement));
    EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE);
    const int steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return steps;
}

TEST_F(Paging, NoPageOfAPeerIsSortedOrSkippedThrough) {
    commit(writer_, {make_lease(1, 40000, 10)});
    Database database(directory_ / "current-000001.db", Database::Access::read);
    const Part part = read_part(database);
    model::LeaseQuery query;
    query.peer = model::parse_address_range("192.0.2.1");
    for (const bool newest_first : {false, true}) {
        query.newest_first = newest_first;
        for (const BoundSql &sql : candidates(query, part, Holdings::sealed, FoundBy::peer)) {
            Statement explain(database, "EXPLAIN QUERY PLAN " + sql.text);
            std::string plan;
            for (Execution row(explain); row.next();)
                plan += row.text(3) + "\n";
            EXPECT_EQ(plan.find("FOR ORDER BY"), std::string::npos) << plan;
            EXPECT_NE(plan.find(newest_first ? "(peer_address=? AND lease<?)"
                                             : "(peer_address=? AND lease>?)"),
                      std::string::npos)
                << plan;
        }
    }
}

TEST_F(Paging, NoPageReadsThoseBeforeIt) {
    std::vector<model::Lease> leases;
    for (std::int64_t serial = 1; serial <= 2000; ++serial)
        leases.push_back(freed(make_lease(serial, 40000, serial), serial + 5));
    commit(writer_, leases);
    const auto file = directory_ / "current-000001.db";
    Database database(file, Database::Access::read);
    const Part part = read_part(database);
    for (const bool newest_first : {false, true})
        for (const bool has_port : {false, true}) {
            model::LeaseQuery query;
            query.newest_first = newest_first;
            query.since_us = base - 1'000'000;
            query.until_us = base + 1'000'000;
            if (has_port)
                query.port = 40000;
            for (const BoundSql &sql : candidates(query, part, Holdings::current, FoundBy::passing))
                EXPECT_LT(steps_after_all(file, sql, newest_first), 300) << sql.text;
        }
    model::LeaseQuery ended;
    ended.ended = model::EndWindow{{"boot", base, 0}, {"boot", base + 1'000'000, 0}};
    for (const BoundSql &sql : candidates(ended, part, Holdings::current, FoundBy::passing))
        EXPECT_LT(steps_after_all(file, sql, false), 300) << sql.text;
}

TEST_F(Paging, ReadersAndTheWriterDoNotDisturbEachOther) {
    std::atomic<bool> done = false;
    std::thread writing([&] {
        for (std::int64_t serial = 1; serial <= 3000; ++serial)
            commit(writer_, {make_lease(serial, 40000, serial)});
        done = true;
    });
    std::size_t seen = 0;
    std::size_t reads = 0;
    while (!done) {
        const std::vector<std::string> found = ask({});
        EXPECT_GE(found.size(), seen);
        seen = found.size();
        ++reads;
    }
    writing.join();
    EXPECT_GT(reads, 0u);
    EXPECT_EQ(ask({}).size(), 3000u);
}

TEST_F(Paging, AReaderOutlivesACheckpointAndSeesWhatCameAfter) {
    std::vector<model::Lease> leases;
    for (std::int64_t serial = 1; serial <= 20'000; ++serial)
        leases.push_back(make_lease(serial, 40000, serial));
    // Several times the size at which SQLite checkpoints by itself.
    for (std::size_t i = 0; i < leases.size(); i += 1000) {
        writer_.commit({std::span(leases).subspan(i, 1000), {}, {}});
        EXPECT_EQ(reader_.page({}, {}, 5).leases.size(), 5u);
    }
    EXPECT_EQ(ask({}).size(), leases.size());
    writer_.close_cleanly();
    EXPECT_EQ(ask({}).size(), leases.size());
}

} // namespace
} // namespace portd::store::test
