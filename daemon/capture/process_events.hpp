// News of processes from the kernel's process connector (linux/cn_proc.h,
// drivers/connector/cn_proc.c).
//
// The kernel reports each fork, exec and exit of each thread; a socket filter leaves those of whole
// processes. That a process is gone is not quite among them: the exit of its first thread is, and
// other threads can live on (and one of them may execute a program, and take over its pid). So on
// the first thread's exit a pidfd is asked whether the whole process has ended (pidfd_open(2)). It
// nearly always has: then it ended when the event says, provided that the event is not old.
// Otherwise the pidfd is watched.
//
// The reader must be in the initial user, pid and network namespaces; before Linux 6.6 it needs
// CAP_NET_ADMIN.
#pragma once

#include "model/instant.hpp"
#include "system/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace portd::capture {

// What the kernel says, as it says it. Times are CLOCK_MONOTONIC.
struct KernelProcessEvent {
    enum class Kind : std::uint8_t {
        acknowledged, // a request to listen, anybody's
        forked,
        executed,
        first_thread_exited,
    };

    Kind kind = Kind::acknowledged;
    std::int32_t pid = 0;      // of the whole process; of the child for `forked`
    std::int32_t parent = 0;   // for `forked`
    std::uint32_t error = 0;   // for `acknowledged`: 0 or an errno
    std::uint32_t request = 0; // for `acknowledged`: the request's number
    std::chrono::nanoseconds at{};

    bool operator==(const KernelProcessEvent &) const = default;
};

struct DecodedProcessEvents {
    std::vector<KernelProcessEvent> events;
    bool malformed = false; // from some point on
};

// One datagram. Events of threads and of other kinds are left out, as the socket filter does.
DecodedProcessEvents decode_process_events(std::span<const std::byte> datagram);

struct ProcessForked {
    std::int32_t parent = 0; // by getppid(2), not the caller where CLONE_PARENT was given
    std::int32_t child = 0;
    model::Instant at{};
};
struct ProcessExecuted {
    std::int32_t pid = 0;
    model::Instant at{};
};
struct ProcessExited {
    std::int32_t pid = 0;
    model::When at; // observed, or sampled
};
using ProcessEvent = std::variant<ProcessForked, ProcessExecuted, ProcessExited>;

class ProcessEvents {
  public:
    // Throws std::system_error where the kernel does not let us listen: EPERM, ECONNREFUSED
    // (another network namespace), EPROTONOSUPPORT (no connector), ENOTCONN (another pid or user
    // namespace: the kernel does not answer).
    ProcessEvents();
    ~ProcessEvents();
    ProcessEvents(const ProcessEvents &) = delete;
    ProcessEvents &operator=(const ProcessEvents &) = delete;

    // Readable when there is something to read: an epoll instance, itself to be polled.
    int fd() const { return epoll_.get(); }

    struct Read {
        std::size_t events = 0;
        // How often an unknown number of events was lost: the kernel had no room for them
        // (ENOBUFS), or we had none to ask about an exit (EMFILE).
        std::size_t losses = 0;
        std::size_t malformed = 0;
    };

    // Hands out what there is, up to a bound (then fd() stays readable), in the kernel's order.
    // Faults of the socket are thrown as std::system_error.
    Read read_all(const std::function<void(const ProcessEvent &)> &deliver);

  private:
    using Deliver = std::function<void(const ProcessEvent &)>;
    enum class Wanted : std::uint32_t;

    // A process whose first thread has ended before the others.
    struct Survivor {
        system::Fd pidfd;
        model::Instant alive_at{}; // when last looked
    };

    std::uint32_t request(Wanted wanted);
    void await_acknowledgement(std::uint32_t request);
    std::optional<std::size_t> receive(Read &read);
    void handle(const KernelProcessEvent &event, Read &read, const Deliver &deliver);
    void first_thread_exited(std::int32_t pid, model::Instant at, Read &read,
                             const Deliver &deliver);
    void check_survivors(Read &read, const Deliver &deliver);

    system::Fd socket_;
    system::Fd epoll_;
    std::map<std::int32_t, Survivor> survivors_;
    std::chrono::nanoseconds boot_offset_{}; // CLOCK_BOOTTIME minus CLOCK_MONOTONIC
    std::vector<std::byte> buffer_;
};

} // namespace portd::capture
