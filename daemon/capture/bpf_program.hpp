// The BPF program of bpf/portd.bpf.c: loaded, attached, and read. The only part of portd that knows
// libbpf.
#pragma once

#include "model/port_policy.hpp"
#include "system/fd.hpp"
#include "system/service.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portd::capture {

// Events by their fate, since the program was loaded: issued = received + lost + those in the ring.
struct BpfCounters {
    std::uint64_t issued = 0;
    std::uint64_t ring_full = 0; // lost: there was no room in the ring
    std::uint64_t no_memory = 0; // lost: the kernel had no memory to remember a socket
};

// Attempts to bind(2), since the program was loaded: portd_binds of bpf/events.h.
struct BindCounts {
    std::uint64_t begun = 0;
    std::uint64_t settled = 0;

    bool operator==(const BindCounts &) const = default;
};

// What of the program outlives the process that loaded it, as long as somebody has it.
struct BpfObjects {
    system::Fd ring;
    system::Fd variables;
    system::Fd held; // links of the iterators
    system::Fd tcp;
    system::Fd udp;
    system::Fd binds;
    system::Fd destroyed_filter;   // program
    std::vector<system::Fd> hooks; // links of the others

    // Their names in the descriptor store, and all of them: hooks share one.
    std::vector<std::pair<std::string, int>> named() const;
    static BpfObjects from(std::vector<system::NamedDescriptor> &descriptors);
};

class BpfProgram {
  public:
    // Sockets that there are already.
    enum class Table {
        held, // of all network namespaces, that processes have: one row for each process
        tcp,  // of this network namespace, whoever has them, TIME_WAIT entries included
        udp,
    };
    // Which sockets of `tcp` and `udp`.
    enum class Rows {
        all,
        fileless, // that no descriptor refers to, and UDP sockets with a peer
    };

    // Attaches at the root of the control group hierarchy; from then on events come. `ring_bytes`
    // is a power of two and a multiple of the page size. Throws std::runtime_error with what is
    // missing: a capability, a kernel option, a mount.
    BpfProgram(const model::PortPolicy &ports, std::size_t ring_bytes);
    // Those of another instance, which has loaded this build() with the same arguments. Throws
    // std::runtime_error if they are not what they should be, or not attached.
    BpfProgram(BpfObjects objects, std::size_t ring_bytes);
    ~BpfProgram();
    BpfProgram(const BpfProgram &) = delete;
    BpfProgram &operator=(const BpfProgram &) = delete;

    // Tells programs that differ apart.
    static std::uint64_t build();
    // The numbers that the kernel has given to the objects, in the order of their names.
    std::vector<std::uint32_t> numbers() const;
    const BpfObjects &objects() const { return objects_; }

    int ring_fd() const { return objects_.ring.get(); }
    std::size_t ring_bytes() const { return ring_bytes_; }
    BpfCounters counters() const;

    // Hands over the records of the table, many at a time. Throws std::system_error.
    void read(Table table, Rows rows,
              const std::function<void(std::span<const std::byte>)> &on_records) const;

    BindCounts bind_counts() const;
    // Has events issued of the attempts to bind(2) that were refused a while ago and of which no
    // event has told. How many have begun too lately to say. Throws std::system_error.
    std::uint64_t tell_refused_binds() const;

    // Of a socket that hears of destroyed sockets (sock_diag.hpp): lets through what this program
    // has not told of, among the ports that it tells of.
    int destroyed_filter_fd() const;

  private:
    void map_variables();
    template <typename Variable>
    Variable &variable(std::size_t offset) const;

    const std::size_t ring_bytes_;
    BpfObjects objects_;
    void *variables_ = nullptr;
};

// Of CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, those that are missing in the text of a
// /proc/PID/status, capabilities(7). CAP_SYS_ADMIN stands for the first two.
std::vector<std::string> missing_capabilities(std::string_view status);

// The mount point of the version 2 control group hierarchy in the text of a /proc/PID/mountinfo,
// proc(5). Empty if there is none.
std::string control_group_mount(std::string_view mountinfo);

} // namespace portd::capture
