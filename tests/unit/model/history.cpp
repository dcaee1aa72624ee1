#include "unit/model/history.hpp"

#include "unit/model/script.hpp"

#include <algorithm>
#include <array>
#include <ostream>

namespace portd::model::history {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::array<std::uint32_t, 2> namespaces{4026531840, 4026532000};
constexpr milliseconds clock_tick{10}; // of process start times, proc(5)

// Times of sockets lie between those of scans, and no two are equal.
Instant at_ms(int ms, std::size_t index) {
    return Instant{milliseconds(ms)} + microseconds(1 + 2 * static_cast<int>(index));
}

Endpoint address(Family family, bool is_peer, std::uint16_t port) {
    return family == Family::ipv4 ? script::endpoint(is_peer ? "198.51.100.7" : "192.0.2.1", port)
                                  : script::endpoint(is_peer ? "2001:db8::7" : "2001:db8::1", port);
}

// Who had a socket that was opened and closed at these times.
std::vector<Possession> possessions(const SocketPlan &plan, std::size_t index, Instant opened,
                                    Instant closed) {
    const auto pid = static_cast<std::int32_t>(1000 + 10 * index);
    const Instant started = Instant{milliseconds(plan.opened_ms / 10 * 10)};
    std::vector<Possession> result{{script::process(pid, started, "opener", {1}), opened, closed}};
    const Instant forked = opened + milliseconds(plan.forks_after_ms);
    if (plan.forks_after_ms > 0 && forked < closed) {
        const Instant child_started{std::chrono::floor<milliseconds>(forked.time_since_epoch()) /
                                    clock_tick * clock_tick};
        result.push_back(
            {script::process(pid + 1, child_started, "opener", {pid, 1}), forked, closed});
        // The parent lets go halfway.
        result.front().until = forked + (closed - forked) / 2;
    }
    auto &opener = result.front();
    const Instant executed = opened + milliseconds(plan.execs_after_ms);
    if (plan.execs_after_ms > 0 && executed < opener.until) {
        result.push_back({script::process(pid, started, "program", {1}), executed, opener.until});
        result.front().until = executed;
    }
    return result;
}

class Kernel {
  public:
    explicit Kernel(const Plan &plan) : plan_(plan) {}

    History run() {
        for (std::size_t i = 0; i < plan_.sockets.size(); ++i)
            open(plan_.sockets[i], i);
        scan_all();
        tell_ends();
        tell_possessions();
        repeat_some();
        std::ranges::stable_sort(news_, std::less{}, &News::comes_at);
        for (auto &news : news_)
            history_.observations.push_back(std::move(news.observation));
        return std::move(history_);
    }

  private:
    struct News {
        Instant comes_at;
        Observation observation;
        Instant true_at = comes_at;
    };

    Occupancy &add(const SocketPlan &plan, Protocol protocol, Role role, std::uint16_t port) {
        const auto number = history_.occupancies.size();
        Occupancy occupancy;
        occupancy.table = {protocol, plan.family, namespaces[plan.network_namespace]};
        occupancy.socket = script::cookie(1 + number, occupancy.table.network_namespace);
        occupancy.time_wait = script::cookie(10'000 + number, occupancy.table.network_namespace);
        occupancy.local = address(plan.family, false, port);
        occupancy.peer =
            role == Role::listener ? script::none(plan.family) : address(plan.family, true, 443);
        occupancy.role = role;
        plan_of_.push_back(&plan);
        return history_.occupancies.emplace_back(occupancy);
    }

    void open(const SocketPlan &plan, std::size_t index) {
        const auto port = static_cast<std::uint16_t>(40000 + 2 * index);
        const Instant opened = at_ms(plan.opened_ms, 3 * index);
        const Instant closed = at_ms(plan.opened_ms + plan.held_ms, 3 * index);
        switch (plan.kind) {
        case SocketPlan::Kind::client:
            live(add(plan, Protocol::tcp, Role::client, port), plan, index, opened, closed, true);
            return;
        case SocketPlan::Kind::refused:
            live(add(plan, Protocol::tcp, Role::client, port), plan, index, opened, closed, false);
            return;
        case SocketPlan::Kind::service: {
            live(add(plan, Protocol::tcp, Role::listener, port), plan, index, opened, closed,
                 false);
            const Instant accepted = opened + (closed - opened) / 2;
            live(add(plan, Protocol::tcp, Role::accepted, port), plan, index, accepted,
                 accepted + milliseconds(plan.accepted_held_ms), true);
            return;
        }
        case SocketPlan::Kind::datagram:
            live(add(plan, Protocol::udp, Role::datagram, port), plan, index, opened, closed,
                 false);
            move(plan, port);
            return;
        }
    }

    static void live(Occupancy &occupancy, const SocketPlan &plan, std::size_t index,
                     Instant opened, Instant closed, bool handshake) {
        occupancy.handshake = handshake;
        occupancy.opened = opened;
        occupancy.closed = closed;
        occupancy.destroyed = closed + milliseconds(handshake ? plan.orphaned_ms : 0);
        occupancy.freed = occupancy.destroyed + milliseconds(handshake ? plan.lingers_ms : 0);
        occupancy.possessions = possessions(plan, index, opened, closed);
    }

    void move(const SocketPlan &plan, std::uint16_t port) {
        auto &first = history_.occupancies.back();
        const Instant moved = first.opened + milliseconds(plan.moves_after_ms);
        if (plan.moves_after_ms == 0 || moved >= first.closed)
            return;
        Occupancy second = first;
        second.local.port = static_cast<std::uint16_t>(port + 1);
        second.opened = moved;
        first.closed = first.destroyed = first.freed = moved;
        first.is_last_of_socket = false;
        plan_of_.push_back(plan_of_.back());
        history_.occupancies.push_back(second);
    }

    // The row that a scan finds when it comes by at `at`.
    static std::optional<SocketSeen> row_at(const Occupancy &o, Instant at) {
        if (at < o.opened || at >= o.freed)
            return std::nullopt;
        SocketSeen row{.key = o.socket,
                       .protocol = o.table.protocol,
                       .local = o.local,
                       .peer = o.peer,
                       .state = SocketState::established,
                       .uid = 1000,
                       .inode = 5,
                       .at = at};
        if (o.role == Role::listener)
            row.state = SocketState::listen;
        else if (o.table.protocol == Protocol::tcp && !o.handshake)
            row.state = SocketState::syn_sent;
        if (at < o.closed)
            return row;
        row.uid = row.inode = 0;
        row.state = at < o.destroyed ? SocketState::fin_wait1 : SocketState::time_wait;
        if (at >= o.destroyed)
            row.key = o.time_wait;
        return row;
    }

    // Listeners are read first; then each connection in its place, where its TIME_WAIT entry will
    // be too.
    static Instant read_at(const Occupancy &o, Instant began, milliseconds takes) {
        if (o.role == Role::listener)
            return began + takes / 4;
        const auto place = (o.local.port * 37) % 50;
        return began + takes / 2 + microseconds(takes) * place / 100;
    }

    void scan_table(const Table &table, Instant began, const ScanPlan &scan) {
        const milliseconds takes(scan.takes_ms);
        const Instant finished = began + takes;
        news_.push_back({began, ScanStarted{table, began}});
        const Instant readable_until = scan.is_complete ? finished : began + takes * 3 / 4;
        for (std::size_t i = 0; i < history_.occupancies.size(); ++i) {
            auto &o = history_.occupancies[i];
            const Instant at = read_at(o, began, takes);
            auto row = o.table == table && at < readable_until ? row_at(o, at) : std::nullopt;
            if (!row)
                continue;
            row->at = std::min(at + milliseconds(scan.lag_ms), finished);
            o.is_observed = true;
            if (at < o.destroyed && plan_of_[i]->keeps_cookie)
                o.time_wait = o.socket;
            news_.push_back({row->at, *row});
        }
        news_.push_back({finished, ScanFinished{table, finished,
                                                scan.is_complete ? Scope::all : Scope::nothing}});
    }

    // The planned scans, and then complete ones until everything is over.
    void scan_all() {
        Instant now{milliseconds(100)};
        Instant over = now;
        for (const auto &o : history_.occupancies)
            over = std::max(over, o.freed + milliseconds(3000));
        std::size_t left_over = 4;
        for (std::size_t i = 0; left_over > 0; ++i) {
            const ScanPlan scan = i < plan_.scans.size() ? plan_.scans[i] : ScanPlan{};
            now += milliseconds(scan.pause_ms);
            for (const auto protocol : {Protocol::tcp, Protocol::udp})
                for (const auto family : {Family::ipv4, Family::ipv6})
                    for (const auto network_namespace : namespaces) {
                        scan_table({protocol, family, network_namespace}, now, scan);
                        now += milliseconds(scan.takes_ms) + microseconds(2);
                    }
            looks_.push_back(now);
            if (i >= plan_.scans.size() && now > over)
                --left_over;
        }
    }

    void tell_ends() {
        for (std::size_t i = 0; i < history_.occupancies.size(); ++i) {
            auto &o = history_.occupancies[i];
            const auto &plan = *plan_of_[i];
            if (!o.is_last_of_socket || plan.is_lost)
                continue;
            const milliseconds uncertain(plan.uncertain_ms);
            SocketDestroyed event{.key = o.socket,
                                  .protocol = o.table.protocol,
                                  .local = o.local,
                                  .peer = o.peer,
                                  .at = When::observed(o.destroyed),
                                  .tcp = std::nullopt};
            if (plan.uncertain_ms > 0)
                event.at = When::sampled(o.destroyed - uncertain, o.destroyed + uncertain);
            if (o.table.protocol == Protocol::tcp)
                event.tcp = TcpSummary{
                    .established = o.handshake,
                    .bytes_sent = 1,
                    .bytes_received = 2,
                    .idle = std::min<Duration>(milliseconds(plan.idle_ms), o.destroyed - o.opened)};
            const Instant true_at = o.destroyed + uncertain;
            news_.push_back({true_at + milliseconds(plan.delay_ms), event, true_at});
            o.is_observed = true;
        }
    }

    // Every look finds all who have a socket; every exit and exec is told of who was found.
    void tell_possessions() {
        for (std::size_t i = 0; i < history_.occupancies.size(); ++i) {
            const auto &o = history_.occupancies[i];
            if (!o.is_last_of_socket)
                continue; // told with the last
            const milliseconds delay(plan_of_[i]->delay_ms);
            for (const auto &[image, from, until] : o.possessions) {
                bool was_found = false;
                for (const auto look : looks_)
                    if (from <= look && look < until) {
                        news_.push_back({look + delay, HolderSeen{o.socket, image, look}, look});
                        was_found = true;
                    }
                if (was_found)
                    news_.push_back(
                        {until, HolderGone{o.socket, image->key, When::observed(until)}});
            }
        }
    }

    void repeat_some() {
        const auto original = news_.size();
        for (const auto &repeat : plan_.repeats) {
            news_.push_back(news_[static_cast<std::size_t>(repeat.which) % original]);
            auto &again = news_.back();
            const Instant too_late = again.true_at + Ledger::reorder_window;
            again.comes_at = std::min(again.comes_at + milliseconds(repeat.delay_ms), too_late);
        }
    }

    const Plan &plan_;
    History history_;
    std::vector<const SocketPlan *> plan_of_; // of each occupancy
    std::vector<Instant> looks_;
    std::vector<News> news_;
};

void print_key(const SocketKey &key, std::ostream &out) {
    PrintTo(key, &out);
}

void print_table(const Table &table, std::ostream &out) {
    out << to_string(table.protocol) << " " << to_string(table.family) << " in "
        << table.network_namespace;
}

struct Printer {
    std::ostream &out;

    void print_process(const ProcessRef &process) const {
        if (process)
            out << process->key.pid << " '" << process->command << "'";
        else
            out << "nobody known";
    }

    void operator()(const ScanStarted &o) const {
        out << to_us(o.at) << "us scan started: ";
        print_table(o.table, out);
    }
    void operator()(const SocketSeen &o) const {
        out << to_us(o.at) << "us seen ";
        print_key(o.key, out);
        out << " port " << o.local.port << " state " << static_cast<int>(o.state) << " inode "
            << o.inode;
    }
    void operator()(const ScanFinished &o) const {
        const char *const ends[] = {
            "failed: ", "of what lingers finished: ", "of what is held finished: ", "finished: "};
        out << to_us(o.at) << "us scan " << ends[static_cast<std::size_t>(o.scope)];
        print_table(o.table, out);
    }
    void operator()(const HeldScanned &o) const {
        out << to_us(o.at) << "us everything that is held was looked at";
    }
    void operator()(const SocketDestroyed &o) const {
        out << "destroyed ";
        print_key(o.key, out);
        out << " port " << o.local.port << " ";
        PrintTo(o.at, &out);
        if (o.tcp)
            out << (o.tcp->established ? " established" : " refused") << " idle "
                << o.tcp->idle.count() << "us";
    }
    void operator()(const PortTaken &o) const {
        out << to_us(o.at) << "us " << to_string(o.phase) << " ";
        print_key(o.key, out);
        out << " port " << o.local.port << " as " << (o.role ? to_string(*o.role) : "anything")
            << " by ";
        print_process(o.process);
    }
    void operator()(const SocketReleased &o) const {
        out << to_us(o.at) << "us released ";
        print_key(o.key, out);
        out << " port " << o.local.port << (o.frees_port ? ", freeing it, by " : " by ");
        print_process(o.process);
    }
    void operator()(const SocketClosed &o) const {
        const char *const remains[] = {"nothing remains", "TIME_WAIT remains", "stays bound"};
        out << to_us(o.at) << "us closed ";
        print_key(o.key, out);
        out << " port " << o.local.port << ", " << remains[static_cast<std::size_t>(o.remains)]
            << (o.peer_has_closed ? ", and so has the peer" : "");
    }
    void operator()(const ProcessEnded &o) const {
        out << to_us(o.at) << "us end of ";
        print_process(o.process);
    }
    void operator()(const NamespaceEnded &o) const {
        out << "namespace " << o.network_namespace << " ends at " << to_us(o.at) << "us";
    }
    void operator()(const TimePassed &o) const { out << to_us(o.at) << "us has passed"; }
    void operator()(const HolderSeen &o) const {
        out << to_us(o.at) << "us holder " << o.process->key.pid << " '" << o.process->command
            << (o.claim == Claim::opened ? "' opened " : "' has ");
        print_key(o.key, out);
    }
    void operator()(const HolderGone &o) const {
        out << "holder " << o.process.pid << " let go of ";
        print_key(o.key, out);
        out << " ";
        PrintTo(o.at, &out);
    }
    void operator()(const HoldersCounted &o) const {
        out << to_us(o.at) << "us ";
        print_key(o.key, out);
        out << " has " << o.processes.size() << " holders";
    }
};

} // namespace

History make_history(const Plan &plan) {
    return Kernel(plan).run();
}

void print(const Observation &observation, std::ostream &out) {
    std::visit(Printer{out}, observation);
}

} // namespace portd::model::history
