#include "store/lease_state.hpp"

#include "store/lease_times.hpp"
#include "store/schema.hpp"

#include <algorithm>

namespace portd::store {
namespace {

struct Field {
    int shift;
    std::int64_t mask;
    std::int64_t usual; // stored as 0
};

constexpr Field span_field{0, 7, 0};
constexpr Field freed_field{3, 31, 1};
constexpr Field outcome_field{8, 15, 1 + static_cast<std::int64_t>(Outcome::closed)};
constexpr Field phase_field{12, 7, static_cast<std::int64_t>(Phase::freed)};
constexpr Field closed_field{15, 31, 1};
constexpr Field opened_field{20, 31, 1};
constexpr int bits = 25;

const Field &field_of(Time time) {
    switch (time) {
    case Time::opened:
        return opened_field;
    case Time::closed:
        return closed_field;
    case Time::freed:
        break;
    }
    return freed_field;
}

std::int64_t put(const Field &field, std::int64_t value) {
    return (value ^ field.usual) << field.shift;
}

std::int64_t take(const Field &field, std::int64_t state) {
    return (state >> field.shift & field.mask) ^ field.usual;
}

// SQLite has no exclusive or; of one value it is this.
std::string take_sql(const Field &field) {
    const std::string stored =
        "(l.state >> " + std::to_string(field.shift) + " & " + std::to_string(field.mask) + ")";
    if (field.usual == 0)
        return stored;
    const std::string usual = std::to_string(field.usual);
    return "((" + stored + " | " + usual + ") - (" + stored + " & " + usual + "))";
}

} // namespace

std::int64_t pack_state(const LeaseState &state) {
    const std::int64_t kinds = state.kinds;
    return put(span_field, static_cast<std::int64_t>(state.span)) |
           put(outcome_field, state.outcome ? 1 + static_cast<std::int64_t>(*state.outcome) : 0) |
           put(phase_field, static_cast<std::int64_t>(state.phase)) |
           put(opened_field, kinds >> kind_shift(0) & kind_mask) |
           put(closed_field, kinds >> kind_shift(1) & kind_mask) |
           put(freed_field, kinds >> kind_shift(2) & kind_mask);
}

std::optional<LeaseState> unpack_state(std::int64_t state) {
    const std::int64_t span = take(span_field, state);
    const std::int64_t phase = take(phase_field, state);
    const std::int64_t outcome = take(outcome_field, state);
    if (state < 0 || state >> bits != 0 ||
        (span > static_cast<std::int64_t>(Span::unbounded) &&
         span != static_cast<std::int64_t>(Span::open)) ||
        phase > static_cast<std::int64_t>(last_value<Phase>) ||
        outcome > 1 + static_cast<std::int64_t>(last_value<Outcome>))
        return std::nullopt;
    LeaseState unpacked{static_cast<Span>(span), static_cast<Phase>(phase), {}, {}};
    if (outcome > 0)
        unpacked.outcome = static_cast<Outcome>(outcome - 1);
    unpacked.kinds = take(opened_field, state) << kind_shift(0) |
                     take(closed_field, state) << kind_shift(1) |
                     take(freed_field, state) << kind_shift(2);
    return unpacked;
}

std::string span_sql() {
    return "(l.state & 7)";
}

std::string is_long(Span span) {
    return "l.state & 7 > 2 AND l.state & 7 = " + std::to_string(static_cast<int>(span));
}

std::string is_short() {
    return "l.state & 7 <= 2";
}

std::string phase_sql() {
    return take_sql(phase_field);
}

std::string outcome_sql() {
    return "nullif(" + take_sql(outcome_field) + " - 1, -1)";
}

std::string kind_sql(Time time) {
    return take_sql(field_of(time));
}

} // namespace portd::store
