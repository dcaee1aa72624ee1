// Cost of the store: committing leases in batches, and asking about one port among 100,000 leases.
#include "store/reader.hpp"
#include "store/writer.hpp"

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

namespace portd::store {
namespace {

const BootInfo boot{"0b5e1c7a-3f6d-4a52-9c1e-5d2f8a7b6c01", 1'700'000'000'000'000};
constexpr std::int64_t stored_leases = 100'000;
constexpr std::int64_t lease_apart_us = 1000;

class Directory {
  public:
    Directory() {
        std::string name = (std::filesystem::temp_directory_path() / "portd-bench-XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw std::runtime_error("mkdtemp failed");
        path_ = name;
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path &path() const { return path_; }

  private:
    std::filesystem::path path_;
};

model::ProcessRef process(std::int32_t pid) {
    auto made = std::make_shared<model::Process>();
    made->key = {pid, model::instant_from_us(pid)};
    made->executable = "/usr/bin/curl";
    made->command = "curl";
    made->arguments = "curl --silent https://example.org/";
    made->uid = 1000;
    made->unit = "user@1000.service";
    return made;
}

// The ports of the default range in an order that jumps about, as the kernel's choice does.
std::uint16_t port_of(std::int64_t serial) {
    return static_cast<std::uint16_t>(32768 + serial * 7919 % 28232);
}

model::Lease lease(std::int64_t serial, const model::ProcessRef &holder) {
    const model::Instant opened = model::instant_from_us(serial * lease_apart_us);
    model::Lease made;
    made.serial = serial;
    made.id = {{static_cast<std::uint64_t>(serial), 4'026'531'840, model::SocketKey::Kind::cookie},
               opened};
    made.local = {{Family::ipv4, {192, 0, 2, 1}}, port_of(serial)};
    made.peer = {{Family::ipv4, {198, 51, 100, 7}}, 443};
    made.role = Role::client;
    made.port_choice = PortChoice::automatic;
    made.phase = Phase::connected;
    made.opened = model::When::observed(opened);
    made.uid = 1000;
    made.holders.push_back({holder, opened, opened, true});
    made.opener = {0, Provenance::observed};
    made.last_holder = {0, Provenance::observed};
    return made;
}

void end(model::Lease &lease) {
    lease.phase = Phase::freed;
    lease.closed = lease.freed = model::When::observed(*lease.opened.latest + model::Duration(500));
    lease.outcome = Outcome::closed;
    lease.bytes_sent = 1200;
    lease.bytes_received = 34'000;
}

enum class Life { opened, opened_and_freed };

// A process has eight leases, about what a small command-line client makes.
void commit_leases(benchmark::State &state, Life life) {
    const auto batch_size = static_cast<std::size_t>(state.range(0));
    Directory directory;
    Writer writer(directory.path(), boot);
    std::int64_t serial = 0;
    std::vector<model::Lease> leases(batch_size);
    model::ProcessRef holder;
    for (auto _ : state) {
        state.PauseTiming();
        for (model::Lease &one : leases) {
            if (serial++ % 8 == 0)
                holder = process(static_cast<std::int32_t>(serial));
            one = lease(serial, holder);
        }
        state.ResumeTiming();
        writer.commit({leases, {}, {}});
        if (life == Life::opened)
            continue;
        for (model::Lease &one : leases)
            end(one);
        writer.commit({leases, {}, {}});
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.counters["bytes_a_lease"] =
        static_cast<double>(writer.stored_bytes()) / static_cast<double>(serial);
}

void BM_CommitOpened(benchmark::State &state) {
    commit_leases(state, Life::opened);
}
BENCHMARK(BM_CommitOpened)->Arg(1)->Arg(100)->Arg(10'000);

void BM_CommitOpenedAndFreed(benchmark::State &state) {
    commit_leases(state, Life::opened_and_freed);
}
BENCHMARK(BM_CommitOpenedAndFreed)->Arg(1)->Arg(100)->Arg(10'000);

// Short connections as exact capture tells of them: each is first stored when it lingers, and once
// more a minute later, when its port is free. The time is that of both.
void BM_CommitShortConnections(benchmark::State &state) {
    constexpr std::size_t lingering = 60'000; // a thousand connections a second, for a minute
    const auto batch_size = static_cast<std::size_t>(state.range(0));
    Directory directory;
    Writer writer(directory.path(), boot);
    std::int64_t serial = 0;
    std::deque<model::Lease> waiting;
    model::ProcessRef holder;
    const auto next_batch = [&] {
        std::vector<model::Lease> batch;
        for (std::size_t i = 0; i < batch_size; ++i) {
            if (serial++ % 8 == 0)
                holder = process(static_cast<std::int32_t>(serial));
            batch.push_back(lease(serial, holder));
            end(batch.back());
            batch.back().phase = Phase::lingering;
            batch.back().freed.reset();
            batch.back().holders[0].present = false;
            waiting.push_back(batch.back());
        }
        for (std::size_t i = 0; waiting.size() > lingering && i < batch_size; ++i) {
            waiting.front().phase = Phase::freed;
            waiting.front().freed =
                model::When::inferred(*waiting.front().closed->latest + std::chrono::seconds(60),
                                      *waiting.front().closed->latest + std::chrono::seconds(61));
            batch.push_back(std::move(waiting.front()));
            waiting.pop_front();
        }
        return batch;
    };
    while (waiting.size() < lingering)
        writer.commit({next_batch(), {}, {}});
    for (auto _ : state) {
        state.PauseTiming();
        const std::vector<model::Lease> batch = next_batch();
        state.ResumeTiming();
        writer.commit({batch, {}, {}});
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.counters["bytes_a_lease"] =
        static_cast<double>(writer.stored_bytes()) / static_cast<double>(serial);
}
BENCHMARK(BM_CommitShortConnections)->Arg(100)->Arg(1000)->Arg(10'000);

// 100,000 leases, all but the last 1,000 freed; made once.
const Directory &filled() {
    static const Directory directory;
    static const bool done = [] {
        Writer writer(directory.path(), boot);
        std::vector<model::Lease> leases;
        model::ProcessRef holder;
        for (std::int64_t serial = 1; serial <= stored_leases; ++serial) {
            if (serial % 8 == 1)
                holder = process(static_cast<std::int32_t>(serial));
            leases.push_back(lease(serial, holder));
            if (serial <= stored_leases - 1000)
                end(leases.back());
        }
        writer.commit({leases, {}, {}});
        writer.close_cleanly();
        return true;
    }();
    if (!done)
        throw std::runtime_error("no store to read");
    return directory;
}

enum class Question { whole_port, port_at_an_instant, open_of_port, rare_pid, first_page };

void ask(benchmark::State &state, Question question) {
    Reader reader(filled().path());
    std::int64_t serial = 0;
    std::int64_t found = 0;
    for (auto _ : state) {
        serial = (serial + 7919) % stored_leases;
        model::LeaseQuery query;
        if (question == Question::rare_pid)
            query.pid = serial / 8 * 8 + 1;
        else if (question != Question::first_page)
            query.port = port_of(serial);
        if (question == Question::port_at_an_instant)
            query.since_us = query.until_us =
                boot.wall_offset_us + serial * lease_apart_us + lease_apart_us / 4;
        query.open_only = question == Question::open_of_port;
        const model::LeasePage page = reader.page(query, std::nullopt, 100);
        found += static_cast<std::int64_t>(page.leases.size());
    }
    state.counters["leases_a_page"] =
        static_cast<double>(found) / static_cast<double>(state.iterations());
}

void BM_PageOfOnePort(benchmark::State &state) {
    ask(state, Question::whole_port);
}
BENCHMARK(BM_PageOfOnePort);

void BM_OnePortAtOneInstant(benchmark::State &state) {
    ask(state, Question::port_at_an_instant);
}
BENCHMARK(BM_OnePortAtOneInstant);

void BM_OpenLeasesOfOnePort(benchmark::State &state) {
    ask(state, Question::open_of_port);
}
BENCHMARK(BM_OpenLeasesOfOnePort);

void BM_LeasesOfOnePid(benchmark::State &state) {
    ask(state, Question::rare_pid);
}
BENCHMARK(BM_LeasesOfOnePid);

void BM_PageOfAHundred(benchmark::State &state) {
    ask(state, Question::first_page);
}
BENCHMARK(BM_PageOfAHundred);

} // namespace
} // namespace portd::store
