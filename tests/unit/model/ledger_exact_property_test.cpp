// What must hold of leases that exact events tell of, however the news of them were distorted.
#include "unit/model/history_exact.hpp"
#include "unit/model/properties.hpp"
#include "unit/model/script.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <rapidcheck/gtest.h>

namespace portd::model {
namespace {

using history::Distortion;
using history::ExactHistory;
using history::ExactOccupancy;
using namespace properties;

constexpr Distortion without_loss{.may_delay = true, .may_repeat = true};
constexpr Distortion with_loss{.may_delay = true, .may_lose = true, .may_repeat = true};

bool is_about(const Lease &lease, const ExactOccupancy &o) {
    return lease.id.socket == o.socket && lease.local.port == o.local.port;
}

const ExactOccupancy &truth_of(const ExactHistory &history, const Lease &lease) {
    const auto found = std::ranges::find_if(history.occupancies,
                                            [&](const auto &o) { return is_about(lease, o); });
    if (found == history.occupancies.end())
        RC_FAIL(told("lease of a socket that never was: ", lease));
    return *found;
}

void check_holders(const Lease &lease, const ExactOccupancy &truth) {
    // Who takes over a socket that has lost its port counts as its holder at the end.
    const auto came_after_the_end = [&](const Holder &holder) {
        return lease.closed && holder.first_seen == lease.closed->latest;
    };
    for (const auto &holder : lease.holders) {
        const bool was_there = std::ranges::any_of(truth.possessions, [&](const auto &p) {
            return p.image == holder.process && holder.last_seen <= p.until &&
                   (p.from <= holder.first_seen || came_after_the_end(holder));
        });
        require(was_there, "holders are true", lease);
    }
}

struct Run {
    explicit Run(const ExactHistory &history, int times = 1) {
        std::size_t applied = 0;
        for (const auto &observation : history.observations) {
            for (int i = 0; i < times; ++i)
                ledger.apply(observation);
            if (++applied % 7 == 0)
                take(history);
        }
        take(history);
    }

    void take(const ExactHistory &history) {
        for (const auto &lease : ledger.take_changes()) {
            check_form(lease);
            check_holders(lease, truth_of(history, lease));
            leases.insert_or_assign(lease.serial, lease);
        }
    }

    Ledger ledger;
    std::map<std::int64_t, Lease> leases;
};

ProcessRef process_of(const Lease &lease, const Attribution &attribution) {
    return attribution.holder ? lease.holders[*attribution.holder].process : nullptr;
}

bool admits(const When &when, Instant at) {
    return (!when.earliest || *when.earliest <= at) && (!when.latest || at <= *when.latest);
}

void check_exact(const Lease &lease, const ExactOccupancy &truth) {
    require(lease.opened == When::observed(truth.opened), "opened as observed", lease);
    require(process_of(lease, lease.opener) == truth.opener &&
                lease.opener.provenance == Provenance::observed,
            "opener as observed", lease);
    require(lease.role == truth.role, "role as observed", lease);
    require(lease.outcome == truth.outcome, "outcome as observed", lease);
    require(lease.freed.has_value(), "everything has ended", lease);
    const bool moved = truth.left && truth.table.protocol == Protocol::udp;
    require(moved ? admits(*lease.closed, truth.closed)
                  : lease.closed == When::observed(truth.closed),
            "closed as observed", lease);
    require(truth.left ? admits(*lease.freed, truth.freed)
                       : lease.freed == When::observed(truth.freed),
            "freed as observed", lease);
    if (truth.last_holder)
        require(process_of(lease, lease.last_holder) == truth.last_holder &&
                    lease.last_holder.provenance == Provenance::observed,
                "last holder as observed", lease);
    else
        require(lease.last_holder.provenance != Provenance::observed, "nobody was observed", lease);
}

RC_GTEST_PROP(ExactLedgerProperty, TellsEveryLeaseToTheMicrosecond, ()) {
    const auto history = make_history(*history::exact_plans(without_loss));
    const Run run(history);
    std::map<const ExactOccupancy *, int> told_by;
    for (const auto &[_, lease] : run.leases) {
        const auto &truth = truth_of(history, lease);
        ++told_by[&truth];
        check_exact(lease, truth);
    }
    for (const auto &occupancy : history.occupancies)
        if (told_by[&occupancy] != 1)
            RC_FAIL(told(told_by[&occupancy], " leases of cookie ", occupancy.socket.value,
                         " on port ", occupancy.local.port));
    RC_ASSERT(run.ledger.open_leases() == 0U);
    RC_ASSERT(run.ledger.unseen_sockets() == 0U);
}

// What is in the store and in the journal, and the ledger that was killed after it was put there.
struct Instance {
    void stop_and_go_on() {
        std::vector<Lease> stored;
        for (const auto &[_, lease] : leases)
            stored.push_back(lease);
        LedgerNotes kept{.changed = {}, .forgotten = {}, .claims = claims};
        for (const auto &[_, note] : notes)
            kept.changed.push_back(note);
        ledger = std::make_unique<Ledger>();
        ledger->resume(stored, kept, {});
    }

    void commit() {
        LedgerNotes news;
        for (const auto &lease : ledger->take_changes(&news))
            leases.insert_or_assign(lease.serial, lease);
        for (const auto &note : news.changed)
            notes.insert_or_assign(note.serial, note);
        for (const auto serial : news.forgotten)
            notes.erase(serial);
        claims = news.claims;
    }

    std::unique_ptr<Ledger> ledger = std::make_unique<Ledger>();
    std::map<std::int64_t, Lease> leases;
    std::map<std::int64_t, LedgerNote> notes;
    std::vector<HolderSeen> claims;
};

RC_GTEST_PROP(ExactLedgerProperty, GoesOnInAnotherInstanceAsIfItHadNeverStopped, ()) {
    const auto history = make_history(*history::exact_plans(without_loss));
    const auto every = static_cast<std::size_t>(*rc::gen::inRange(1, 20));
    Instance instance;
    std::size_t applied = 0;
    for (const auto &observation : history.observations) {
        instance.ledger->apply(observation);
        if (++applied % every != 0)
            continue;
        instance.commit();
        instance.stop_and_go_on();
    }
    instance.commit();
    std::map<const ExactOccupancy *, int> told_by;
    for (const auto &[_, lease] : instance.leases) {
        const auto &truth = truth_of(history, lease);
        ++told_by[&truth];
        check_form(lease);
        check_exact(lease, truth);
    }
    for (const auto &occupancy : history.occupancies)
        if (told_by[&occupancy] != 1)
            RC_FAIL(told(told_by[&occupancy], " leases of cookie ", occupancy.socket.value,
                         " on port ", occupancy.local.port));
    RC_ASSERT(instance.ledger->open_leases() == 0U);
    RC_ASSERT(instance.ledger->unseen_sockets() == 0U);
}

RC_GTEST_PROP(ExactLedgerProperty, LeavesOutNothingOfWhatIsLeftOfNews, ()) {
    const auto history = make_history(*history::exact_plans(with_loss));
    const Run run(history);
    for (const auto &occupancy : history.occupancies) {
        const auto leases = std::ranges::count_if(
            run.leases, [&](const auto &named) { return is_about(named.second, occupancy); });
        if (leases != (occupancy.is_observed ? 1 : 0))
            RC_FAIL(told(leases, " leases of cookie ", occupancy.socket.value, " on port ",
                         occupancy.local.port));
    }
}

RC_GTEST_PROP(ExactLedgerProperty, TakesNoNoticeOfWhatItHasHeard, ()) {
    const auto history = make_history(*history::exact_plans(with_loss));
    const Run once(history), twice(history, 2);
    RC_ASSERT(once.ledger.unseen_sockets() == twice.ledger.unseen_sockets());
    RC_ASSERT(once.leases.size() == twice.leases.size());
    for (const auto &[serial, lease] : once.leases)
        if (twice.leases.at(serial) != lease)
            RC_FAIL(told("once: ", lease, "\ntwice: ", twice.leases.at(serial)));
}

} // namespace
} // namespace portd::model
