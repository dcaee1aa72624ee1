#include "audit_table.hpp"

#include "moment.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace portd::server {
namespace {

using proto::AuditGroup;

// Who asked for the port, as far as that is known.
const proto::Process &user_of_port(const proto::Lease &lease) {
    return lease.opener.provenance != Provenance::unknown ? lease.opener : lease.last_holder;
}

void name_process(AuditBy by, const proto::Process &process, AuditGroup &group) {
    group.known = process.provenance != Provenance::unknown;
    if (by == AuditBy::unit) {
        group.unit = process.unit;
        group.container = process.container;
    } else {
        group.executable = process.executable;
        if (!group.executable)
            group.command = process.command;
    }
}

AuditGroup name_of(AuditBy by, const proto::Lease &lease) {
    AuditGroup group;
    group.known = true;
    switch (by) {
    case AuditBy::program:
    case AuditBy::unit:
        name_process(by, user_of_port(lease), group);
        group.withheld = !group.known && lease.incomplete;
        break;
    case AuditBy::user:
        group.uid = lease.uid;
        group.user = lease.user;
        group.known = lease.uid.has_value();
        break;
    case AuditBy::peer:
        group.peer_address = lease.peer_address;
        break;
    }
    return group;
}

AuditGroup name_of(AuditBy by, const proto::BindFailure &failure) {
    AuditGroup group;
    group.known = true;
    switch (by) {
    case AuditBy::program:
    case AuditBy::unit:
        name_process(by, failure.process, group);
        break;
    case AuditBy::user:
        group.uid = failure.uid;
        group.user = failure.user;
        group.known = failure.uid.has_value();
        break;
    case AuditBy::peer:
        break;
    }
    return group;
}

// Texts cannot hold NUL: paths and names of the kernel end there.
std::string key_of(const AuditGroup &group) {
    std::string key(1, group.known ? '1' : group.withheld ? '2' : '0');
    for (const auto *text :
         {&group.executable, &group.command, &group.unit, &group.container, &group.peer_address})
        key.append(1, '\0').append(text->value_or(""));
    return key.append(1, '\0').append(group.uid ? std::to_string(*group.uid) : "");
}

// The longest that it can have been, of a lease that ended.
std::optional<std::int64_t> length_us(const proto::Lease &lease) {
    const auto &end = lease.closed ? lease.closed : lease.freed;
    if (!end)
        return std::nullopt;
    const auto from = earliest_usec(lease.opened);
    const auto to = latest_usec(*end);
    std::int64_t length = 0;
    if (!from || !to || __builtin_sub_overflow(*to, *from, &length))
        return std::nullopt;
    return std::max<std::int64_t>(length, 0);
}

void extend(AuditGroup &group, std::optional<std::int64_t> first_us,
            std::optional<std::int64_t> last_us) {
    if (first_us && (!group.first_usec || *first_us < *group.first_usec))
        group.first_usec = first_us;
    if (last_us && (!group.last_usec || *last_us > *group.last_usec))
        group.last_usec = last_us;
}

std::int64_t failed(const AuditGroup &group) {
    std::int64_t sum = group.bind_failures;
    for (const proto::OutcomeCount &count : group.outcomes)
        if (count.outcome != Outcome::closed && count.outcome != Outcome::reset)
            sum += count.leases;
    return sum;
}

std::int64_t weight(AuditOrder order, const AuditGroup &group) {
    switch (order) {
    case AuditOrder::leases:
        return group.leases;
    case AuditOrder::failures:
        return failed(group);
    case AuditOrder::bytes:
        return group.bytes_sent + group.bytes_received;
    case AuditOrder::longest:
        return group.longest_usec.value_or(0);
    }
    return 0;
}

} // namespace

std::size_t AuditTable::number_of(const AuditGroup &named) {
    const std::string key = key_of(named);
    if (const auto found = by_key_.find(key); found != by_key_.end())
        return found->second;
    if (groups_.size() == most_groups)
        return most_groups;
    by_key_.emplace(key, groups_.size());
    groups_.push_back({named, {}, {}});
    return groups_.size() - 1;
}

AuditTable::Group &AuditTable::group_of(const AuditGroup &named) {
    const std::size_t number = number_of(named);
    if (number < groups_.size())
        return groups_[number];
    return overflow_ ? *overflow_ : overflow_.emplace(Group{});
}

std::size_t AuditTable::group_number(const proto::Lease &lease) {
    return number_of(name_of(by_, lease));
}

void AuditTable::add(const proto::Lease &lease) {
    Group &group = group_of(name_of(by_, lease));
    AuditGroup &told = group.told;
    ++told.leases;
    told.open += lease.closed || lease.freed ? 0 : 1;
    told.bytes_sent += lease.bytes_sent.value_or(0);
    told.bytes_received += lease.bytes_received.value_or(0);
    extend(told, earliest_usec(lease.opened), latest_usec(lease.opened));
    if (lease.outcome)
        ++group.outcomes.at(static_cast<std::size_t>(*lease.outcome));
    if (const auto length = length_us(lease))
        group.durations.add(*length);
}

void AuditTable::add(const proto::BindFailure &failure) {
    AuditGroup &told = group_of(name_of(by_, failure)).told;
    ++told.bind_failures;
    extend(told, failure.at_usec, failure.at_usec);
}

void AuditTable::add(Group &sum, const Group &group) {
    sum.told.leases += group.told.leases;
    sum.told.open += group.told.open;
    sum.told.bind_failures += group.told.bind_failures;
    sum.told.bytes_sent += group.told.bytes_sent;
    sum.told.bytes_received += group.told.bytes_received;
    extend(sum.told, group.told.first_usec, group.told.last_usec);
    sum.durations.add(group.durations);
    for (std::size_t i = 0; i < sum.outcomes.size(); ++i)
        sum.outcomes.at(i) += group.outcomes.at(i);
}

AuditGroup AuditTable::told(const Group &group) {
    AuditGroup told = group.told;
    for (std::size_t i = 0; i < group.outcomes.size(); ++i)
        if (group.outcomes.at(i) > 0)
            told.outcomes.push_back({static_cast<Outcome>(i), group.outcomes.at(i)});
    told.measured = group.durations.count();
    if (told.measured > 0) {
        told.median_usec = group.durations.quantile(500);
        told.p99_usec = group.durations.quantile(990);
        told.longest_usec = group.durations.longest();
    }
    return told;
}

AuditTable::Summary AuditTable::summary(AuditOrder order, std::size_t limit) const {
    Summary summary;
    std::vector<AuditGroup> all;
    for (const Group &group : groups_)
        all.push_back(told(group));
    std::vector<std::size_t> places(all.size());
    std::iota(places.begin(), places.end(), 0U);
    // Of equals the one that appeared first.
    std::ranges::sort(places, [&](std::size_t a, std::size_t b) {
        return std::tuple(-weight(order, all[a]), -all[a].leases, a) <
               std::tuple(-weight(order, all[b]), -all[b].leases, b);
    });
    std::optional<Group> other = overflow_;
    for (std::size_t i = 0; i < places.size(); ++i)
        if (i < limit) {
            summary.groups.push_back(std::move(all[places[i]]));
        } else {
            add(other ? *other : other.emplace(Group{}), groups_[places[i]]);
            ++summary.groups_in_other;
        }
    if (other)
        summary.other = told(*other);
    return summary;
}

} // namespace portd::server
