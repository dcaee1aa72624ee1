#include "unit/model/history_exact.hpp"

#include <ostream>

namespace portd::model::history {
namespace {

using Kind = ExactSocketPlan::Kind;
using End = ExactSocketPlan::End;

const char *name(Kind kind) {
    const char *const names[] = {"client", "retrying client", "accepted", "datagram",
                                 "moving datagram"};
    return names[static_cast<std::size_t>(kind)];
}

const char *name(End end) {
    const char *const names[] = {"active", "passive", "shutdown", "reset"};
    return names[static_cast<std::size_t>(end)];
}

rc::Gen<int> sometimes(int limit) {
    return rc::gen::weightedOneOf<int>({{3, rc::gen::just(0)}, {2, rc::gen::inRange(1, limit)}});
}

rc::Gen<int> only_if(bool allowed, rc::Gen<int> generator) {
    return allowed ? std::move(generator) : rc::gen::just(0);
}

rc::Gen<ExactSocketPlan> exact_sockets(const Distortion &distortion) {
    using Plan = ExactSocketPlan;
    using rc::gen::inRange;
    return rc::gen::build<Plan>(
        rc::gen::set(&Plan::kind,
                     rc::gen::element(Kind::client, Kind::retrying_client, Kind::accepted,
                                      Kind::datagram, Kind::moving_datagram)),
        rc::gen::set(&Plan::end,
                     rc::gen::element(End::active, End::passive, End::shutdown, End::reset)),
        rc::gen::set(&Plan::family, rc::gen::element(Family::ipv4, Family::ipv6)),
        rc::gen::set(&Plan::opened_ms, inRange(200, 6000)),
        rc::gen::set(&Plan::held_ms, inRange(1, 3000)),
        rc::gen::set(&Plan::step_ms, inRange(1, 300)),
        rc::gen::set(&Plan::accept_ms, inRange(1, 300)),
        rc::gen::set(&Plan::after_ms, inRange(1, 1500)),
        rc::gen::set(&Plan::lingers_ms, inRange(60'000, 67'000)),
        rc::gen::set(&Plan::peer_has_closed), rc::gen::set(&Plan::is_bound),
        rc::gen::set(&Plan::forks_after_ms, sometimes(2000)),
        rc::gen::set(&Plan::parent_ends_after_ms, sometimes(1000)),
        rc::gen::set(&Plan::reused_after_ms, sometimes(3000)),
        rc::gen::set(&Plan::delay_ms, only_if(distortion.may_delay, sometimes(1900))),
        rc::gen::set(&Plan::lost, only_if(distortion.may_lose, sometimes(6))));
}

} // namespace

rc::Gen<ExactPlan> exact_plans(const Distortion &distortion) {
    const auto repeats = rc::gen::container<std::vector<RepeatPlan>>(
        rc::gen::build<RepeatPlan>(rc::gen::set(&RepeatPlan::which, rc::gen::inRange(0, 500)),
                                   rc::gen::set(&RepeatPlan::delay_ms, rc::gen::inRange(0, 1900))));
    return rc::gen::build<ExactPlan>(
        rc::gen::set(&ExactPlan::sockets,
                     rc::gen::resize(20, rc::gen::container<std::vector<ExactSocketPlan>>(
                                             exact_sockets(distortion)))),
        rc::gen::set(&ExactPlan::repeats,
                     distortion.may_repeat ? repeats : rc::gen::just(std::vector<RepeatPlan>{})),
        rc::gen::set(&ExactPlan::scope, rc::gen::element(Scope::nothing, Scope::held, Scope::all)),
        rc::gen::set(&ExactPlan::scans_every_ms, rc::gen::inRange(100, 2500)));
}

void showValue(const ExactPlan &plan, std::ostream &out) {
    for (const auto &s : plan.sockets)
        out << "\n  " << name(s.kind) << ", end " << name(s.end) << ", " << to_string(s.family)
            << ", opened at " << s.opened_ms << " ms, held for " << s.held_ms << ", steps of "
            << s.step_ms << ", accepted after " << s.accept_ms << ", ends apart by " << s.after_ms
            << ", lingers for " << s.lingers_ms << (s.peer_has_closed ? "" : ", half closed")
            << (s.is_bound ? ", bound" : "") << ", forks after " << s.forks_after_ms
            << ", parent ends after " << s.parent_ends_after_ms << ", reused after "
            << s.reused_after_ms << ", every second event late by " << s.delay_ms
            << ", one lost of " << s.lost;
    for (const auto &repeat : plan.repeats)
        out << "\n  observation " << repeat.which << " comes twice after " << repeat.delay_ms;
    out << "\n  scans " << static_cast<int>(plan.scope) << " every " << plan.scans_every_ms
        << "\n  observations:";
    for (const auto &observation : make_history(plan).observations) {
        const bool is_scan = std::holds_alternative<ScanStarted>(observation) ||
                             std::holds_alternative<ScanFinished>(observation) ||
                             std::holds_alternative<TimePassed>(observation);
        if (is_scan && plan.scope == Scope::nothing)
            continue;
        out << "\n    ";
        print(observation, out);
    }
    out << "\n";
}

} // namespace portd::model::history
