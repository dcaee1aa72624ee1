// What must hold of the ledger whatever happened, and however the news of it were distorted.
#include "unit/model/history.hpp"
#include "unit/model/properties.hpp"
#include "unit/model/script.hpp"

#include <algorithm>
#include <map>
#include <rapidcheck/gtest.h>
#include <set>
#include <stdexcept>

namespace portd::model {
namespace {

using history::Distortion;
using history::History;
using history::Occupancy;
using namespace properties;

constexpr Distortion in_order{};
constexpr Distortion repeated_and_late{.may_delay = true, .may_repeat = true};
constexpr Distortion anything{
    .may_delay = true, .may_lose = true, .may_fail = true, .may_repeat = true};

bool is_sure(const When &when) {
    return when.provenance == Provenance::observed || when.provenance == Provenance::sampled;
}

bool admits(const When &when, Instant from, Instant until) {
    return (!when.earliest || *when.earliest <= until) && (!when.latest || from <= *when.latest);
}

void check_opening(const Lease &lease, const Occupancy &truth) {
    if (is_sure(lease.opened) && !admits(lease.opened, truth.opened, truth.opened))
        RC_FAIL(told("opened at ", to_us(truth.opened), "us, but ", lease));
}

// A destroy event counts as the moment when the holder let go, although the kernel may have gone on
// alone for a while: anything between the two is right.
void check_end(const Lease &lease, const Occupancy &truth) {
    if (lease.closed && is_sure(*lease.closed) &&
        !admits(*lease.closed, truth.closed, truth.destroyed))
        RC_FAIL(told("closed between ", to_us(truth.closed), "us and ", to_us(truth.destroyed),
                     "us, but ", lease));
    if (lease.freed && is_sure(*lease.freed) && !admits(*lease.freed, truth.freed, truth.freed))
        RC_FAIL(told("freed at ", to_us(truth.freed), "us, but ", lease));
}

// Letting go is told of a process, not of an image: if the news of an exec is late, the old image
// counts as there until its process lets go.
void check_holders(const Lease &lease, const Occupancy &truth) {
    for (const auto &holder : lease.holders) {
        const auto was_there = [&](const history::Possession &possession) {
            return possession.image == holder.process && possession.from <= holder.first_seen &&
                   holder.first_seen <= possession.until;
        };
        const auto was_there_still = [&](const history::Possession &possession) {
            return possession.image->key == holder.process->key &&
                   holder.last_seen <= possession.until;
        };
        require(std::ranges::any_of(truth.possessions, was_there) &&
                    std::ranges::any_of(truth.possessions, was_there_still),
                "holders are true", lease);
    }
}

// Applies the observations and takes the changes after every `batch` of them.
class Run {
  public:
    explicit Run(const History &history, int times = 1, std::size_t batch = 7) : history_(history) {
        std::size_t applied = 0;
        for (const auto &observation : history.observations) {
            for (int i = 0; i < times; ++i)
                ledger.apply(observation);
            if (++applied % batch == 0)
                take();
        }
        take();
    }

    const Occupancy &truth_of(const Lease &lease) const {
        for (const auto &occupancy : history_.occupancies)
            if ((lease.id.socket == occupancy.socket || lease.id.socket == occupancy.time_wait) &&
                lease.local.port == occupancy.local.port)
                return occupancy;
        throw std::logic_error(told("lease of a socket that never was: ", lease));
    }

    Ledger ledger;
    std::map<std::int64_t, Lease> leases; // every one, in its last state

  private:
    void take() {
        std::set<std::int64_t> serials;
        for (const auto &lease : ledger.take_changes()) {
            require(serials.insert(lease.serial).second, "each lease once", lease);
            check_form(lease);
            const auto &truth = truth_of(lease);
            check_opening(lease, truth);
            check_holders(lease, truth);
            leases.insert_or_assign(lease.serial, lease);
        }
    }

    const History &history_;
};

void check_all(const History &history) {
    const Run run(history);
    std::map<const Occupancy *, int> told_by;
    for (const auto &[_, lease] : run.leases) {
        const auto &truth = run.truth_of(lease);
        ++told_by[&truth];
        check_end(lease, truth);
        require(lease.freed.has_value(), "everything has ended", lease);
    }
    for (const auto &occupancy : history.occupancies)
        if (const auto leases = told_by[&occupancy]; leases != (occupancy.is_observed ? 1 : 0))
            RC_FAIL(told(leases, " leases of cookie ", occupancy.socket.value, " on port ",
                         occupancy.local.port));
    RC_ASSERT(run.ledger.open_leases() == 0U);
}

RC_GTEST_PROP(LedgerProperty, TellsTheTruthOfOrderlyNews, ()) {
    check_all(make_history(*history::plans(in_order)));
}

RC_GTEST_PROP(LedgerProperty, TellsTheTruthOfRepeatedAndLateNews, ()) {
    check_all(make_history(*history::plans(repeated_and_late)));
}

RC_GTEST_PROP(LedgerProperty, TellsTheTruthOfWhatIsLeftOfNews, ()) {
    check_all(make_history(*history::plans(anything)));
}

RC_GTEST_PROP(LedgerProperty, ClaimsOnlyTrueRoles, ()) {
    const auto history = make_history(*history::plans({.may_fail = true, .may_repeat = true}));
    const Run run(history);
    for (const auto &[_, lease] : run.leases)
        require(!lease.role || lease.role == run.truth_of(lease).role, "true role", lease);
}

RC_GTEST_PROP(LedgerProperty, TakesNoNoticeOfWhatItHasHeard, ()) {
    const auto history = make_history(*history::plans(anything));
    const Run once(history), twice(history, 2);
    RC_ASSERT(once.ledger.unseen_sockets() == twice.ledger.unseen_sockets());
    RC_ASSERT(once.leases.size() == twice.leases.size());
    for (const auto &[serial, lease] : once.leases)
        if (twice.leases.at(serial) != lease)
            RC_FAIL(told("once: ", lease, "\ntwice: ", twice.leases.at(serial)));
}

RC_GTEST_PROP(LedgerProperty, TellsTheSameHoweverOftenItIsAsked, ()) {
    const auto history = make_history(*history::plans(anything));
    const Run often(history, 1, 1), once(history, 1, history.observations.size());
    RC_ASSERT(often.leases == once.leases);
}

} // namespace
} // namespace portd::model
