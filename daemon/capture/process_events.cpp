#include "capture/process_events.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <optional>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace portd::capture {

// enum proc_cn_mcast_op of linux/cn_proc.h.
enum class ProcessEvents::Wanted : std::uint32_t {
    everything = PROC_CN_MCAST_LISTEN,
    nothing = PROC_CN_MCAST_IGNORE,
};

namespace {

using Kind = KernelProcessEvent::Kind;

// struct proc_event: its enumerators have moved from one enum to another (Linux 6.6), their values
// stay.
constexpr std::uint32_t event_none = 0x00000000;
constexpr std::uint32_t event_fork = 0x00000001;
constexpr std::uint32_t event_exec = 0x00000002;
constexpr std::uint32_t event_exit = 0x80000000;

// A datagram is a struct nlmsghdr, a struct cn_msg and a struct proc_event, whose 64 bit numbers
// are not aligned there. Offsets are of the datagram.
constexpr std::size_t cn_at = sizeof(nlmsghdr);
constexpr std::size_t event_at = cn_at + sizeof(cn_msg);
constexpr std::size_t data_at = event_at + offsetof(proc_event, event_data);
constexpr std::size_t fork_parent_tgid_at = data_at + 4;
constexpr std::size_t fork_child_pid_at = data_at + 8;
constexpr std::size_t fork_child_tgid_at = data_at + 12;
constexpr std::size_t pid_at = data_at; // of exec and exit
constexpr std::size_t tgid_at = data_at + 4;
static_assert(sizeof(nlmsghdr) == 16 && sizeof(cn_msg) == 20);
static_assert(offsetof(proc_event, timestamp_ns) == 8 && offsetof(proc_event, event_data) == 16);

[[noreturn]] void fail(const char *what, int error = errno) {
    throw std::system_error(error, std::generic_category(),
                            std::string("process connector: ") + what);
}

template <typename T>
T load(std::span<const std::byte> bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

std::optional<KernelProcessEvent> decode_event(std::span<const std::byte> message) {
    const auto word = [&](std::size_t at) { return load<std::uint32_t>(message, at); };
    const auto pid = [&](std::size_t at) { return load<std::int32_t>(message, at); };
    KernelProcessEvent event;
    event.at = std::chrono::nanoseconds(
        load<std::int64_t>(message, event_at + offsetof(proc_event, timestamp_ns)));
    switch (word(event_at)) {
    case event_none:
        event.error = word(data_at);
        event.request = word(cn_at + offsetof(cn_msg, ack)) - 1; // the kernel adds 1
        return event;
    case event_fork:
        if (pid(fork_child_pid_at) != pid(fork_child_tgid_at))
            return std::nullopt;
        event.kind = Kind::forked;
        event.parent = pid(fork_parent_tgid_at);
        event.pid = pid(fork_child_tgid_at);
        return event;
    case event_exec:
        event.kind = Kind::executed;
        event.pid = pid(tgid_at);
        return event;
    case event_exit:
        if (pid(pid_at) != pid(tgid_at))
            return std::nullopt;
        event.kind = Kind::first_thread_exited;
        event.pid = pid(tgid_at);
        return event;
    }
    return std::nullopt;
}

// BPF loads words as if they were in network order, the kernel wrote them in its own.
constexpr std::uint32_t as_loaded(std::uint32_t value) {
    return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}

// Classic BPF (Documentation/networking/filter.rst). Passes acknowledgements, execs, and forks and
// exits where the thread is the process's first. Jumps are relative to the next instruction.
void attach_filter(int socket) {
    constexpr auto load_word = [](std::size_t at) {
        return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(at)};
    };
    constexpr auto jump_if = [](std::uint32_t value, std::uint8_t to) {
        return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, to, 0, as_loaded(value)};
    };
    constexpr sock_filter keep_in_x{BPF_MISC | BPF_TAX, 0, 0, 0};
    constexpr sock_filter drop{BPF_RET | BPF_K, 0, 0, 0};
    constexpr sock_filter pass{BPF_RET | BPF_K, 0, 0, UINT32_MAX};
    std::array<sock_filter, 16> program{{
        load_word(event_at),                  // 0
        jump_if(event_none, 13),              // 1: to 15
        jump_if(event_exec, 12),              // 2: to 15
        jump_if(event_fork, 2),               // 3: to 6
        jump_if(event_exit, 5),               // 4: to 10
        drop,                                 // 5
        load_word(fork_child_pid_at),         // 6
        keep_in_x,                            // 7
        load_word(fork_child_tgid_at),        // 8
        {BPF_JMP | BPF_JA, 0, 0, 3},          // 9: to 13
        load_word(pid_at),                    // 10
        keep_in_x,                            // 11
        load_word(tgid_at),                   // 12
        {BPF_JMP | BPF_JEQ | BPF_X, 1, 0, 0}, // 13: to 15
        drop,                                 // 14
        pass,                                 // 15
    }};
    const sock_fprog filter{program.size(), program.data()};
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        fail("cannot attach the filter");
}

void enlarge_receive_buffer(int socket) {
    constexpr int bytes = 4 << 20;
    if (::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0 &&
        ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) != 0)
        fail("cannot set the size of the receive buffer");
}

std::chrono::nanoseconds read_clock(clockid_t clock) {
    timespec time{};
    if (::clock_gettime(clock, &time) != 0)
        fail("clock_gettime");
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

model::Instant boot_now() {
    return model::Instant(std::chrono::duration_cast<model::Duration>(read_clock(CLOCK_BOOTTIME)));
}

std::chrono::nanoseconds boot_offset() {
    const auto before = read_clock(CLOCK_MONOTONIC);
    const auto boot = read_clock(CLOCK_BOOTTIME);
    const auto after = read_clock(CLOCK_MONOTONIC);
    return boot - (before + (after - before) / 2);
}

system::Fd open_pidfd(std::int32_t pid) {
    return system::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// poll(2) on a pidfd: readable when the last thread has ended.
bool has_ended(const system::Fd &pidfd) {
    pollfd poll{pidfd.get(), POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1;
}

void watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

} // namespace

DecodedProcessEvents decode_process_events(std::span<const std::byte> datagram) {
    constexpr std::size_t smallest = data_at + 16; // the data of a fork
    constexpr std::int64_t latest_ns = std::int64_t{1} << 62;
    DecodedProcessEvents decoded;
    while (!datagram.empty()) {
        decoded.malformed = true;
        if (datagram.size() < smallest)
            return decoded;
        const auto netlink = load<nlmsghdr>(datagram, 0);
        const auto id = load<cb_id>(datagram, cn_at);
        const auto length = load<std::uint16_t>(datagram, cn_at + offsetof(cn_msg, len));
        if (netlink.nlmsg_len < smallest || netlink.nlmsg_len > datagram.size() ||
            netlink.nlmsg_type != NLMSG_DONE || id.idx != CN_IDX_PROC || id.val != CN_VAL_PROC ||
            length < smallest - event_at || event_at + length > netlink.nlmsg_len)
            return decoded;
        if (const auto event = decode_event(datagram.first(netlink.nlmsg_len))) {
            const bool about_process = event->kind != Kind::acknowledged;
            if ((about_process && event->pid <= 0) || event->parent < 0 || event->at.count() < 0 ||
                event->at.count() > latest_ns)
                return decoded;
            decoded.events.push_back(*event);
        }
        decoded.malformed = false;
        const std::size_t aligned = (netlink.nlmsg_len + 3U) & ~std::size_t{3}; // NLMSG_ALIGN
        datagram = datagram.subspan(std::min(aligned, datagram.size()));
    }
    return decoded;
}

ProcessEvents::ProcessEvents()
    : socket_(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(4096) {
    if (!socket_)
        fail("cannot open a socket");
    if (!epoll_)
        fail("epoll_create1");
    if (!open_pidfd(::getpid()))
        fail("pidfd_open");
    attach_filter(socket_.get());
    enlarge_receive_buffer(socket_.get());
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = CN_IDX_PROC; // a mask: group 1
    sockaddr any{};
    static_assert(sizeof address <= sizeof any);
    std::memcpy(&any, &address, sizeof address);
    if (::bind(socket_.get(), &any, sizeof address) != 0)
        fail("cannot join the group");
    await_acknowledgement(request(Wanted::everything));
    watch(epoll_.get(), socket_.get());
}

ProcessEvents::~ProcessEvents() {
    // Before Linux 6.6 the kernel counts listeners by what they say.
    try {
        request(Wanted::nothing);
    } catch (const std::system_error &) {
    }
}

std::uint32_t ProcessEvents::request(Wanted wanted) {
    struct {
        nlmsghdr netlink;
        std::array<std::byte, sizeof(cn_msg) + sizeof(Wanted)> payload;
    } message{};
    static_assert(sizeof message == event_at + sizeof(Wanted));
    const auto number = static_cast<std::uint32_t>(::getpid());
    message.netlink.nlmsg_len = sizeof message;
    message.netlink.nlmsg_type = NLMSG_DONE;
    const cb_id id{CN_IDX_PROC, CN_VAL_PROC};
    const std::uint16_t length = sizeof wanted;
    std::memcpy(message.payload.data(), &id, sizeof id);
    std::memcpy(message.payload.data() + offsetof(cn_msg, ack), &number, sizeof number);
    std::memcpy(message.payload.data() + offsetof(cn_msg, len), &length, sizeof length);
    std::memcpy(message.payload.data() + sizeof(cn_msg), &wanted, sizeof wanted);
    if (::send(socket_.get(), &message, sizeof message, 0) < 0)
        fail("cannot ask for events");
    return number;
}

// The kernel answers before send(2) returns, so that what is not in the queue will not come.
void ProcessEvents::await_acknowledgement(std::uint32_t request) {
    Read ignored;
    while (const auto size = receive(ignored))
        for (const auto &event : decode_process_events(std::span(buffer_).first(*size)).events) {
            if (event.kind != Kind::acknowledged || event.request != request)
                continue;
            if (event.error != 0)
                fail("refused", static_cast<int>(event.error));
            return;
        }
    fail("no answer", ENOTCONN);
}

// The size of the next datagram of the kernel, which is then in the buffer; nothing if there is
// none.
std::optional<std::size_t> ProcessEvents::receive(Read &read) {
    for (;;) {
        sockaddr_nl sender{};
        iovec part{buffer_.data(), buffer_.size()};
        msghdr header{};
        header.msg_name = &sender;
        header.msg_namelen = sizeof sender;
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        const auto size = ::recvmsg(socket_.get(), &header, 0);
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return std::nullopt;
        if (size < 0 && errno == ENOBUFS)
            ++read.losses;
        else if (size < 0 && errno != EINTR)
            fail("cannot receive");
        else if (size >= 0 && (header.msg_flags & MSG_TRUNC) != 0)
            ++read.malformed;
        else if (size >= 0 && header.msg_namelen == sizeof sender && sender.nl_pid == 0)
            return static_cast<std::size_t>(size);
    }
}

ProcessEvents::Read ProcessEvents::read_all(const Deliver &deliver) {
    constexpr int most_datagrams = 65536;
    Read read;
    boot_offset_ = boot_offset();
    for (int i = 0; i < most_datagrams; ++i) {
        const auto size = receive(read);
        if (!size)
            break;
        const auto decoded = decode_process_events(std::span(buffer_).first(*size));
        read.malformed += decoded.malformed ? 1 : 0;
        for (const auto &event : decoded.events)
            handle(event, read, deliver);
    }
    check_survivors(read, deliver);
    return read;
}

void ProcessEvents::handle(const KernelProcessEvent &event, Read &read, const Deliver &deliver) {
    const model::Instant at(std::chrono::duration_cast<model::Duration>(event.at + boot_offset_));
    const auto survivor = survivors_.find(event.pid);
    switch (event.kind) {
    case Kind::acknowledged:
        return;
    case Kind::forked:
        if (survivor != survivors_.end()) { // gone, since its pid was given away
            ++read.events;
            deliver(ProcessExited{event.pid, model::When::sampled(survivor->second.alive_at, at)});
            survivors_.erase(survivor);
        }
        ++read.events;
        return deliver(ProcessForked{event.parent, event.pid, at});
    case Kind::executed:
        if (survivor != survivors_.end())
            survivors_.erase(survivor); // another thread took over the first one's place
        ++read.events;
        return deliver(ProcessExecuted{event.pid, at});
    case Kind::first_thread_exited:
        return first_thread_exited(event.pid, at, read, deliver);
    }
}

void ProcessEvents::first_thread_exited(std::int32_t pid, model::Instant at, Read &read,
                                        const Deliver &deliver) {
    constexpr std::size_t most_survivors = 256;
    // The other threads may have ended as much later than the first.
    constexpr auto exact_within = std::chrono::milliseconds(10);
    auto pidfd = open_pidfd(pid);
    const bool is_gone = !pidfd && (errno == ESRCH || errno == EINVAL || errno == ENOENT);
    const auto now = boot_now();
    if (is_gone || (pidfd && has_ended(pidfd))) {
        const auto when =
            now - at <= exact_within ? model::When::observed(at) : model::When::sampled(at, now);
        survivors_.erase(pid);
        ++read.events;
        return deliver(ProcessExited{pid, when});
    }
    if (!pidfd || survivors_.size() >= most_survivors) {
        ++read.losses;
        return;
    }
    watch(epoll_.get(), pidfd.get());
    survivors_.insert_or_assign(pid, Survivor{std::move(pidfd), now});
}

void ProcessEvents::check_survivors(Read &read, const Deliver &deliver) {
    for (auto it = survivors_.begin(); it != survivors_.end();) {
        const auto pid = it->first;
        const auto now = boot_now();
        if (!has_ended(it->second.pidfd)) {
            it->second.alive_at = now;
            ++it;
            continue;
        }
        const auto when = model::When::sampled(it->second.alive_at, now);
        it = survivors_.erase(it);
        ++read.events;
        deliver(ProcessExited{pid, when});
    }
}

} // namespace portd::capture
