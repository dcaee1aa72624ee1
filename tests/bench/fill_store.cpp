// Writes a synthetic history, as a busy machine would:
//
//     fill_store STATE_DIR LEASES [LEASES_A_SECOND [LEASES_A_PART]]
//
// Commits of 200 ms each, in simulated time that ends now. Clients, accepted connections and
// datagrams; programs, processes and peers of skewed popularity; most leases live for milliseconds,
// half of the connections then linger for a minute, one in a hundred lives for minutes or hours. As
// in life, a lease that is not over at the end of its commit is stored again when it is.
//
// Prints what storing cost, in the first and in the last tenth.
#include "store/writer.hpp"
#include "system/clock.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <queue>
#include <random>
#include <sys/resource.h>

namespace {

using namespace portd;
using namespace std::chrono_literals;
using model::Duration;
using model::Instant;
using model::When;

constexpr auto tick = 200ms;
constexpr auto lingering = 60s;
constexpr std::uint32_t network_namespace = 4026531840u;
constexpr const char *boot_id = "0123456789abcdef0123456789abcdef";

// Ranks of which the first are the most frequent, as Zipf has it.
class Popularity {
  public:
    explicit Popularity(std::size_t size) : size_(static_cast<double>(size)) {}
    std::size_t operator()(std::mt19937_64 &random) {
        return static_cast<std::size_t>(std::pow(size_, uniform_(random))) - 1;
    }

  private:
    double size_;
    std::uniform_real_distribution<> uniform_{0.0, 1.0};
};

class Machine {
  public:
    explicit Machine(Instant booted) {
        for (std::size_t program = 0; program < programs; ++program)
            for (std::size_t worker = 0; worker < workers; ++worker)
                running_.push_back(start(program, booted));
    }

    // A service that was there all along or, one time in fifty, a command that was just started.
    const model::ProcessRef &somebody(Instant now) {
        const std::size_t program = any_program_(random);
        auto &process = running_[program * workers + random() % workers];
        if (program % 3 == 0 && random() % 16 == 0)
            process = start(program, now);
        return process;
    }

    model::Lease lease(Instant now, std::int64_t serial) {
        const std::size_t kind = random() % 20;
        model::Lease made;
        made.serial = serial;
        made.id = {{++cookie_, network_namespace, model::SocketKey::Kind::cookie}, now};
        made.local.address.bytes = {10, 0, 0, static_cast<std::uint8_t>(1 + random() % 4)};
        made.peer.address.bytes = peer();
        made.uid = 1000;
        if (kind < 11) {
            made.role = Role::client;
            made.local.port = any_port();
            made.peer.port = any_service();
            made.port_choice = PortChoice::automatic;
        } else if (kind < 17) {
            made.role = Role::accepted;
            made.local.port = any_service();
            made.peer.port = any_port();
            made.port_choice = PortChoice::explicit_;
        } else {
            made.protocol = Protocol::udp;
            made.role = Role::datagram;
            made.local.port = any_port();
            made.peer.port = 53;
            made.port_choice = PortChoice::automatic;
        }
        made.opened = When::observed(now);
        made.phase = Phase::connected;
        made.holders.push_back({somebody(now), now, now, true});
        made.opener = made.last_holder = {0, Provenance::observed};
        return made;
    }

    Duration lifetime() {
        if (random() % 100 == 0)
            return std::chrono::seconds(60 + random() % 20'000);
        return Duration(static_cast<std::int64_t>(short_(random)));
    }
    std::uint64_t bytes() { return static_cast<std::uint64_t>(bytes_(random)); }

    std::mt19937_64 random{1};

  private:
    static constexpr std::size_t programs = 300;
    static constexpr std::size_t workers = 4;

    model::ProcessRef start(std::size_t program, Instant now) {
        model::Process process;
        process.key = {static_cast<std::int32_t>(++pid_ % 4'000'000 + 1000), now};
        process.command = "program" + std::to_string(program);
        process.executable = "/usr/bin/" + process.command;
        process.arguments = process.command + " --listen --verbose";
        process.uid = process.gid = 1000u + static_cast<std::uint32_t>(program % 7);
        process.unit = process.command + ".service";
        process.control_group = "/system.slice/" + *process.unit;
        process.ancestors = {{1, "systemd"}};
        return std::make_shared<const model::Process>(std::move(process));
    }
    std::array<std::uint8_t, 16> peer() {
        const std::size_t rank = any_peer_(random);
        return {198, static_cast<std::uint8_t>(rank >> 16), static_cast<std::uint8_t>(rank >> 8),
                static_cast<std::uint8_t>(rank)};
    }
    std::uint16_t any_port() { return static_cast<std::uint16_t>(32768 + random() % 28232); }
    std::uint16_t any_service() {
        constexpr std::array<std::uint16_t, 6> services{443, 80, 5432, 8080, 6379, 9092};
        return services[Popularity(services.size())(random)];
    }

    Popularity any_program_{programs};
    Popularity any_peer_{20'000};
    std::lognormal_distribution<> short_{std::log(40'000.0), 1.5};
    std::lognormal_distribution<> bytes_{std::log(3000.0), 2.0};
    std::vector<model::ProcessRef> running_;
    std::uint64_t cookie_ = 0;
    std::size_t pid_ = 0;
};

struct Ending {
    Instant at;
    model::Lease lease;
    bool operator<(const Ending &other) const { return at > other.at; }
};

// The lease after its socket was closed: over, or lingering and then over.
model::Lease closed(Machine &machine, model::Lease lease, Instant at) {
    lease.closed = When::observed(at);
    lease.outcome = Outcome::closed;
    lease.holders[0].last_seen = at;
    lease.holders[0].present = false;
    if (lease.protocol == Protocol::tcp) {
        lease.bytes_sent = machine.bytes();
        lease.bytes_received = machine.bytes();
    }
    if (lease.protocol == Protocol::tcp && lease.id.socket.value % 2 == 0) {
        lease.phase = Phase::lingering;
        return lease;
    }
    lease.phase = Phase::freed;
    lease.freed = lease.closed;
    return lease;
}

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval &time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Cost {
  public:
    template <typename Act>
    void measure(std::size_t leases, Act act) {
        const double cpu = cpu_seconds();
        const auto begin = std::chrono::steady_clock::now();
        act();
        wall_s_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        cpu_s_ += cpu_seconds() - cpu;
        leases_ += leases;
    }
    void print(const char *when) const {
        const auto count = static_cast<double>(leases_);
        std::printf("storing, %s: %.0f leases a second, %.1f us of CPU a lease\n", when,
                    count / wall_s_, 1e6 * cpu_s_ / count);
    }

  private:
    double wall_s_ = 0;
    double cpu_s_ = 0;
    std::size_t leases_ = 0;
};

} // namespace

int main(int argc, char **argv) {
    if (argc < 3 || argc > 5) {
        std::fprintf(stderr,
                     "usage: fill_store STATE_DIR LEASES [LEASES_A_SECOND [LEASES_A_PART]]\n");
        return 2;
    }
    const long count = std::atol(argv[2]);
    const long rate = argc > 3 ? std::atol(argv[3]) : 1000;
    const long leases_a_part = argc > 4 ? std::atol(argv[4]) : std::numeric_limits<long>::max();
    const system::SystemClock clock;
    // An earlier run of the machine, which began with the history and has just ended.
    const Instant begins{};
    const std::int64_t wall_offset_us =
        clock.wall_offset_us() + to_us(clock.now()) - count * 1'000'000 / rate;
    store::Writer writer(argv[1], {boot_id, wall_offset_us},
                         {.max_bytes = std::int64_t{1} << 40, .max_age = 24h * 3650});
    Machine machine(begins);
    std::priority_queue<Ending> endings;
    Cost first, last;
    std::int64_t serial = writer.next_serial();
    long made = 0;
    for (Instant now = begins; made < count; now += tick) {
        const Instant until = now + tick;
        std::vector<model::Lease> batch;
        const auto end = [&](model::Lease lease, Instant at) {
            if (lease.phase != Phase::lingering)
                lease = closed(machine, std::move(lease), at);
            else {
                lease.phase = Phase::freed;
                lease.freed = When::inferred(at, at + 20ms);
            }
            if (lease.is_open())
                endings.push({at + lingering, lease});
            batch.push_back(std::move(lease));
        };
        const long in_tick = std::min(rate / 5, count - made);
        for (long i = 0; i < in_tick; ++i) {
            const Instant at = now + i * std::chrono::duration_cast<Duration>(tick) / in_tick;
            serial = std::max(serial + 1, writer.row_us(at));
            model::Lease lease = machine.lease(at, serial);
            const Instant over = at + machine.lifetime();
            if (over < until) {
                end(std::move(lease), over);
            } else {
                batch.push_back(lease);
                endings.push({over, std::move(lease)});
            }
        }
        while (!endings.empty() && endings.top().at < until) {
            Ending over = endings.top();
            endings.pop();
            end(std::move(over.lease), over.at);
        }
        const auto store = [&] {
            writer.commit({.leases = batch,
                           .watched = store::Watched{CaptureTier::ebpf, begins, until},
                           .gaps = {},
                           .clock = store::ClockReading{until, wall_offset_us}});
        };
        made += in_tick;
        if (made <= count / 10)
            first.measure(static_cast<std::size_t>(in_tick), store);
        else if (made > count - count / 10)
            last.measure(static_cast<std::size_t>(in_tick), store);
        else
            store();
        if (made / leases_a_part > (made - in_tick) / leases_a_part)
            writer.begin_part();
    }
    first.print("first tenth");
    last.print("last tenth");
    writer.settle();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "%ld leases, %zu of them open, %.1f MiB, %.1f bytes a lease; %.1f MiB resident, the "
        "generator's own included\n",
        count, endings.size(), static_cast<double>(writer.stored_bytes()) / (1 << 20),
        static_cast<double>(writer.stored_bytes()) / static_cast<double>(count),
        static_cast<double>(usage.ru_maxrss) / 1024);
    writer.close_cleanly();
    return 0;
}
