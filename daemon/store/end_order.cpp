#include "store/end_order.hpp"

#include "store/lease_state.hpp"
#include "store/lease_times.hpp"

#include <algorithm>
#include <limits>

namespace portd::store {
namespace {

constexpr const char *before_all = "-9223372036854775808";

// What was before this part was given out by its beginning.
std::int64_t stored_horizon_us(Database &database, const Part &part) {
    Statement select(database, "SELECT max(until_us) FROM coverage");
    Execution row(select);
    row.next();
    const std::int64_t none = std::numeric_limits<std::int64_t>::min();
    return std::max(row.optional_integer(0).value_or(none), part.since_us.value_or(none));
}

// As the row has it: lease_times.hpp.
std::optional<std::int64_t> freed_us(const model::Lease &lease) {
    const auto &bound = lease.freed->latest ? lease.freed->latest : lease.freed->earliest;
    return bound ? std::optional(to_us(*bound)) : std::nullopt;
}

} // namespace

std::string ended_at_sql(const Part &part) {
    const std::string filed = std::to_string(part.moment_us(part.serial_of(0)));
    return "max(ifnull(l.id + " + filed +
           " + l.opened_by_us + ifnull(l.closed_us, 0) + l.freed_us, " + before_all +
           "), ifnull((SELECT e.ended_at_us FROM late_end AS e WHERE e.lease = l.id), " +
           before_all + "))";
}

EndOrder::EndOrder(Database &database, const Part &part, RecentEnds *recent)
    : database_(database),
      part_(part),
      recent_(recent),
      horizon_us_(stored_horizon_us(database, part)),
      put_late_(database, "REPLACE INTO late_end(lease, ended_at_us) VALUES(?1, ?2)") {}

void EndOrder::place(const model::Lease &lease, std::int64_t base_offset_us) {
    const auto freed = freed_us(lease);
    std::int64_t at_us = freed.value_or(to_us(opened_by(lease))) + base_offset_us;
    if (!freed || at_us <= horizon_us_) {
        const std::int64_t id = part_.id_of(lease.serial);
        const auto stored = stored_place(id);
        if (stored && *stored <= horizon_us_)
            return; // it was given out, as it was then
        at_us = std::max(at_us, horizon_us_ + 1);
        Execution(put_late_).bind(id).bind(at_us).run();
    }
    if (recent_)
        recent_->add(lease.serial, at_us);
}

std::optional<std::int64_t> EndOrder::stored_place(std::int64_t id) {
    Statement select(database_, "SELECT " + ended_at_sql(part_) +
                                    " FROM lease AS l WHERE l.id = ?1 AND " + span_sql() + " <> " +
                                    std::to_string(static_cast<int>(Span::open)));
    Execution row(select);
    if (!row.bind(id).next())
        return std::nullopt;
    return row.integer(0);
}

void EndOrder::move_horizon(std::int64_t to_us) {
    horizon_us_ = std::max(horizon_us_, to_us);
}

} // namespace portd::store
