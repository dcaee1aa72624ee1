#include "capture/bpf_program.hpp"

#include "capture/bpf/events.h"
#include "capture/namespace_ports.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <malloc.h>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "portd.skel.h" // generated from bpf/portd.bpf.c

namespace portd::capture {
namespace {

// The last warning of libbpf says more than its error number.
thread_local std::string last_warning;

int keep_warning(libbpf_print_level level, const char *format, std::va_list arguments) {
    if (level != LIBBPF_WARN)
        return 0;
    std::array<char, 512> text{};
    std::vsnprintf(text.data(), text.size(), format, arguments);
    std::string line = text.data();
    // The verifier's log comes in one piece of many lines.
    line = line.substr(0, line.find('\n'));
    if (last_warning.empty() && line.starts_with("libbpf: "))
        last_warning = line.substr(8);
    return 0;
}

std::string read_text(const char *path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Says why as far as it is known: a capability, the kernel's configuration, libbpf's own words.
[[noreturn]] void fail(const std::string &what, int error) {
    std::string text = what;
    const auto missing = missing_capabilities(read_text("/proc/self/status"));
    for (std::size_t i = 0; i < missing.size(); ++i)
        text += (i == 0 ? " without " : ", ") + missing[i];
    if (!missing.empty())
        throw std::system_error(EPERM, std::generic_category(), text);
    if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0)
        text += ": the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)";
    if (!last_warning.empty())
        text += " (" + last_warning + ")";
    throw std::system_error(error, std::generic_category(), text);
}

system::Fd open_root_control_group() {
    const auto mount = control_group_mount(read_text("/proc/self/mountinfo"));
    if (mount.empty())
        throw std::runtime_error("no control group hierarchy of version 2 is mounted");
    system::Fd root(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    if (!root || ::fstat(root.get(), &status) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot open " + mount);
    // kernfs numbers from its root on (fs/kernfs/dir.c).
    if (status.st_ino != 1)
        throw std::runtime_error(mount + " is not the root of the control group hierarchy: portd "
                                         "must run outside of containers");
    return root;
}

bool belongs_to_control_group(const bpf_program *program) {
    const std::string_view section = bpf_program__section_name(program);
    return section.starts_with("cgroup/") || section == "sockops";
}

void configure(portd_bpf &skeleton, const model::PortPolicy &ports, std::size_t ring_bytes) {
    auto &settings = *skeleton.rodata;
    switch (ports.kind()) {
    case model::PortPolicy::Kind::all:
        settings.ports_kind = PORTD_PORTS_ALL;
        break;
    case model::PortPolicy::Kind::dynamic:
        settings.ports_kind = PORTD_PORTS_DYNAMIC;
        break;
    case model::PortPolicy::Kind::list:
        settings.ports_kind = PORTD_PORTS_LIST;
        break;
    }
    if (ports.kind() == model::PortPolicy::Kind::list)
        for (std::uint32_t port = 0; port <= 65535; ++port)
            if (ports.records(static_cast<std::uint16_t>(port), {}))
                settings.ports_listed[port / 64] |= std::uint64_t{1} << port % 64;
    // A port that portd says it records is recorded wherever it is.
    const auto own_range = read_namespace_ports().local_range;
    settings.own_range_low = own_range.low;
    settings.own_range_high = own_range.high;
    settings.wake_at_bytes = ring_bytes / 4;
    bpf_map__set_max_entries(skeleton.maps.ring, static_cast<std::uint32_t>(ring_bytes));
}

struct Destroy {
    void operator()(portd_bpf *skeleton) const { portd_bpf__destroy(skeleton); }
    void operator()(bpf_link *link) const { bpf_link__destroy(link); }
};

// libbpf closes its own when the skeleton is destroyed.
system::Fd copy_of(int fd) {
    system::Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy)
        throw std::system_error(errno, std::generic_category(), "cannot copy a descriptor");
    return copy;
}

system::Fd attach(bpf_program *program, int control_group) {
    const std::unique_ptr<bpf_link, Destroy> link(
        belongs_to_control_group(program) ? bpf_program__attach_cgroup(program, control_group)
                                          : bpf_program__attach(program));
    if (!link)
        fail("cannot attach " + std::string(bpf_program__section_name(program)), errno);
    return copy_of(bpf_link__fd(link.get()));
}

system::Fd try_to_attach(bpf_program *program) {
    const std::unique_ptr<bpf_link, Destroy> link(bpf_program__attach(program));
    return link ? copy_of(bpf_link__fd(link.get())) : system::Fd();
}

// Some kernels do not let functions be traced; the program does without that.
enum class Functions : bool { traced, left_alone };

struct Loading {
    std::unique_ptr<portd_bpf, Destroy> skeleton;
    int error = 0;
};

Loading try_to_load(const model::PortPolicy &ports, std::size_t ring_bytes, Functions functions) {
    last_warning.clear();
    Loading loading;
    loading.skeleton.reset(portd_bpf__open());
    if (!loading.skeleton)
        fail("cannot read the eBPF program", errno);
    configure(*loading.skeleton, ports, ring_bytes);
    if (functions == Functions::left_alone)
        bpf_program__set_autoload(loading.skeleton->progs.portd_namespace_ends, false);
    loading.error = portd_bpf__load(loading.skeleton.get());
    return loading;
}

BpfObjects load(const model::PortPolicy &ports, std::size_t ring_bytes) {
    libbpf_set_print(keep_warning);
    const system::Fd root = open_root_control_group();
    auto loading = try_to_load(ports, ring_bytes, Functions::traced);
    if (loading.error != 0)
        loading = try_to_load(ports, ring_bytes, Functions::left_alone);
    if (loading.error != 0)
        fail("cannot load the eBPF program", -loading.error);

    const auto &skeleton = loading.skeleton;
    auto &programs = skeleton->progs;
    BpfObjects objects;
    objects.ring = copy_of(bpf_map__fd(skeleton->maps.ring));
    objects.variables = copy_of(bpf_map__fd(skeleton->maps.bss));
    objects.destroyed_filter = copy_of(bpf_program__fd(programs.portd_destroyed));
    objects.held = attach(programs.portd_held_sockets, root.get());
    objects.tcp = attach(programs.portd_tcp_sockets, root.get());
    objects.udp = attach(programs.portd_udp_sockets, root.get());
    objects.binds = attach(programs.portd_attempted_binds, root.get());
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        const bool is_filter = bpf_program__type(program) == BPF_PROG_TYPE_SOCKET_FILTER;
        if (!is_filter && bpf_program__expected_attach_type(program) != BPF_TRACE_ITER &&
            program != programs.portd_namespace_ends)
            objects.hooks.push_back(attach(program, root.get()));
    }
    if (bpf_program__fd(programs.portd_namespace_ends) >= 0)
        if (auto link = try_to_attach(programs.portd_namespace_ends))
            objects.hooks.push_back(std::move(link));
    return objects;
}

template <typename Info>
Info info_of(int fd) {
    Info info{};
    std::uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0)
        throw std::system_error(errno, std::generic_category(), "not an eBPF object");
    return info;
}

// Nothing but portd has links of its own taken from it; a control group's could be.
void require_attached(int link) {
    const auto info = info_of<bpf_link_info>(link);
    constexpr std::uint64_t root_group = 1; // as open_root_control_group() has it
    if (info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id != root_group)
        throw std::runtime_error("a hook is not attached any more");
}

// Hands over what an iterator writes, many records at a time.
template <typename OnRecords>
void iterate(int link, OnRecords on_records) {
    const system::Fd iterator(bpf_iter_create(link));
    if (!iterator)
        throw std::system_error(errno, std::generic_category(), "cannot iterate over sockets");
    // What one read gives at most, and then in whole records (bpf_seq_read() in
    // kernel/bpf/bpf_iter.c).
    std::vector<std::byte> chunk(8 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    for (;;) {
        const auto got = ::read(iterator.get(), chunk.data(), chunk.size());
        if (got == 0)
            return;
        if (got > 0)
            on_records(std::span(chunk).first(static_cast<std::size_t>(got)));
        else if (errno != EAGAIN && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "cannot iterate over sockets");
    }
}

using Variables = portd_bpf::portd_bpf__bss;

template <typename Number>
std::uint64_t load_from(Number &number) {
    return std::atomic_ref(number).load(std::memory_order_acquire);
}

} // namespace

std::vector<std::pair<std::string, int>> BpfObjects::named() const {
    std::vector<std::pair<std::string, int>> all = {{"portd-ring", ring.get()},
                                                    {"portd-variables", variables.get()},
                                                    {"portd-held", held.get()},
                                                    {"portd-tcp", tcp.get()},
                                                    {"portd-udp", udp.get()},
                                                    {"portd-binds", binds.get()},
                                                    {"portd-filter", destroyed_filter.get()}};
    for (const auto &hook : hooks)
        all.emplace_back("portd-hook", hook.get());
    return all;
}

BpfObjects BpfObjects::from(std::vector<system::NamedDescriptor> &descriptors) {
    BpfObjects objects;
    for (auto &[name, fd] : descriptors) {
        if (name == "portd-hook")
            objects.hooks.push_back(std::move(fd));
        for (const auto &[wanted, place] :
             {std::pair("portd-ring", &objects.ring),
              std::pair("portd-variables", &objects.variables),
              std::pair("portd-held", &objects.held), std::pair("portd-tcp", &objects.tcp),
              std::pair("portd-udp", &objects.udp), std::pair("portd-binds", &objects.binds),
              std::pair("portd-filter", &objects.destroyed_filter)})
            if (name == wanted)
                *place = std::move(fd);
    }
    return objects;
}

BpfProgram::BpfProgram(const model::PortPolicy &ports, std::size_t ring_bytes)
    : ring_bytes_(ring_bytes), objects_(load(ports, ring_bytes)) {
    map_variables();
    // libbpf read the kernel's type information for the load, several megabytes that are free
    // again.
    ::malloc_trim(0);
}

BpfProgram::BpfProgram(BpfObjects objects, std::size_t ring_bytes)
    : ring_bytes_(ring_bytes), objects_(std::move(objects)) {
    const auto ring = info_of<bpf_map_info>(objects_.ring.get());
    if (ring.type != BPF_MAP_TYPE_RINGBUF || ring.max_entries != ring_bytes)
        throw std::runtime_error("the ring is of another size");
    for (const auto &hook : objects_.hooks)
        require_attached(hook.get());
    map_variables();
}

BpfProgram::~BpfProgram() {
    ::munmap(variables_, sizeof(Variables));
}

void BpfProgram::map_variables() {
    void *const page = ::mmap(nullptr, sizeof(Variables), PROT_READ | PROT_WRITE, MAP_SHARED,
                              objects_.variables.get(), 0);
    if (page == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "cannot map the variables");
    variables_ = page;
}

template <typename Variable>
Variable &BpfProgram::variable(std::size_t offset) const {
    return *reinterpret_cast<Variable *>(static_cast<std::byte *>(variables_) + offset);
}

// FNV-1a.
std::uint64_t BpfProgram::build() {
    std::size_t size = 0;
    const auto *const program = static_cast<const unsigned char *>(portd_bpf__elf_bytes(&size));
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (std::size_t i = 0; i < size; ++i)
        hash = (hash ^ program[i]) * 0x100000001b3ULL;
    return hash;
}

std::vector<std::uint32_t> BpfProgram::numbers() const {
    std::vector<std::uint32_t> numbers = {info_of<bpf_map_info>(objects_.ring.get()).id,
                                          info_of<bpf_map_info>(objects_.variables.get()).id};
    for (const auto *link : {&objects_.held, &objects_.tcp, &objects_.udp, &objects_.binds})
        numbers.push_back(info_of<bpf_link_info>(link->get()).id);
    numbers.push_back(info_of<bpf_prog_info>(objects_.destroyed_filter.get()).id);
    const auto first_hook = static_cast<std::ptrdiff_t>(numbers.size());
    for (const auto &hook : objects_.hooks)
        numbers.push_back(info_of<bpf_link_info>(hook.get()).id);
    std::sort(numbers.begin() + first_hook, numbers.end()); // the store keeps no order
    return numbers;
}

BpfCounters BpfProgram::counters() const {
    auto &counters = variable<portd_counters>(offsetof(Variables, counters));
    return {load_from(counters.issued), load_from(counters.ring_full),
            load_from(counters.no_memory)};
}

BindCounts BpfProgram::bind_counts() const {
    auto &binds = variable<portd_binds>(offsetof(Variables, binds));
    return {load_from(binds.begun), load_from(binds.settled)};
}

std::uint64_t BpfProgram::tell_refused_binds() const {
    auto &under_way = variable<__u64>(offsetof(Variables, binds_under_way));
    std::atomic_ref(under_way).store(0);
    iterate(objects_.binds.get(), [](std::span<const std::byte>) {});
    return load_from(under_way);
}

int BpfProgram::destroyed_filter_fd() const {
    return objects_.destroyed_filter.get();
}

void BpfProgram::read(Table table, Rows rows,
                      const std::function<void(std::span<const std::byte>)> &on_records) const {
    const auto &link = table == Table::held  ? objects_.held
                       : table == Table::tcp ? objects_.tcp
                                             : objects_.udp;
    auto &leave_out = variable<__u32>(offsetof(Variables, tables_leave_out_files));
    std::atomic_ref(leave_out).store(rows == Rows::fileless);
    iterate(link.get(), on_records);
}

std::vector<std::string> missing_capabilities(std::string_view status) {
    struct Capability {
        const char *name;
        int bit; // include/uapi/linux/capability.h
        bool in_sys_admin;
    };
    constexpr std::array wanted{Capability{"CAP_BPF", 39, true},
                                Capability{"CAP_PERFMON", 38, true},
                                Capability{"CAP_NET_ADMIN", 12, false}};
    constexpr int sys_admin_bit = 21;
    std::vector<std::string> missing;
    const auto line = status.find("\nCapEff:");
    if (line == std::string_view::npos)
        return missing;
    const auto effective =
        std::strtoull(std::string(status.substr(line + 8, 32)).c_str(), nullptr, 16);
    const auto has = [&](int bit) { return (effective >> bit & 1) != 0; };
    for (const auto &capability : wanted)
        if (!has(capability.bit) && !(capability.in_sys_admin && has(sys_admin_bit)))
            missing.emplace_back(capability.name);
    return missing;
}

// "36 35 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw"
std::string control_group_mount(std::string_view mountinfo) {
    std::istringstream lines{std::string(mountinfo)};
    for (std::string line; std::getline(lines, line);) {
        const auto separator = line.find(" - ");
        if (separator == std::string::npos || !line.substr(separator).starts_with(" - cgroup2 "))
            continue;
        std::istringstream fields(line);
        std::string id, parent, device, root, mount;
        fields >> id >> parent >> device >> root >> mount;
        if (root == "/")
            return mount;
    }
    return {};
}

} // namespace portd::capture
