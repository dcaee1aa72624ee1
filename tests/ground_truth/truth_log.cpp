#include "truth_log.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <new>
#include <string>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ground_truth {
namespace {

struct Skip {
    std::array<char, 32> scenario{};
    std::array<char, 160> reason{};
};

struct Header {
    std::size_t bytes = 0;
    std::size_t lease_capacity = 0;
    std::size_t process_capacity = 0;
    std::atomic<std::size_t> leases{0};
    std::atomic<std::size_t> processes{0};
    std::atomic<std::size_t> failed_binds{0};
    std::atomic<std::size_t> skips{0};
    std::atomic<std::uint16_t> next_port{61000};
    std::atomic_flag programs_locked = ATOMIC_FLAG_INIT;
    std::size_t program_count = 0;
    std::array<std::array<char, 512>, 16> programs{};
    std::array<FailedBind, 1024> failed_bind{};
    std::array<Skip, 64> skip{};
};

Header *header = nullptr;
Lease *leases = nullptr;
Process *processes = nullptr;
int memory_fd = -1;
Process me;
std::uint64_t my_network_namespace = 0;

constexpr std::size_t rounded_header = (sizeof(Header) + 63) / 64 * 64;

template <std::size_t size>
void set_text(std::array<char, size> &to, const char *text) {
    std::snprintf(to.data(), size, "%s", text);
}

std::size_t claim(std::atomic<std::size_t> &count, std::size_t capacity, const char *what) {
    const auto index = count.fetch_add(1);
    if (index >= capacity) {
        errno = ENOSPC;
        die(what);
    }
    return index;
}

void map_log(std::size_t bytes) {
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
    if (memory == MAP_FAILED)
        die("mmap of the truth log");
    header = static_cast<Header *>(memory);
    char *after_header = static_cast<char *>(memory) + rounded_header;
    leases = reinterpret_cast<Lease *>(after_header);
}

void find_processes() {
    processes = reinterpret_cast<Process *>(leases + header->lease_capacity);
}

std::uint32_t program_index() {
    std::array<char, 512> path{};
    if (readlink("/proc/self/exe", path.data(), path.size() - 1) < 0)
        die("readlink /proc/self/exe");
    while (header->programs_locked.test_and_set(std::memory_order_acquire)) {
    }
    const auto end = header->programs.begin() + static_cast<std::ptrdiff_t>(header->program_count);
    const auto known = std::find(header->programs.begin(), end, path);
    const auto index = static_cast<std::size_t>(known - header->programs.begin());
    const bool fits = index < header->programs.size();
    if (known == end && fits) {
        header->programs[index] = path;
        ++header->program_count;
    }
    header->programs_locked.clear(std::memory_order_release);
    if (!fits) {
        errno = ENOSPC;
        die("table of executables");
    }
    return static_cast<std::uint32_t>(index);
}

std::string pid_in_proc() {
    std::array<char, 32> text{};
    if (readlink("/proc/self", text.data(), text.size() - 1) < 0)
        die("readlink /proc/self");
    return text.data();
}

} // namespace

void die(const char *what) {
    const int error = errno;
    std::fprintf(stderr, "ground_truth[%d]: %s: %s\n", static_cast<int>(getpid()), what,
                 std::strerror(error));
    _exit(3);
}

int check(int result, const char *what) {
    if (result < 0)
        die(what);
    return result;
}

std::int64_t now_us() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

void start_log(std::size_t lease_capacity) {
    const auto process_capacity = lease_capacity + 64;
    const auto bytes =
        rounded_header + lease_capacity * sizeof(Lease) + process_capacity * sizeof(Process);
    memory_fd = check(memfd_create("truth", 0), "memfd_create");
    check(ftruncate(memory_fd, static_cast<off_t>(bytes)), "ftruncate");
    map_log(bytes);
    new (header) Header;
    header->bytes = bytes;
    header->lease_capacity = lease_capacity;
    header->process_capacity = process_capacity;
    find_processes();
    refresh_self();
}

void attach_log(int fd) {
    memory_fd = fd;
    struct stat status {};
    check(fstat(fd, &status), "fstat of the truth log");
    map_log(static_cast<std::size_t>(status.st_size));
    find_processes();
    refresh_self();
}

int log_fd() {
    return memory_fd;
}

void refresh_self() {
    struct stat status {};
    check(stat("/proc/self/ns/net", &status), "stat /proc/self/ns/net");
    my_network_namespace = status.st_ino;
    const Process now{std::stoi(pid_in_proc()), program_index()};
    if (now.pid == me.pid && now.program == me.program)
        return;
    me = now;
    processes[claim(header->processes, header->process_capacity, "table of processes")] = me;
}

const Process &self() {
    return me;
}

std::uint64_t own_network_namespace() {
    return my_network_namespace;
}

Lease &add_lease(const char *scenario) {
    auto &lease = leases[claim(header->leases, header->lease_capacity, "table of leases")];
    set_text(lease.scenario, scenario);
    lease.network_namespace = my_network_namespace;
    return lease;
}

std::size_t index_of(const Lease &lease) {
    return static_cast<std::size_t>(&lease - leases);
}

Lease &lease_at(std::size_t index) {
    return leases[index];
}

FailedBind &add_failed_bind(const char *scenario) {
    const auto capacity = header->failed_bind.size();
    auto &failed = header->failed_bind[claim(header->failed_binds, capacity, "failed binds")];
    set_text(failed.scenario, scenario);
    failed.network_namespace = my_network_namespace;
    failed.process = me;
    return failed;
}

void skip(const char *scenario, const char *reason) {
    auto &record = header->skip[claim(header->skips, header->skip.size(), "skips")];
    set_text(record.scenario, scenario);
    set_text(record.reason, reason);
}

std::uint16_t next_explicit_port() {
    const auto port = header->next_port.fetch_add(1);
    if (port < 61000)
        die("explicit ports are used up");
    return port;
}

std::span<const Lease> logged_leases() {
    return {leases, header->leases.load()};
}

std::span<const Process> logged_processes() {
    return {processes, header->processes.load()};
}

std::span<const FailedBind> logged_failed_binds() {
    return {header->failed_bind.data(), header->failed_binds.load()};
}

std::vector<SkippedScenario> logged_skips() {
    std::vector<SkippedScenario> skipped;
    for (std::size_t i = 0; i < header->skips.load(); ++i)
        skipped.push_back({header->skip[i].scenario.data(), header->skip[i].reason.data()});
    return skipped;
}

std::string_view executable_of(const Process &process) {
    return header->programs[process.program].data();
}

} // namespace ground_truth
