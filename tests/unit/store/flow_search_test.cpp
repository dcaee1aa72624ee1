// Leases of many ends of flows at once, against all leases looked at one by one.
#include "store/part_files.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace portd::store::test {
namespace {

constexpr std::int64_t base = 1'700'000'000'000'000;

using Found = std::map<std::size_t, std::set<std::string>>; // ends to cookies

Found search(Reader &reader, const std::vector<model::FlowEnd> &ends,
             std::optional<std::uint32_t> uid = std::nullopt) {
    Found found;
    std::optional<model::FlowPlace> place;
    do {
        const model::FlowPage page = reader.leases_of_flows(ends, place, uid);
        EXPECT_LE(page.examined, Reader::max_examined);
        EXPECT_LE(page.leases.size(), Reader::most_of_flows);
        for (const model::LeaseOfFlows &one : page.leases)
            for (const std::size_t end : one.ends)
                found[end].insert(*one.lease.cookie);
        place = page.next;
    } while (place);
    return found;
}

// As the ordinary way finds them: port by port.
Found one_by_one(Reader &reader, const std::vector<model::FlowEnd> &ends) {
    Found found;
    for (std::size_t end = 0; end < ends.size(); ++end) {
        model::LeaseQuery query;
        query.port = ends[end].port;
        query.since_us = ends[end].since_us;
        query.until_us = ends[end].until_us;
        for (const proto::Lease &lease : all_pages(reader, query))
            if (ends[end].protocol != Protocol::tcp || !ends[end].peer_port || !lease.peer_port ||
                *lease.peer_port == *ends[end].peer_port)
                found[end].insert(*lease.cookie);
    }
    return found;
}

RC_GTEST_PROP(FlowSearch, FindsWhatTheHistoryOfEachPortHas, ()) {
    TemporaryDirectory directory;
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    std::mt19937_64 random(seed);
    const auto up_to = [&](std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(0, most)(random);
    };
    Writer writer(directory.path(), first_boot,
                  {.max_bytes = up_to(1) ? Limits{}.max_bytes : std::int64_t{1} << 20,
                   .waiting_leases = up_to(1) ? 4 : 64});
    // Lives of each span, and open ones; few ports, so that they meet.
    const std::int64_t lives[] = {1'000,       500'000,        8'000'000,     70'000'000,
                                  900'000'000, 20'000'000'000, 90'000'000'000};
    std::vector<model::Lease> batch;
    const std::int64_t leases = up_to(400);
    for (std::int64_t i = 0; i < leases; ++i) {
        const std::int64_t opened_us = 1'000'000 * (i + 1);
        auto lease = make_lease(opened_us, static_cast<std::uint16_t>(50000 + up_to(5)), opened_us);
        lease.peer = {{Family::ipv4, {192, 0, 2, 1}}, static_cast<std::uint16_t>(up_to(2))};
        lease.protocol = up_to(1) ? Protocol::tcp : Protocol::udp;
        if (up_to(9) > 0)
            lease = freed(lease, opened_us + up_to(lives[up_to(6)]));
        batch.push_back(lease);
        if (up_to(20) == 0) {
            commit(writer, batch);
            batch.clear();
            // Several sealed parts, one that was given up, and the current one.
            if (up_to(12) == 0) {
                writer.begin_part();
                if (up_to(2))
                    writer.settle();
            }
        }
    }
    commit(writer, batch);
    std::vector<model::FlowEnd> ends;
    for (std::int64_t i = up_to(60); i > 0; --i) {
        model::FlowEnd end;
        end.port = static_cast<std::uint16_t>(50000 + up_to(6));
        end.since_us = base + up_to(500'000'000);
        end.until_us = end.since_us + up_to(up_to(1) ? 0 : 3'000'000);
        if (up_to(1))
            end.protocol = up_to(1) ? Protocol::tcp : Protocol::udp;
        if (up_to(1))
            end.peer_port = static_cast<std::uint16_t>(1 + up_to(1));
        ends.push_back(end);
    }
    Reader reader(directory.path());
    RC_ASSERT(search(reader, ends) == one_by_one(reader, ends));
}

// Leases of a busy port, enough for them to be remembered, and of so many others that these are not
// asked for one by one. Between the questions there are new leases, old ones end, and parts are
// begun and sealed.
RC_GTEST_PROP(FlowSearch, WhatWasReadOfABusyPortIsAsItWasWrittenSince, ()) {
    TemporaryDirectory directory;
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    std::mt19937_64 random(seed);
    const auto up_to = [&](std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(0, most)(random);
    };
    Writer writer(directory.path(), first_boot, {.waiting_leases = up_to(1) ? 4 : 256});
    const std::int64_t lives[] = {1'000, 8'000'000, 70'000'000, 900'000'000, 20'000'000'000};
    std::int64_t opened_us = 0;
    std::vector<model::Lease> open;
    Reader reader(directory.path());
    const std::int64_t questions = 2 + up_to(1);
    for (std::int64_t question = 0; question < questions; ++question) {
        std::vector<model::Lease> batch;
        for (std::int64_t i = up_to(300); i > 0; --i) {
            opened_us += 100'000;
            const auto port = static_cast<std::uint16_t>(up_to(2) ? 443 : 50000 + up_to(99));
            auto lease = make_lease(opened_us, port, opened_us);
            lease.peer = {{Family::ipv4, {192, 0, 2, 1}}, static_cast<std::uint16_t>(up_to(30))};
            if (up_to(9) == 0)
                open.push_back(lease);
            else
                lease = freed(lease, opened_us + up_to(lives[up_to(4)]));
            batch.push_back(lease);
        }
        std::ranges::shuffle(open, random);
        for (std::int64_t i = up_to(10); i > 0 && !open.empty(); --i) {
            batch.push_back(freed(open.back(), opened_us));
            open.pop_back();
        }
        commit(writer, batch);
        if (up_to(2) == 0) {
            writer.begin_part();
            if (up_to(1))
                writer.settle();
        }
        std::vector<model::FlowEnd> ends;
        for (std::int64_t i = up_to(3) ? up_to(20) : 90; i > 0; --i) {
            model::FlowEnd end;
            end.port = static_cast<std::uint16_t>(i > 10 ? 50000 + i : 443);
            end.since_us = base + up_to(opened_us);
            end.until_us = end.since_us + up_to(up_to(1) ? 200'000 : opened_us);
            end.protocol = up_to(9) ? Protocol::tcp : Protocol::udp;
            end.peer_port = static_cast<std::uint16_t>(1 + up_to(31));
            ends.push_back(end);
        }
        const Found expected = one_by_one(reader, ends);
        RC_ASSERT(search(reader, ends) == expected);
        RC_ASSERT(search(reader, ends) == expected);
    }
}

TEST(FlowSearch, GoesOnAfterAPageUntilAllIsFound) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    constexpr std::int64_t leases = 1500; // more than a page has
    std::vector<model::Lease> all;
    for (std::int64_t i = 1; i <= leases; ++i)
        all.push_back(
            freed(make_lease(i, static_cast<std::uint16_t>(50000 + i % 2), i), 1'000'000));
    commit(writer, all);
    Reader reader(directory.path());
    model::FlowEnd end;
    end.port = 50000;
    end.since_us = end.until_us = base + 500'000;
    model::FlowEnd other = end;
    other.port = 50001;
    Found found = search(reader, {end, other, end});
    EXPECT_EQ(found[0].size(), leases / 2);
    EXPECT_EQ(found[1].size(), leases / 2);
    EXPECT_EQ(found[0], found[2]);
}

TEST(FlowSearch, ReachesOverAllParts) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    constexpr std::int64_t a_day = 86'400'000'000;
    std::vector<model::FlowEnd> ends;
    Found expected;
    // Of each part one lease that is over, and of the first one that goes on.
    commit(writer, {make_lease(9, 50009, 9)});
    for (std::int64_t part = 0; part < 4; ++part) {
        const std::int64_t serial = 10 + part * a_day;
        auto lease = freed(make_lease(serial, 50000, serial), serial + 1000);
        lease.peer = {{Family::ipv4, {192, 0, 2, 1}}, 443};
        commit(writer, {lease});
        model::FlowEnd end;
        end.since_us = end.until_us = base + serial + 500;
        end.port = 50000;
        ends.push_back(end);
        end.port = 50009;
        ends.push_back(end);
        expected[ends.size() - 2] = {std::to_string(serial)};
        expected[ends.size() - 1] = {"9"};
        if (part < 3) {
            writer.begin_part();
            writer.settle();
        }
    }
    std::size_t sealed = 0;
    for (const auto &entry : std::filesystem::directory_iterator(directory.path()))
        if (const auto file = parse_part_name(entry.path().filename().native()))
            sealed += file->is_sealed ? 1U : 0U;
    EXPECT_EQ(sealed, 3u);
    Reader reader(directory.path());
    EXPECT_EQ(search(reader, ends), expected);
}

TEST(FlowSearch, GivesAnOrdinaryUserItsOwnLeasesOnly) {
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    auto own = make_lease(1, 50000, 1);
    own.uid = 1000;
    auto others = make_lease(2, 50000, 2);
    others.uid = 1001;
    commit(writer, {own, others});
    Reader reader(directory.path());
    model::FlowEnd end;
    end.port = 50000;
    end.since_us = end.until_us = base + 10;
    EXPECT_EQ(search(reader, {end})[0], (std::set<std::string>{"1", "2"}));
    EXPECT_EQ(search(reader, {end}, 1000)[0], (std::set<std::string>{"1"}));
}

} // namespace
} // namespace portd::store::test
