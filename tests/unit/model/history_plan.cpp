#include "unit/model/history.hpp"

#include <algorithm>
#include <ostream>

namespace portd::model::history {
namespace {

using rc::gen::inRange;

// 0 for most, so that shrinking and chance both lead to plain histories.
rc::Gen<int> sometimes(int limit) {
    return rc::gen::weightedOneOf<int>({{3, rc::gen::just(0)}, {2, inRange(1, limit)}});
}

rc::Gen<int> only_if(bool allowed, rc::Gen<int> generator) {
    return allowed ? std::move(generator) : rc::gen::just(0);
}

rc::Gen<bool> perhaps(bool allowed) {
    return allowed ? rc::gen::weightedElement<bool>({{4, false}, {1, true}}) : rc::gen::just(false);
}

rc::Gen<SocketPlan> sockets(const Distortion &distortion) {
    using Kind = SocketPlan::Kind;
    return rc::gen::build<SocketPlan>(
        rc::gen::set(&SocketPlan::kind,
                     rc::gen::element(Kind::client, Kind::refused, Kind::service, Kind::datagram)),
        rc::gen::set(&SocketPlan::network_namespace, inRange<std::uint32_t>(0, 2)),
        rc::gen::set(&SocketPlan::family, rc::gen::element(Family::ipv4, Family::ipv6)),
        rc::gen::set(&SocketPlan::opened_ms, inRange(0, 8000)),
        rc::gen::set(&SocketPlan::held_ms, inRange(1, 5000)),
        rc::gen::set(&SocketPlan::orphaned_ms, sometimes(2000)),
        rc::gen::set(&SocketPlan::lingers_ms, sometimes(4000)),
        rc::gen::set(&SocketPlan::keeps_cookie),
        rc::gen::set(&SocketPlan::accepted_held_ms, inRange(1, 5000)),
        rc::gen::set(&SocketPlan::idle_ms, sometimes(5000)),
        rc::gen::set(&SocketPlan::moves_after_ms, sometimes(3000)),
        rc::gen::set(&SocketPlan::forks_after_ms, sometimes(3000)),
        rc::gen::set(&SocketPlan::execs_after_ms, sometimes(3000)),
        rc::gen::set(&SocketPlan::delay_ms, only_if(distortion.may_delay, sometimes(1900))),
        rc::gen::set(&SocketPlan::uncertain_ms, only_if(distortion.may_delay, sometimes(200))),
        rc::gen::set(&SocketPlan::is_lost, perhaps(distortion.may_lose)));
}

rc::Gen<ScanPlan> scans(const Distortion &distortion) {
    return rc::gen::build<ScanPlan>(
        rc::gen::set(&ScanPlan::pause_ms, inRange(20, 2500)),
        rc::gen::set(&ScanPlan::takes_ms, inRange(2, 40)),
        rc::gen::set(&ScanPlan::lag_ms, sometimes(10)),
        rc::gen::set(&ScanPlan::is_complete, rc::gen::map(perhaps(distortion.may_fail),
                                                          [](bool fails) { return !fails; })));
}

rc::Gen<RepeatPlan> repeats() {
    return rc::gen::build<RepeatPlan>(rc::gen::set(&RepeatPlan::which, inRange(0, 5000)),
                                      rc::gen::set(&RepeatPlan::delay_ms, sometimes(1900)));
}

const char *name(SocketPlan::Kind kind) {
    switch (kind) {
    case SocketPlan::Kind::client:
        return "client";
    case SocketPlan::Kind::refused:
        return "refused";
    case SocketPlan::Kind::service:
        return "service";
    case SocketPlan::Kind::datagram:
        return "datagram";
    }
    return "";
}

void show_unless_zero(const char *what, int value, std::ostream &out) {
    if (value != 0)
        out << ", " << what << " " << value;
}

} // namespace

rc::Gen<Plan> plans(const Distortion &distortion) {
    auto no_repeats = rc::gen::just(std::vector<RepeatPlan>{});
    return rc::gen::build<Plan>(
        rc::gen::set(&Plan::sockets,
                     rc::gen::container<std::vector<SocketPlan>>(sockets(distortion))),
        rc::gen::set(&Plan::scans, rc::gen::container<std::vector<ScanPlan>>(scans(distortion))),
        rc::gen::set(&Plan::repeats, distortion.may_repeat
                                         ? rc::gen::container<std::vector<RepeatPlan>>(repeats())
                                         : std::move(no_repeats)));
}

void showValue(const Plan &plan, std::ostream &out) {
    for (const auto &socket : plan.sockets) {
        out << "\n  " << name(socket.kind) << " in namespace " << socket.network_namespace << ", "
            << to_string(socket.family) << ", opened at " << socket.opened_ms << " ms, held for "
            << socket.held_ms;
        show_unless_zero("orphaned for", socket.orphaned_ms, out);
        show_unless_zero("lingers for", socket.lingers_ms, out);
        out << (socket.keeps_cookie ? " with the same cookie" : "");
        if (socket.kind == SocketPlan::Kind::service)
            show_unless_zero("accepted connection held for", socket.accepted_held_ms, out);
        show_unless_zero("idle for", socket.idle_ms, out);
        show_unless_zero("moves after", socket.moves_after_ms, out);
        show_unless_zero("forks after", socket.forks_after_ms, out);
        show_unless_zero("execs after", socket.execs_after_ms, out);
        show_unless_zero("news late by", socket.delay_ms, out);
        show_unless_zero("event uncertain by", socket.uncertain_ms, out);
        out << (socket.is_lost ? ", event lost" : "");
    }
    for (const auto &scan : plan.scans) {
        out << "\n  scans after " << scan.pause_ms << " ms, each takes " << scan.takes_ms;
        show_unless_zero("rows stamped late by", scan.lag_ms, out);
        out << (scan.is_complete ? "" : ", failing");
    }
    for (const auto &repeat : plan.repeats) {
        out << "\n  observation " << repeat.which << " comes twice";
        show_unless_zero("after", repeat.delay_ms, out);
    }
    const auto history = make_history(plan);
    const auto is_of_a_table_in_use = [&](const Observation &observation) {
        const auto is_used = [&](const Table &table) {
            return std::ranges::any_of(history.occupancies,
                                       [&](const auto &o) { return o.table == table; });
        };
        if (const auto *started = std::get_if<ScanStarted>(&observation))
            return is_used(started->table);
        if (const auto *finished = std::get_if<ScanFinished>(&observation))
            return is_used(finished->table);
        return true;
    };
    out << "\n  observations:";
    for (const auto &observation : history.observations) {
        if (!is_of_a_table_in_use(observation))
            continue;
        out << "\n    ";
        print(observation, out);
    }
    out << "\n";
}

} // namespace portd::model::history
