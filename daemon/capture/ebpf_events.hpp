// Events of the BPF program, spoken in observations. No I/O but the images' (image_table.hpp).
#pragma once

#include "capture/bpf_events.hpp"
#include "capture/image_table.hpp"
#include "capture/source.hpp"

#include <cstddef>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace portd::capture {

class EbpfEvents {
  public:
    explicit EbpfEvents(ImageTable &images) : images_(images) {}

    void translate(const BpfEvent &event, const Sink &sink);

    // Whether there may be sockets of which nothing was told: nobody has looked yet, or events were
    // lost. What one of these does with its port is not how it got it, and that it ends unseen is
    // no miss.
    void expect_older_sockets(bool expected) { expects_older_ = expected; }

    std::vector<model::BindFailure> take_bind_failures();

    // Whether a look at who holds what would tell something that no event will: who accepted a
    // connection, what an exec inherited, which port a connected UDP socket has.
    bool lacks_holders() const;
    // As somebody else knows.
    void seek_holders() { somebody_may_have_inherited_ = true; }
    // After such a look, which began at `began`.
    void have_looked(model::Instant began);

    // The ends that a socket has: tells of the UDP connect(2) that was waiting for its port.
    void meet_port(const model::SocketKey &key, Protocol protocol, const model::Endpoint &local,
                   const model::Endpoint &peer, const Sink &sink);
    // Whether it waits for that of this socket.
    bool awaits(const model::SocketKey &key) const { return connecting_udp_.contains(key); }

    // Whether connections left TIME_WAIT entries since the last look.
    bool has_left_time_wait() const { return left_time_wait_; }
    void have_looked_at_lingering() { left_time_wait_ = false; }

    // UDP sockets whose connect(2) waits for its port, for those of another instance.
    std::vector<SocketEvent> waiting() const;
    void await(std::span<const SocketEvent> waiting);

  private:
    // Connected UDP sockets beyond this are told of by their ends only.
    static constexpr std::size_t most_waiting = 1 << 16;

    void tell(const ImageTold &told, const Sink &sink);
    void tell(const ImageEnded &ended, const Sink &sink);
    void tell(const ImageForked &forked, const Sink &sink);
    void tell(const SocketEvent &event, const Sink &sink);
    void tell(const SocketRow &, const Sink &) {}
    void tell(const NamespaceTold &, const Sink &) {}
    void tell(const NamespaceEnded &ended, const Sink &sink);
    void take_port(const SocketEvent &event, Phase phase, std::optional<Role> role,
                   std::optional<PortChoice> choice, const Sink &sink, bool may_have_begun = false);
    bool leaves_port_of_connect(const SocketEvent &event);
    bool may_be_older(const SocketEvent &event) const;
    void connect_udp(const SocketEvent &event, const Sink &sink);
    void release(const SocketEvent &event, const Sink &sink);
    void close(const SocketEvent &event, const Sink &sink);
    void fail_bind(const SocketEvent &event);
    model::ProcessRef process_of(const SocketEvent &event);

    ImageTable &images_;
    std::unordered_map<model::SocketKey, SocketEvent> connecting_udp_; // without a port yet
    std::unordered_set<model::SocketKey> unattended_; // accepted, by whom is not known
    std::vector<model::BindFailure> bind_failures_;
    bool somebody_may_have_inherited_ = false; // by fork, or over an exec
    bool left_time_wait_ = false;
    bool expects_older_ = true;
};

// How a TCP connection ended; nothing for a listener.
std::optional<Outcome> outcome_of(model::SocketState old_state, int error);

// What keeps the port after the state became CLOSE.
model::SocketClosed::Remains remains_of(const SocketEvent &closed);

} // namespace portd::capture
