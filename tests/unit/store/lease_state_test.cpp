#include "store/lease_state.hpp"

#include "store/database.hpp"
#include "store/schema.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace portd::store::test {
namespace {

LeaseState any_state() {
    LeaseState state;
    state.span = *rc::gen::element(Span::instant, Span::brief, Span::short_, Span::medium,
                                   Span::lasting, Span::unbounded, Span::open);
    state.phase = static_cast<Phase>(*rc::gen::inRange(0, static_cast<int>(last_value<Phase>) + 1));
    if (const int outcome = *rc::gen::inRange(-1, static_cast<int>(last_value<Outcome>) + 1);
        outcome >= 0)
        state.outcome = static_cast<Outcome>(outcome);
    state.kinds = *rc::gen::inRange<std::int64_t>(0, 1 << 15);
    return state;
}

RC_GTEST_PROP(LeaseState, IsUnpackedAsItWasPacked, ()) {
    const LeaseState state = any_state();
    RC_ASSERT(unpack_state(pack_state(state)) == state);
}

RC_GTEST_PROP(LeaseState, OfAnyNumberIsRefusedOrPackedToTheSame, ()) {
    const auto packed = *rc::gen::oneOf(rc::gen::arbitrary<std::int64_t>(),
                                        rc::gen::inRange<std::int64_t>(0, 1 << 26));
    if (const auto state = unpack_state(packed))
        RC_ASSERT(pack_state(*state) == packed);
}

RC_GTEST_PROP(LeaseState, ReadsTheSameInSql, ()) {
    const LeaseState state = any_state();
    Database database(":memory:", Database::Access::write);
    const auto read = [&](const std::string &sql) {
        return database.integer("SELECT ifnull(" + sql + ", -1) FROM (SELECT " +
                                std::to_string(pack_state(state)) + " AS state) AS l");
    };
    RC_ASSERT(read(span_sql()) == static_cast<int>(state.span));
    RC_ASSERT(read(phase_sql()) == static_cast<int>(state.phase));
    RC_ASSERT(read(outcome_sql()) == (state.outcome ? static_cast<int>(*state.outcome) : -1));
    RC_ASSERT(read(kind_sql(Time::opened)) == (state.kinds & kind_mask));
    RC_ASSERT(read(kind_sql(Time::closed)) == (state.kinds >> kind_shift(1) & kind_mask));
    RC_ASSERT(read(kind_sql(Time::freed)) == (state.kinds >> kind_shift(2) & kind_mask));
}

TEST(LeaseState, OfAnOrdinaryEndTakesNoByte) {
    // SQLite stores 0 and 1 in the header of a row.
    EXPECT_EQ(pack_state({Span::instant, Phase::freed, Outcome::closed, 1 | 1 << 5 | 1 << 10}), 0);
    EXPECT_EQ(pack_state({Span::brief, Phase::freed, Outcome::closed, 1 | 1 << 5 | 1 << 10}), 1);
}

} // namespace
} // namespace portd::store::test
