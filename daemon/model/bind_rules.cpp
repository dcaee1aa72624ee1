#include "model/bind_rules.hpp"

#include "model/address_range.hpp"
#include "model/bind_failure.hpp"

namespace portd::model {
namespace {

bool listens(const proto::Lease &lease) {
    return lease.role == Role::listener || lease.phase == Phase::listening;
}

BindJudgement judge_one_family(const Address &held, const Address &asked) {
    if (held == asked)
        return {BindVerdict::blocks, BindReason::same_address};
    if (held.is_wildcard())
        return {BindVerdict::blocks, BindReason::wildcard_held};
    if (asked.is_wildcard())
        return {BindVerdict::blocks, BindReason::wildcard_asked};
    return {BindVerdict::does_not_block, BindReason::other_address};
}

BindJudgement judge_address(const proto::Lease &lease, const Address &held, const Address &asked) {
    if (held.family == asked.family)
        return judge_one_family(held, asked);
    if (held.family == Family::ipv4)
        return asked.is_wildcard()
                   ? BindJudgement{BindVerdict::blocks, BindReason::dual_stack_asked}
                   : BindJudgement{BindVerdict::does_not_block, BindReason::other_family};
    if (held.is_wildcard())
        return {BindVerdict::may_block, BindReason::dual_stack_held};
    if (asked.is_wildcard() && !listens(lease))
        return {BindVerdict::may_block, BindReason::ipv6_connection};
    return {BindVerdict::does_not_block, BindReason::other_family};
}

} // namespace

BindJudgement judge_bind(const proto::Lease &lease, const IntendedBind &bind) {
    if (lease.network_namespace != bind.network_namespace)
        return {BindVerdict::does_not_block, BindReason::other_namespace};
    if (bind.protocol && lease.protocol != *bind.protocol)
        return {BindVerdict::does_not_block, BindReason::other_protocol};
    const auto range = parse_address_range(lease.local_address);
    // An address that nobody can read: it was told by something else than this machine's kernel.
    if (!range)
        return {BindVerdict::may_block, BindReason::same_address};
    const Address held = unmapped(range->first);
    if (bind.address)
        return judge_address(lease, held, unmapped(*bind.address));
    return judge_one_family(held, Address{.family = held.family});
}

std::vector<std::string> options_to_share(const proto::Lease &lease) {
    if (lease.protocol == Protocol::tcp && listens(lease))
        return {"SO_REUSEPORT"};
    return {"SO_REUSEADDR", "SO_REUSEPORT"};
}

} // namespace portd::model
