// Writes a synthetic history: fill_store STATE_DIR LEASES. Ports of the dynamic range in random
// order, 500 process images of skewed popularity, one lease a millisecond that ends now.
#include "store/writer.hpp"
#include "system/clock.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

namespace {

using namespace portd;
using namespace std::chrono_literals;

std::vector<model::ProcessRef> make_processes(model::Instant booted) {
    std::vector<model::ProcessRef> processes;
    for (int i = 0; i < 500; ++i) {
        model::Process process;
        process.key = {1000 + i, booted};
        process.command = "worker" + std::to_string(i % 40);
        process.executable = "/usr/bin/" + process.command;
        process.uid = process.gid = 1000u + static_cast<unsigned>(i % 7);
        process.unit = process.command + ".service";
        process.control_group = "/system.slice/" + *process.unit;
        processes.push_back(std::make_shared<const model::Process>(std::move(process)));
    }
    return processes;
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: fill_store STATE_DIR LEASES\n");
        return 2;
    }
    const long count = std::atol(argv[2]);
    const system::SystemClock clock;
    store::Writer writer(argv[1], {system::boot_id(), clock.wall_offset_us()});
    const auto now = clock.now();
    const auto processes = make_processes(now - count * 1ms - 1h);
    std::mt19937_64 random(1);
    std::uniform_int_distribution<int> any_port(32768, 60999);
    std::geometric_distribution<std::size_t> any_process(0.02);

    std::vector<model::Lease> leases;
    for (long i = 0; i < count; ++i) {
        const auto opened = now - (count - i) * 1ms;
        model::Lease lease;
        lease.serial = writer.next_serial() + static_cast<long>(leases.size());
        lease.id = {
            {static_cast<std::uint64_t>(i + 1), 4026531840u, model::SocketKey::Kind::cookie},
            opened};
        lease.local.address.bytes = {127, 0, 0, 1};
        lease.local.port = static_cast<std::uint16_t>(any_port(random));
        lease.peer.address.bytes = {192, 0, 2, static_cast<std::uint8_t>(random())};
        lease.peer.port = 443;
        lease.role = Role::client;
        lease.phase = Phase::freed;
        lease.opened = model::When::sampled(opened - 1s, opened);
        lease.closed = model::When::observed(opened + 40ms);
        lease.freed = lease.closed;
        lease.uid = 1000u;
        lease.holders.push_back(
            {processes[any_process(random) % processes.size()], opened, opened, false});
        lease.opener = lease.last_holder = {0, Provenance::sampled};
        lease.bytes_sent = lease.bytes_received = 1000;
        leases.push_back(std::move(lease));
        if (leases.size() == 10'000 || i + 1 == count) {
            writer.commit({.leases = leases,
                           .watched = store::Watched{CaptureTier::sock_diag, now - count * 1ms,
                                                     now - (count - i) * 1ms},
                           .gaps = {}});
            leases.clear();
        }
    }
    std::printf("%ld leases, %.1f MiB, %.0f bytes a lease\n", count,
                static_cast<double>(writer.stored_bytes()) / (1 << 20),
                static_cast<double>(writer.stored_bytes()) / static_cast<double>(count));
    writer.close_cleanly();
    return 0;
}
