// The BPF program of bpf/portd.bpf.c: loaded, attached, and read. The only part of portd that knows
// libbpf.
#pragma once

#include "model/port_policy.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace portd::capture {

// Events by their fate, since the program was loaded: issued = received + lost + those in the ring.
struct BpfCounters {
    std::uint64_t issued = 0;
    std::uint64_t ring_full = 0; // lost: there was no room in the ring
    std::uint64_t no_memory = 0; // lost: the kernel had no memory to remember a socket
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
    ~BpfProgram();
    BpfProgram(const BpfProgram &) = delete;
    BpfProgram &operator=(const BpfProgram &) = delete;

    int ring_fd() const;
    std::size_t ring_bytes() const { return ring_bytes_; }
    BpfCounters counters() const;

    // Appends the records of the table. Throws std::system_error.
    void read(Table table, Rows rows, std::vector<std::byte> &records) const;

    // Of a socket that hears of destroyed sockets (sock_diag.hpp): lets through what this program
    // has not told of, among the ports that it tells of.
    int destroyed_filter_fd() const;

  private:
    struct State;
    const std::size_t ring_bytes_;
    std::unique_ptr<State> state_;
};

// Of CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, those that are missing in the text of a
// /proc/PID/status, capabilities(7). CAP_SYS_ADMIN stands for the first two.
std::vector<std::string> missing_capabilities(std::string_view status);

// The mount point of the version 2 control group hierarchy in the text of a /proc/PID/mountinfo,
// proc(5). Empty if there is none.
std::string control_group_mount(std::string_view mountinfo);

} // namespace portd::capture
