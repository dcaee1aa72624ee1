#include "store/peer_ports.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;
using Ids = std::vector<std::int64_t>;

constexpr PeerPorts::Place place{1, 443};

std::vector<PeerPorts::Lease> leases_from(std::int64_t first, std::int64_t count) {
    std::vector<PeerPorts::Lease> leases;
    for (std::int64_t id = first; id < first + count; ++id)
        leases.push_back({id, static_cast<std::uint16_t>(id & 7)});
    return leases;
}

Ids found(const PeerPorts &known, const IdRange &range, std::uint16_t peer_port) {
    Ids ids;
    known.find(place, range, peer_port, ids);
    std::ranges::sort(ids);
    return ids;
}

bool knows(PeerPorts &known, const PeerPorts::Place &where, const IdRange &range) {
    return std::ranges::all_of(known.pieces(where, range), &PeerPorts::Piece::is_known);
}

TEST(PeerPorts, AreOfOnePortAndOneStateOfAPart) {
    PeerPorts known;
    known.add(place, {0, 999}, leases_from(0, 1000));
    EXPECT_TRUE(knows(known, place, {0, 999}));
    EXPECT_TRUE(knows(known, place, {5, 6}));
    EXPECT_FALSE(knows(known, place, {5, 1000}));
    EXPECT_FALSE(knows(known, {2, 443}, {5, 6}));
    EXPECT_FALSE(knows(known, {1, 444}, {5, 6}));
    EXPECT_EQ(found(known, {8, 30}, 3), (Ids{11, 19, 27}));
    EXPECT_EQ(found(known, {8, 30}, 9), Ids());
}

TEST(PeerPorts, FewLeasesAreNotKept) {
    PeerPorts known;
    known.add(place, {0, 999}, leases_from(0, 3));
    EXPECT_FALSE(knows(known, place, {0, 999}));
    EXPECT_EQ(known.bytes(), 0u);
}

TEST(PeerPorts, WholeSpansAreKeptAndIdsBeforeTheFirst) {
    PeerPorts known;
    const IdRange all;
    known.add(place, all, leases_from(-500, 1000));
    EXPECT_TRUE(knows(known, place, all));
    EXPECT_EQ(found(known, all, 1).size(), 125u);
    EXPECT_EQ(found(known, {Limits::min(), -490}, 1), (Ids{-495}));
}

TEST(PeerPorts, AnIdThatDoesNotFitIsNotKept) {
    PeerPorts known;
    for (const std::int64_t id : {std::int64_t{1} << 47, Limits::min() + 1}) {
        known.add(place, {}, leases_from(id, 100));
        EXPECT_FALSE(knows(known, place, {}));
    }
}

TEST(PeerPorts, ThereIsABound) {
    constexpr std::size_t most = 100 * 1000 * sizeof(std::uint64_t);
    PeerPorts known(most);
    known.begin_question();
    for (std::int64_t i = 0; i < 150; ++i)
        known.add(place, {i * 1000, i * 1000 + 999}, leases_from(i * 1000, 1000));
    EXPECT_EQ(known.bytes(), most);
    EXPECT_TRUE(knows(known, place, {0, 99'999}));
    EXPECT_FALSE(knows(known, place, {100'000, 100'999}));

    // What is in use stays.
    const PeerPorts::Place other{1, 444};
    for (int i = 0; i < 40; ++i) {
        known.begin_question();
        known.pieces(place, {0, 0});
    }
    known.add(other, {0, 999}, leases_from(0, 1000));
    EXPECT_FALSE(knows(known, other, {0, 999}));

    for (int i = 0; i < 40; ++i)
        known.begin_question();
    known.add(other, {0, 999}, leases_from(0, 1000));
    EXPECT_TRUE(knows(known, other, {0, 999}));
    EXPECT_FALSE(knows(known, place, {0, 0}));
    EXPECT_EQ(known.bytes(), 1000 * sizeof(std::uint64_t));
}

// Ranges are asked for in any order; what is not known of them is added, or a beginning of it.
RC_GTEST_PROP(PeerPorts, WhatIsKnownIsWhatWasRead, ()) {
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    std::mt19937_64 random(seed);
    const auto up_to = [&](std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(0, most)(random);
    };
    constexpr std::int64_t count = 3000;
    PeerPorts known;
    for (int i = 0; i < 40; ++i) {
        IdRange range{up_to(count) - 10, 0};
        range.last = range.first + up_to(up_to(1) ? 200 : 1500);
        std::int64_t next = range.first;
        for (const PeerPorts::Piece &piece : known.pieces(place, range)) {
            RC_ASSERT(piece.ids.first == next && piece.ids.last >= next);
            next = piece.ids.last + 1;
            if (piece.is_known)
                continue;
            const IdRange read{piece.ids.first, piece.ids.last - (up_to(3) == 0 ? up_to(20) : 0)};
            if (read.last < read.first)
                continue;
            const std::int64_t first = std::clamp<std::int64_t>(read.first, 0, count);
            const std::int64_t last = std::clamp<std::int64_t>(read.last, -1, count - 1);
            known.add(place, read, leases_from(first, last - first + 1));
        }
        RC_ASSERT(next == range.last + 1);
        for (const PeerPorts::Piece &piece : known.pieces(place, range)) {
            if (!piece.is_known)
                continue;
            for (std::uint16_t port = 0; port < 9; ++port) {
                Ids expected;
                for (std::int64_t id = std::max<std::int64_t>(piece.ids.first, 0);
                     id <= piece.ids.last && id < count; ++id)
                    if ((id & 7) == port)
                        expected.push_back(id);
                RC_ASSERT(found(known, piece.ids, port) == expected);
            }
        }
    }
}

} // namespace
} // namespace portd::store
