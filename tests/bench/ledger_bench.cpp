// What the ledger costs: a steady scan, short-lived sockets, connections that exact events tell of,
// and memory for open leases.
#include "model/ledger.hpp"

#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <new>
#include <vector>

namespace {

std::size_t allocated_bytes = 0;

} // namespace

// Counts what is allocated, with what malloc adds to it.
void *operator new(std::size_t size) {
    void *const memory = std::malloc(size);
    if (!memory)
        throw std::bad_alloc();
    allocated_bytes += malloc_usable_size(memory) + sizeof(std::size_t);
    return memory;
}

void operator delete(void *memory) noexcept {
    if (!memory)
        return;
    allocated_bytes -= malloc_usable_size(memory) + sizeof(std::size_t);
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept {
    operator delete(memory);
}

namespace portd::model {
namespace {

constexpr Table tcp4{Protocol::tcp, Family::ipv4, 1};

constexpr SocketKey cookie(std::uint64_t value) {
    return {value, 1, SocketKey::Kind::cookie};
}

Endpoint endpoint(std::uint32_t address, std::uint16_t port) {
    Endpoint result;
    for (std::size_t i = 0; i < 4; ++i)
        result.address.bytes[i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
    result.port = port;
    return result;
}

// Connections to many servers, as 28,232 ports and more connections than that need.
SocketSeen connection(std::uint64_t number, Instant at) {
    return {.key = cookie(1 + number),
            .protocol = Protocol::tcp,
            .local = endpoint(0xc0000201, static_cast<std::uint16_t>(32768 + number % 28232)),
            .peer = endpoint(static_cast<std::uint32_t>(0xc6336401 + number / 28232), 443),
            .state = SocketState::established,
            .uid = 1000,
            .inode = static_cast<std::uint32_t>(1 + number),
            .at = at};
}

SocketDestroyed destruction(const SocketSeen &row, Instant at) {
    return {row.key,
            row.protocol,
            row.local,
            row.peer,
            When::observed(at),
            TcpSummary{.established = true, .bytes_sent = 100, .bytes_received = 200, .idle = {}}};
}

ProcessRef process() {
    auto process = std::make_shared<Process>();
    process->key = {1000, Instant{}};
    process->command = "bench";
    return process;
}

class Clock {
  public:
    Instant tick(Duration by = std::chrono::microseconds(1)) { return now_ += by; }

  private:
    Instant now_{std::chrono::seconds(1)};
};

template <typename Rows>
void scan(Ledger &ledger, Clock &clock, const Rows &rows) {
    ledger.apply(ScanStarted{tcp4, clock.tick(std::chrono::seconds(1))});
    rows();
    ledger.apply(ScanFinished{tcp4, clock.tick(), Scope::all});
}

void show_connections(Ledger &ledger, Clock &clock, std::uint64_t from, std::uint64_t count) {
    for (std::uint64_t i = from; i < from + count; ++i)
        ledger.apply(connection(i, clock.tick()));
}

// Time per row of sockets that are known and stay as they are.
void steady_scan(benchmark::State &state) {
    const auto sockets = static_cast<std::uint64_t>(state.range(0));
    Ledger ledger;
    Clock clock;
    const auto scan_all = [&] {
        scan(ledger, clock, [&] { show_connections(ledger, clock, 0, sockets); });
    };
    scan_all();
    scan_all();
    ledger.take_changes();
    for ([[maybe_unused]] auto _ : state) {
        scan_all();
        if (!ledger.take_changes().empty())
            state.SkipWithError("a steady scan changes nothing");
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(steady_scan)->Arg(10'000)->Arg(100'000);

// Time per connection that only its destroy event tells of, with the scan that settles a thousand.
void unseen_destroyed(benchmark::State &state) {
    constexpr std::uint64_t batch = 1000;
    Ledger ledger;
    Clock clock;
    std::uint64_t number = 0;
    for ([[maybe_unused]] auto _ : state) {
        for (std::uint64_t i = 0; i < batch; ++i, ++number)
            ledger.apply(destruction(connection(number, {}), clock.tick()));
        scan(ledger, clock, [] {});
        benchmark::DoNotOptimize(ledger.take_changes());
    }
    state.SetItemsProcessed(state.iterations() * std::int64_t{batch});
}
BENCHMARK(unseen_destroyed);

// Time per connection that is seen once, with its holder, and then destroyed.
void seen_and_destroyed(benchmark::State &state) {
    constexpr std::uint64_t batch = 1000;
    Ledger ledger;
    Clock clock;
    const auto holder = process();
    std::uint64_t number = 0;
    for ([[maybe_unused]] auto _ : state) {
        scan(ledger, clock, [&] { show_connections(ledger, clock, number, batch); });
        const Instant look = clock.tick();
        for (std::uint64_t i = number; i < number + batch; ++i)
            ledger.apply(HolderSeen{cookie(1 + i), holder, look});
        benchmark::DoNotOptimize(ledger.take_changes());
        for (std::uint64_t i = number; i < number + batch; ++i)
            ledger.apply(destruction(connection(i, {}), clock.tick()));
        number += batch;
    }
    state.SetItemsProcessed(state.iterations() * std::int64_t{batch});
}
BENCHMARK(seen_and_destroyed);

struct ExactConnection {
    PortTaken connecting;
    PortTaken connected;
    SocketReleased released;
    SocketClosed closed;
};

ExactConnection exact_connection(std::uint64_t number, const ProcessRef &process, Clock &clock,
                                 SocketClosed::Remains remains) {
    const auto row = connection(number, {});
    const TcpSummary tcp{.established = true, .bytes_sent = 100, .bytes_received = 200, .idle = {}};
    ExactConnection result{
        .connecting = {row.key, row.protocol, row.local, row.peer, Phase::connecting, Role::client,
                       PortChoice::automatic, PortChosenBy::connect, 1000, process, clock.tick()},
        .connected = {row.key, row.protocol, row.local, row.peer, Phase::connected, Role::client,
                      std::nullopt, std::nullopt, 1000, nullptr, clock.tick()},
        .released = {row.key, row.protocol, row.local, row.peer, 1000, tcp, process, false,
                     clock.tick()},
        .closed = {row.key, row.local, row.peer, tcp, Outcome::closed, remains, true, {}}};
    result.closed.at = clock.tick();
    return result;
}

// Time per connection that exact events tell of, from its opening to its end. Every thousand the
// changes are taken; at `rate` a second they are remembered for as long as the ledger does. Where
// they leave TIME_WAIT entries, those are settled by the time that passes.
void exact_connections(benchmark::State &state, SocketClosed::Remains remains) {
    constexpr std::uint64_t batch = 1000;
    constexpr std::int64_t rate = 833; // 50,000 a minute
    constexpr auto gap = Duration(std::chrono::seconds(1)) / rate;
    Ledger ledger;
    Clock clock;
    const auto holder = process();
    std::uint64_t number = 0;
    std::vector<ExactConnection> connections;
    for ([[maybe_unused]] auto _ : state) {
        state.PauseTiming();
        connections.clear();
        for (std::uint64_t i = 0; i < batch; ++i, clock.tick(gap))
            connections.push_back(exact_connection(number++, holder, clock, remains));
        state.ResumeTiming();
        for (const auto &connection : connections) {
            ledger.apply(connection.connecting);
            ledger.apply(connection.connected);
            ledger.apply(connection.released);
            ledger.apply(connection.closed);
        }
        ledger.apply(TimePassed{clock.tick()});
        benchmark::DoNotOptimize(ledger.take_changes());
    }
    const auto leases = static_cast<double>(state.iterations()) * batch;
    state.counters["time_per_lease"] =
        benchmark::Counter(leases, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.counters["open_leases"] = static_cast<double>(ledger.open_leases());
    if (ledger.unseen_sockets() > 0)
        state.SkipWithError("every opening was told");
}
BENCHMARK_CAPTURE(exact_connections, freed, SocketClosed::Remains::nothing);
BENCHMARK_CAPTURE(exact_connections, time_wait, SocketClosed::Remains::time_wait);

// Memory of 100,000 open leases with one holder each.
void open_leases(benchmark::State &state) {
    constexpr std::uint64_t leases = 100'000;
    std::size_t bytes = 0;
    for ([[maybe_unused]] auto _ : state) {
        const auto before = allocated_bytes;
        Ledger ledger;
        Clock clock;
        const auto holder = process();
        scan(ledger, clock, [&] { show_connections(ledger, clock, 0, leases); });
        const Instant look = clock.tick();
        for (std::uint64_t i = 0; i < leases; ++i)
            ledger.apply(HolderSeen{cookie(1 + i), holder, look});
        ledger.take_changes();
        bytes = allocated_bytes - before;
        if (ledger.open_leases() != leases)
            state.SkipWithError("leases are missing");
    }
    state.counters["bytes_per_100000_leases"] = static_cast<double>(bytes);
    state.counters["bytes_per_lease"] = static_cast<double>(bytes) / leases;
}
BENCHMARK(open_leases)->Unit(benchmark::kMillisecond);

} // namespace
} // namespace portd::model
