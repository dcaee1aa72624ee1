#include "store/lease_times.hpp"

#include <algorithm>
#include <array>

namespace portd::store {
namespace {

using model::Instant;
using model::When;
using Us = std::optional<std::int64_t>;

// Which bounds there are. `exact`: both, and equal.
enum class Form : std::int64_t { exact, both, latest, earliest, neither };

Form form_of(const When &when) {
    if (when.earliest && when.latest)
        return when.earliest == when.latest ? Form::exact : Form::both;
    if (when.latest)
        return Form::latest;
    return when.earliest ? Form::earliest : Form::neither;
}

std::int64_t kind_of(const When &when) {
    return 1 + static_cast<std::int64_t>(when.provenance) +
           4 * static_cast<std::int64_t>(form_of(when));
}

// The bound that is stored.
std::optional<Instant> anchor(const When &when) {
    return when.latest ? when.latest : when.earliest;
}

// Of a damaged row nothing is sure: sums wrap around.
std::int64_t sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

Us distance(std::optional<Instant> at, Instant from) {
    return at ? Us(to_us(*at) - to_us(from)) : std::nullopt;
}

Us spread(const When &when) {
    return form_of(when) == Form::both ? distance(when.latest, *when.earliest) : std::nullopt;
}

// False if the numbers do not fit the kind.
bool unpack(std::int64_t kind, Us at_us, Us spread_us, std::optional<When> &when) {
    if (kind == 0)
        return !at_us && !spread_us;
    const auto form = static_cast<Form>((kind - 1) / 4);
    when.emplace();
    when->provenance = static_cast<Provenance>((kind - 1) % 4);
    if (form > Form::neither || at_us.has_value() != (form != Form::neither) ||
        spread_us.has_value() != (form == Form::both))
        return false;
    const auto instant = [](Us us) {
        return us ? std::optional(model::instant_from_us(*us)) : std::nullopt;
    };
    switch (form) {
    case Form::exact:
        when->earliest = when->latest = instant(at_us);
        break;
    case Form::both:
        when->latest = instant(at_us);
        when->earliest = instant(sum(*at_us, sum(~*spread_us, 1)));
        break;
    case Form::latest:
        when->latest = instant(at_us);
        break;
    case Form::earliest:
        when->earliest = instant(at_us);
        break;
    case Form::neither:
        break;
    }
    return true;
}

} // namespace

Instant opened_by(const model::Lease &lease) {
    return lease.opened.latest.value_or(lease.id.first_observed);
}

std::optional<Instant> held_from(const model::Lease &lease) {
    std::optional<Instant> from = lease.opened.earliest;
    if (from)
        return from;
    for (const model::Holder &holder : lease.holders)
        from = std::min(from.value_or(opened_by(lease)), holder.process->key.started_at);
    return from;
}

LeaseTimes pack_times(const model::Lease &lease) {
    const Instant opened = opened_by(lease);
    When opening = lease.opened;
    opening.latest = opened;
    LeaseTimes times;
    times.opened_by_us = to_us(opened);
    times.first_observed_us = to_us(lease.id.first_observed) - to_us(opened);
    times.opened_spread_us = spread(opening);
    times.kinds = kind_of(opening);
    std::optional<Instant> closed;
    if (lease.closed) {
        closed = anchor(*lease.closed);
        times.closed_us = distance(closed, opened);
        times.closed_spread_us = spread(*lease.closed);
        times.kinds |= kind_of(*lease.closed) << kind_shift(1);
    }
    if (lease.freed) {
        times.freed_us = distance(anchor(*lease.freed), closed.value_or(opened));
        times.freed_spread_us = spread(*lease.freed);
        times.kinds |= kind_of(*lease.freed) << kind_shift(2);
    }
    return times;
}

bool unpack_times(const LeaseTimes &times, model::Lease &lease) {
    const std::int64_t kinds = times.kinds;
    if (kinds < 0 || kinds >> kind_shift(3) != 0)
        return false;
    const auto after = [](Us distance, std::int64_t from) {
        return distance ? Us(sum(*distance, from)) : std::nullopt;
    };
    lease.id.first_observed =
        model::instant_from_us(sum(times.opened_by_us, times.first_observed_us));
    std::optional<When> opened;
    const Us closed = after(times.closed_us, times.opened_by_us);
    const Us freed = after(times.freed_us, closed.value_or(times.opened_by_us));
    if (!unpack(kinds & kind_mask, times.opened_by_us, times.opened_spread_us, opened) || !opened ||
        !opened->latest ||
        !unpack(kinds >> kind_shift(1) & kind_mask, closed, times.closed_spread_us, lease.closed) ||
        !unpack(kinds >> kind_shift(2) & kind_mask, freed, times.freed_spread_us, lease.freed))
        return false;
    lease.opened = *opened;
    return true;
}

} // namespace portd::store
