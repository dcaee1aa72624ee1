// Private to the store: what is known of a lease in a few bits each, as the one number `state` of
// its row. Pure.
//
//   bits   0-2    3-7        8-11     12-14  15-19     20-24
//          span   freed      outcome  phase  closed    opened
//
// `freed`, `closed` and `opened` are the kinds of store/lease_times.hpp; outcome is one more than
// its number, 0 for none. What is most frequent (freed, closed by its owner, all times observed) is
// stored as zeros, by exclusive or with it: SQLite stores small numbers in fewer bytes.
#pragma once

#include "model/lease.hpp"
#include "store/lease_span.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace portd::store {

struct LeaseState {
    Span span = Span::open;
    Phase phase = Phase::bound;
    std::optional<Outcome> outcome;
    std::int64_t kinds = 0; // LeaseTimes::kinds

    bool operator==(const LeaseState &) const = default;
};

std::int64_t pack_state(const LeaseState &state);
// Absent if no lease has that state.
std::optional<LeaseState> unpack_state(std::int64_t state);

// The same in SQL, of a lease called `l`.
enum class Time { opened, closed, freed };
std::string span_sql();
std::string phase_sql();   // its number
std::string outcome_sql(); // its number, or NULL
std::string kind_sql(Time time);
// Conditions: by the index lease_long, which has all leases whose span is longer than
// last_short_span; and of leases that it does not have.
std::string is_long(Span span);
std::string is_short();

} // namespace portd::store
