// Sockets through io_uring: no system call of the socket's own names them. Each operation is done
// once by the submitting thread and once by a worker thread of the kernel (IOSQE_ASYNC).
#include "processes.hpp"
#include "scenarios.hpp"
#include "server.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include <liburing.h>
#include <netinet/in.h>
#include <unistd.h>

namespace ground_truth {
namespace {

const Endpoint loopback = ipv4("127.0.0.1", 0);

enum class By : std::uint8_t { submitter, worker };

class Ring {
  public:
    Ring() : error_(io_uring_queue_init(8, &ring_, 0)) {}
    ~Ring() {
        if (error_ == 0)
            io_uring_queue_exit(&ring_);
    }
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;

    int error() const { return error_; }
    bool can(int operation) {
        io_uring_probe *probe = io_uring_get_probe_ring(&ring_);
        const bool supported = probe && io_uring_opcode_supported(probe, operation) != 0;
        io_uring_free_probe(probe);
        return supported;
    }
    io_uring_sqe *entry() { return io_uring_get_sqe(&ring_); }
    // Does what was prepared; the result of the operation.
    int run(io_uring_sqe *entry, By by, const char *what) {
        if (by == By::worker)
            entry->flags |= IOSQE_ASYNC;
        if (io_uring_submit_and_wait(&ring_, 1) < 0)
            die("io_uring_submit_and_wait");
        io_uring_cqe *completed = nullptr;
        errno = -io_uring_wait_cqe(&ring_, &completed);
        if (errno != 0)
            die("io_uring_wait_cqe");
        const int result = completed->res;
        io_uring_cqe_seen(&ring_, completed);
        if (result < 0) {
            errno = -result;
            die(what);
        }
        return result;
    }

  private:
    io_uring ring_{};
    int error_ = 0;
};

int open_by_ring(Ring &ring, By by) {
    if (!ring.can(IORING_OP_SOCKET))
        return open_tcp(AF_INET);
    auto *entry = ring.entry();
    io_uring_prep_socket(entry, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0);
    return ring.run(entry, by, "io_uring socket");
}

void connect_by_ring(Ring &ring, By by, int fd, const Endpoint &peer) {
    auto *entry = ring.entry();
    io_uring_prep_connect(entry, fd, peer.address(), peer.length);
    ring.run(entry, by, "io_uring connect");
}

// A worker of the ring may let go of the file after it has told that it is closed (fput() leaves that to the
// task's return): a connection is closed for certain when `peer_has_seen_it`.
template <typename PeerHasSeenIt>
void close_by_ring(Ring &ring, By by, const Socket &socket, PeerHasSeenIt peer_has_seen_it) {
    auto &lease = *socket.lease;
    if (lease.role != Role::listener)
        lease.outcome = Outcome::closed;
    lease.last_holder = self();
    auto *entry = ring.entry();
    io_uring_prep_close(entry, socket.fd);
    lease.closed.before = now_us();
    ring.run(entry, by, "io_uring close");
    peer_has_seen_it();
    lease.closed.after = now_us();
}

void connect_and_close(Ring &ring, By by, const char *scenario, Server &server) {
    const int fd = open_by_ring(ring, by);
    Span span{.before = now_us()};
    connect_by_ring(ring, by, fd, server.address());
    span.after = now_us();
    const auto client = log_socket(scenario, fd, span, Role::client, PortChoice::automatic);
    server.accept();
    send_bytes(client, 15);
    close_by_ring(ring, by, client, [&] { server.receive_until_end(); });
    server.close();
}

Socket accept_by_ring(Ring &ring, By by, const Socket &listener) {
    auto *entry = ring.entry();
    io_uring_prep_accept(entry, listener.fd, nullptr, nullptr, SOCK_CLOEXEC);
    const int fd = ring.run(entry, by, "io_uring accept");
    return log_socket(listener.lease->scenario.data(), fd, Span{.after = now_us()}, Role::accepted,
                      listener.lease->choice);
}

// A process that connects to each address that it reads, and closes when its peer has.
class Caller {
  public:
    explicit Caller(const char *scenario) {
        check(pipe(ends_), "pipe");
        process_ = spawn([&] { call(scenario); });
    }
    ~Caller() {
        ::close(ends_[1]);
        ::close(ends_[0]);
        wait_for(process_);
    }
    Caller(const Caller &) = delete;
    Caller &operator=(const Caller &) = delete;

    void call_at(const Endpoint &address) {
        if (write(ends_[1], &address, sizeof address) != sizeof address)
            die("write");
    }
    void wait_for_end() { ended_.wait(); }

  private:
    void call(const char *scenario) {
        ::close(ends_[1]);
        Endpoint address;
        while (read(ends_[0], &address, sizeof address) == sizeof address) {
            const auto client = connect_to(scenario, open_tcp(AF_INET), address);
            send_bytes(client, 25);
            receive_until_end(client);
            ended_.set();
            close_last(client);
        }
    }

    int ends_[2] = {-1, -1};
    Event ended_; // a connection was, by whom was called
    pid_t process_ = 0;
};

void accept_and_close(Ring &ring, By by, const Socket &listener, Caller &caller) {
    caller.call_at(local_of(listener.fd));
    const auto accepted = accept_by_ring(ring, by, listener);
    receive_bytes(accepted, 25);
    close_by_ring(ring, by, accepted, [&] { caller.wait_for_end(); });
}

} // namespace

void play_io_uring(const Options &) {
    Server server("uringConnect", loopback);
    Caller caller("uringAccept");
    Ring ring;
    if (ring.error() != 0) {
        const std::string why = std::string("io_uring is refused: ") + std::strerror(-ring.error());
        skip("uringConnect", why.c_str());
        return;
    }
    if (!ring.can(IORING_OP_SOCKET))
        skip("uringSocket", "io_uring cannot open sockets: the kernel is older than 5.19");
    for (const auto by : {By::submitter, By::worker})
        connect_and_close(ring, by, "uringConnect", server);
    const auto listener = open_listener("uringAccept", loopback);
    for (const auto by : {By::submitter, By::worker})
        accept_and_close(ring, by, listener, caller);
    close_by_ring(ring, By::submitter, listener, [] {});
}

} // namespace ground_truth
