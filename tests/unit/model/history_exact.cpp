#include "unit/model/history_exact.hpp"

#include "unit/model/script.hpp"

#include <algorithm>

namespace portd::model::history {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Kind = ExactSocketPlan::Kind;
using End = ExactSocketPlan::End;
using Remains = SocketClosed::Remains;

constexpr milliseconds clock_tick{10}; // of process start times, proc(5)
constexpr milliseconds longest_delay{1900};

Instant tick_of(Instant at) {
    return Instant{std::chrono::floor<milliseconds>(at.time_since_epoch()) / clock_tick *
                   clock_tick};
}

class ExactKernel {
  public:
    explicit ExactKernel(const ExactPlan &plan) : plan_(plan) {}

    ExactHistory run() {
        for (std::size_t i = 0; i < plan_.sockets.size(); ++i)
            live(plan_.sockets[i], static_cast<int>(i));
        std::ranges::stable_sort(news_, std::less{}, &News::true_at);
        distort();
        repeat_some();
        scan();
        pass_time();
        std::ranges::stable_sort(news_, std::less{}, &News::comes_at);
        for (auto &news : news_)
            history_.observations.push_back(std::move(news.observation));
        return std::move(history_);
    }

  private:
    struct News {
        Instant true_at;
        Observation observation;
        const ExactSocketPlan *plan = nullptr; // of the socket that it tells of
        std::optional<std::size_t> occupancy;
        Instant comes_at = true_at;
    };

    // One socket that is being told of.
    struct Telling {
        const ExactSocketPlan &plan;
        std::size_t occupancy;
        ProcessRef opener;
    };

    Instant at(const ExactSocketPlan &plan, int number, int ms) const {
        return Instant{milliseconds(plan.opened_ms + ms)} + microseconds(1 + 2 * number);
    }

    void tell(const Telling &t, Instant when, Observation observation) {
        news_.push_back({when, std::move(observation), &t.plan, t.occupancy});
    }

    Telling begin(const ExactSocketPlan &plan, int number, Role role, std::uint16_t port,
                  Instant opened) {
        const bool v6 = plan.family == Family::ipv6;
        ExactOccupancy o;
        o.socket = script::cookie(1 + history_.occupancies.size());
        o.table = {role == Role::datagram ? Protocol::udp : Protocol::tcp, plan.family,
                   script::here};
        o.local = script::endpoint(v6 ? "2001:db8::1" : "192.0.2.1", port);
        o.peer = role == Role::listener
                     ? script::none(plan.family)
                     : script::endpoint(v6 ? "2001:db8::7" : "198.51.100.7", 443);
        o.role = role;
        o.opened = opened;
        o.opener = script::process(1000 + 10 * number, tick_of(opened), "opener", {1});
        history_.occupancies.push_back(o);
        return {plan, history_.occupancies.size() - 1, o.opener};
    }

    ExactOccupancy &truth(const Telling &t) { return history_.occupancies[t.occupancy]; }

    void take(const Telling &t, Instant when, Phase phase, const ProcessRef &process) {
        const auto &o = truth(t);
        const bool connects = phase >= Phase::connecting;
        const bool decided = phase != Phase::bound || o.role == Role::datagram;
        tell(t, when,
             PortTaken{.key = o.socket,
                       .protocol = o.table.protocol,
                       .local = o.local,
                       .peer = connects ? o.peer : script::none(t.plan.family),
                       .phase = phase,
                       .role = decided ? std::optional(o.role) : std::nullopt,
                       .port_choice = std::nullopt,
                       .uid = 1000,
                       .process = process,
                       .at = when});
    }

    void leave(const Telling &t, Instant when, Remains remains, Outcome outcome) {
        auto &o = truth(t);
        o.outcome = outcome;
        tell(t, when,
             SocketClosed{.key = o.socket,
                          .local = o.local,
                          .peer = o.peer,
                          .tcp = std::nullopt,
                          .outcome = outcome,
                          .remains = remains,
                          .peer_has_closed = t.plan.peer_has_closed,
                          .at = when});
    }

    void release(const Telling &t, Instant when, bool frees_port) {
        auto &o = truth(t);
        const auto &last = o.possessions.back();
        tell(t, when,
             SocketReleased{.key = o.socket,
                            .protocol = o.table.protocol,
                            .local = o.local,
                            .peer = o.peer,
                            .uid = std::nullopt,
                            .tcp = std::nullopt,
                            .process = last.image,
                            .frees_port = frees_port,
                            .at = when});
        // A child that began after the end never had the port.
        if (last.image->key.started_at <= o.closed)
            o.last_holder = last.image;
    }

    // Who has the socket from `from` on, and until `until`. The opener has done its part at `made`.
    void hold(const Telling &t, Instant from, Instant made, Instant until) {
        auto &held = truth(t).possessions;
        held.push_back({t.opener, from, until});
        const Instant forked = made + milliseconds(t.plan.forks_after_ms);
        if (t.plan.forks_after_ms == 0 || forked >= until)
            return;
        held.push_back({script::process(t.opener->key.pid + 1, tick_of(forked), "child",
                                        {t.opener->key.pid, 1}),
                        forked, until});
        const Instant ended = forked + milliseconds(t.plan.parent_ends_after_ms);
        if (t.plan.parent_ends_after_ms == 0 || ended >= until)
            return;
        held.front().until = ended;
        tell(t, ended, ProcessEnded{t.opener, ended});
    }

    void live(const ExactSocketPlan &plan, int number) {
        const auto port = static_cast<std::uint16_t>(40000 + 4 * number);
        switch (plan.kind) {
        case Kind::client:
            connect(begin(plan, number, Role::client, port, at(plan, number, 0)), number);
            return;
        case Kind::retrying_client:
            retry(begin(plan, number, Role::client, port, at(plan, number, 0)), number);
            return;
        case Kind::accepted:
            serve(plan, number, port);
            return;
        case Kind::datagram:
        case Kind::moving_datagram:
            exchange(begin(plan, number, Role::datagram, port, at(plan, number, 0)), number);
            return;
        }
    }

    void connect(const Telling &t, int number) {
        const auto &plan = t.plan;
        const Instant opened = truth(t).opened;
        const Instant connecting = at(plan, number, plan.is_bound ? plan.step_ms : 0);
        const Instant connected = connecting + milliseconds(plan.step_ms);
        if (plan.is_bound)
            take(t, opened, Phase::bound, t.opener);
        take(t, connecting, Phase::connecting, t.opener);
        take(t, connected, Phase::connected, nullptr);
        finish(t, opened, connected, connected + milliseconds(plan.held_ms));
    }

    // The connection ends in one of the ways; `ends` is when the first thing happens.
    void finish(const Telling &t, Instant held_from, Instant made, Instant ends) {
        const auto &plan = t.plan;
        auto &o = truth(t);
        const Instant later = ends + milliseconds(plan.after_ms);
        const bool releases_first = plan.end == End::active || plan.end == End::passive;
        const Instant released = releases_first ? ends : later;
        const Instant left = releases_first ? later : ends;
        o.closed = ends;
        o.freed = left;
        hold(t, held_from, made, released);
        switch (plan.end) {
        case End::active:
        case End::shutdown:
            o.left = left;
            o.freed = left + milliseconds(plan.lingers_ms + (plan.peer_has_closed ? 0 : 30'000));
            leave(t, left, Remains::time_wait, Outcome::closed);
            break;
        case End::passive:
            leave(t, left, Remains::nothing, Outcome::closed);
            break;
        case End::reset:
            if (plan.is_bound && plan.kind == Kind::client)
                o.closed = o.freed = released;
            leave(t, left, o.freed == released ? Remains::bound : Remains::nothing, Outcome::reset);
            break;
        }
        release(t, released, plan.end == End::reset);
        if (o.left && plan.reused_after_ms > 0)
            reuse(t);
    }

    // Another socket connects from the port to the peer while the first one is in TIME_WAIT.
    void reuse(const Telling &t) {
        const int number = static_cast<int>(plan_.sockets.size() + history_.occupancies.size());
        const Instant taken = std::max(truth(t).closed, *truth(t).left) +
                              milliseconds(t.plan.reused_after_ms) + microseconds(1);
        if (t.plan.kind == Kind::accepted || taken >= truth(t).freed)
            return;
        truth(t).freed = taken;
        const auto next = begin(t.plan, number, Role::client, truth(t).local.port, taken);
        take(next, taken, Phase::connecting, next.opener);
        const Instant refused = taken + milliseconds(t.plan.step_ms);
        truth(next).closed = truth(next).freed = refused;
        leave(next, refused, Remains::nothing, Outcome::refused);
        const Instant released = refused + milliseconds(1);
        truth(next).possessions.push_back({next.opener, taken, released});
        release(next, released, true);
    }

    void retry(const Telling &t, int number) {
        const auto &plan = t.plan;
        const Instant opened = truth(t).opened;
        const Instant refused = opened + milliseconds(plan.step_ms);
        take(t, opened, Phase::connecting, t.opener);
        leave(t, refused, Remains::nothing, Outcome::refused);
        truth(t).closed = truth(t).freed = refused;
        const Instant again = refused + milliseconds(plan.after_ms);
        const auto second = follow(t, number, again);
        take(second, again, Phase::connecting, t.opener);
        const Instant connected = again + milliseconds(plan.step_ms);
        take(second, connected, Phase::connected, nullptr);
        finish(second, opened, connected, connected + milliseconds(plan.held_ms));
        truth(t).possessions = truth(second).possessions;
    }

    // The next lease of the same socket.
    Telling follow(const Telling &t, int number, Instant opened) {
        const auto port = static_cast<std::uint16_t>(truth(t).local.port + 1);
        auto second = begin(t.plan, number, truth(t).role, port, opened);
        second.opener = truth(second).opener = t.opener;
        truth(second).socket = truth(t).socket;
        return second;
    }

    void serve(const ExactSocketPlan &plan, int number, std::uint16_t port) {
        const Instant opened = at(plan, number, 0);
        const auto listener = begin(plan, number, Role::listener, port, opened);
        take(listener, opened, Phase::bound, listener.opener);
        take(listener, opened + milliseconds(plan.step_ms), Phase::listening, listener.opener);
        auto accepted =
            begin(plan, number, Role::accepted, port, opened + milliseconds(2 * plan.step_ms));
        accepted.opener = truth(accepted).opener = listener.opener;
        const Instant connected = truth(accepted).opened;
        take(accepted, connected, Phase::connected, nullptr);
        const Instant held_from = connected + milliseconds(plan.accept_ms);
        tell(accepted, held_from,
             HolderSeen{truth(accepted).socket, accepted.opener, held_from, Claim::opened});
        // A peer may reset it before somebody accepts it.
        const Instant ends = plan.end == End::reset && plan.after_ms > plan.accept_ms
                                 ? connected + milliseconds(1)
                                 : held_from + milliseconds(plan.held_ms);
        finish(accepted, held_from, held_from, ends);
        const Instant stops = held_from + milliseconds(plan.held_ms + 1);
        auto &o = truth(listener);
        o.closed = o.freed = stops;
        o.possessions.push_back({listener.opener, opened, stops});
        release(listener, stops, true);
        leave(listener, stops + microseconds(1), Remains::nothing, Outcome::closed);
    }

    void exchange(const Telling &t, int number) {
        const auto &plan = t.plan;
        const Instant opened = truth(t).opened;
        if (plan.is_bound)
            take(t, opened, Phase::bound, t.opener);
        take(t, at(plan, number, plan.is_bound ? plan.step_ms : 0), Phase::connected, t.opener);
        const Instant moved = opened + milliseconds(plan.step_ms + plan.after_ms);
        const Instant closed = moved + milliseconds(plan.held_ms);
        const bool moves = plan.kind == Kind::moving_datagram;
        const Telling last = moves ? follow(t, number, moved) : t;
        if (moves) {
            take(last, moved, Phase::connected, t.opener);
            truth(t).closed = truth(t).freed = moved;
            truth(t).left = moved;
        }
        truth(last).closed = truth(last).freed = closed;
        hold(last, opened, moved, closed);
        truth(t).possessions = truth(last).possessions;
        release(last, closed, true);
    }

    // Every second event is late, and some are lost.
    void distort() {
        std::vector<News> left;
        for (std::size_t i = 0; i < news_.size(); ++i) {
            auto &news = news_[i];
            const auto &plan = *news.plan;
            if (plan.lost > 0 && (i * 7 + 3) % static_cast<std::size_t>(plan.lost) == 0)
                continue;
            if (i % 2 == 0)
                news.comes_at += milliseconds(plan.delay_ms);
            const bool has_port = !std::holds_alternative<HolderSeen>(news.observation) &&
                                  !std::holds_alternative<ProcessEnded>(news.observation);
            if (has_port)
                history_.occupancies[*news.occupancy].is_observed = true;
            left.push_back(std::move(news));
        }
        news_ = std::move(left);
    }

    void repeat_some() {
        if (news_.empty())
            return;
        const auto original = news_.size();
        for (const auto &repeat : plan_.repeats) {
            News again = news_[static_cast<std::size_t>(repeat.which) % original];
            again.comes_at = std::min(again.comes_at + milliseconds(repeat.delay_ms),
                                      again.true_at + longest_delay);
            news_.push_back(std::move(again));
        }
    }

    std::optional<SocketSeen> row_at(const ExactOccupancy &o, Instant when) const {
        const bool moved = o.left && o.table.protocol == Protocol::udp;
        const bool in_time_wait = o.left && !moved && when >= *o.left;
        if (when < o.opened || when >= o.freed)
            return std::nullopt;
        const bool held = std::ranges::any_of(
            o.possessions, [&](const auto &p) { return p.from <= when && when < p.until; });
        if (plan_.scope == Scope::held && (!held || in_time_wait))
            return std::nullopt;
        SocketSeen row{.key = o.socket,
                       .protocol = o.table.protocol,
                       .local = o.local,
                       .peer = o.peer,
                       .state = SocketState::established,
                       .uid = 1000,
                       .inode = 5,
                       .at = when};
        if (o.role == Role::listener)
            row.state = SocketState::listen;
        if (!held || in_time_wait)
            row.uid = row.inode = 0;
        if (in_time_wait)
            row.state = SocketState::time_wait;
        else if (when >= o.closed)
            row.state = SocketState::last_ack;
        return row;
    }

    void scan_table(const Table &table, Instant began) {
        const Instant read = began + milliseconds(4), finished = began + milliseconds(8);
        const auto come = [&](Instant when, Observation observation) {
            news_.push_back({when, std::move(observation), nullptr, std::nullopt});
        };
        come(began, ScanStarted{table, began});
        for (auto &o : history_.occupancies) {
            const auto row = o.table == table ? row_at(o, read) : std::nullopt;
            if (!row)
                continue;
            come(read, *row);
            o.is_observed = true;
            for (const auto &p : o.possessions)
                if (p.from <= read && read < p.until && row->inode != 0)
                    come(read, HolderSeen{o.socket, p.image, read});
        }
        come(finished, ScanFinished{table, finished, plan_.scope});
    }

    // Scans of what still lingers need not be that frequent.
    void scan() {
        if (plan_.scope == Scope::nothing)
            return;
        Instant now{milliseconds(100)};
        while (now < over()) {
            for (const auto protocol : {Protocol::tcp, Protocol::udp})
                for (const auto family : {Family::ipv4, Family::ipv6})
                    scan_table({protocol, family, script::here}, now);
            const bool is_busy = now < Instant{milliseconds(20'000)};
            now += is_busy ? milliseconds(plan_.scans_every_ms) : milliseconds(7'000);
        }
    }

    void pass_time() {
        for (Instant now{milliseconds(500)}; now < over(); now += milliseconds(900))
            news_.push_back({now + longest_delay, TimePassed{now}, nullptr, std::nullopt});
    }

    // When everything is settled.
    Instant over() const {
        Instant latest{};
        for (const auto &o : history_.occupancies)
            latest = std::max({latest, o.freed, o.left.value_or(o.freed) + milliseconds(136'000)});
        return latest + milliseconds(20'000);
    }

    const ExactPlan &plan_;
    ExactHistory history_;
    std::vector<News> news_;
};

} // namespace

ExactHistory make_history(const ExactPlan &plan) {
    return ExactKernel(plan).run();
}

} // namespace portd::model::history
