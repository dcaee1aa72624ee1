#include "capture/ebpf_events.hpp"

#include <cerrno>
#include <utility>

namespace portd::capture {
namespace {

using model::SocketClosed;
using model::SocketState;

PortChoice choice_of(const SocketEvent &event) {
    return event.is_port_locked ? PortChoice::explicit_ : PortChoice::automatic;
}

// In which system call the kernel chose the port. `may_be_older`: the socket may have had it before
// that of the event.
std::optional<PortChosenBy> chosen_by(const SocketEvent &event, bool may_be_older) {
    using Kind = SocketEvent::Kind;
    switch (event.kind) {
    case Kind::bound:
        return PortChosenBy::bind;
    case Kind::connecting:
        return event.connect_chose_port ? PortChosenBy::connect : PortChosenBy::bind;
    case Kind::listening:
        return may_be_older ? std::nullopt : std::optional(PortChosenBy::listen);
    case Kind::sent:
        return may_be_older || event.peer.port != 0 ? std::nullopt
                                                    : std::optional(PortChosenBy::send);
    case Kind::bind_failed:
    case Kind::connected:
    case Kind::udp_connecting:
    case Kind::named_peer:
    case Kind::released:
    case Kind::closed:
        return std::nullopt;
    }
    return std::nullopt;
}

bool was_established(SocketState old_state) {
    switch (old_state) {
    case SocketState::syn_sent:
    case SocketState::syn_received:
    case SocketState::new_syn_received:
    case SocketState::listen:
    case SocketState::close:
        return false;
    case SocketState::established:
    case SocketState::fin_wait1:
    case SocketState::fin_wait2:
    case SocketState::time_wait:
    case SocketState::close_wait:
    case SocketState::last_ack:
    case SocketState::closing:
        return true;
    }
    return false;
}

std::optional<model::TcpSummary> traffic_of(const SocketEvent &event, SocketState state) {
    if (event.protocol != Protocol::tcp || event.peer.port == 0)
        return std::nullopt;
    return model::TcpSummary{.established = was_established(state),
                             .bytes_sent = event.bytes_sent,
                             .bytes_received = event.bytes_received};
}

} // namespace

// tcp_reset(), tcp_write_err() and tcp_v4_err() of net/ipv4 leave the reason in sk_err. Without
// one, a connection that leaves ESTABLISHED or CLOSE_WAIT for CLOSE at once was cut off by our own
// side.
std::optional<Outcome> outcome_of(SocketState old_state, int error) {
    if (old_state == SocketState::listen || old_state == SocketState::close)
        return std::nullopt;
    switch (error) {
    case 0:
        break;
    case ECONNREFUSED:
        return Outcome::refused;
    case ETIMEDOUT:
        return Outcome::timed_out;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EACCES:
        return Outcome::unreachable;
    default:
        return Outcome::reset;
    }
    if (!was_established(old_state))
        return Outcome::abandoned;
    const bool orderly = old_state == SocketState::fin_wait2 || old_state == SocketState::closing ||
                         old_state == SocketState::last_ack || old_state == SocketState::time_wait;
    return orderly ? Outcome::closed : Outcome::reset;
}

// Only tcp_time_wait() leads from FIN_WAIT2 and CLOSING to CLOSE without an error, except where the
// kernel is out of memory for it or the program set TCP_LINGER2 below zero.
SocketClosed::Remains remains_of(const SocketEvent &closed) {
    if (closed.is_port_locked && !closed.is_orphan)
        return SocketClosed::Remains::bound;
    const bool to_time_wait = closed.error == 0 && (closed.old_state == SocketState::fin_wait2 ||
                                                    closed.old_state == SocketState::closing);
    return to_time_wait ? SocketClosed::Remains::time_wait : SocketClosed::Remains::nothing;
}

void EbpfEvents::translate(const BpfEvent &event, const Sink &sink) {
    std::visit([&](const auto &what) { tell(what, sink); }, event);
}

std::vector<model::BindFailure> EbpfEvents::take_bind_failures() {
    return std::exchange(bind_failures_, {});
}

bool EbpfEvents::lacks_holders() const {
    return somebody_may_have_inherited_ || !unattended_.empty() || !connecting_udp_.empty();
}

// A connect(2) that was over long before the look, and has no port, was refused.
void EbpfEvents::have_looked(model::Instant began) {
    somebody_may_have_inherited_ = false;
    have_looked_at_lingering();
    unattended_.clear();
    std::erase_if(connecting_udp_, [&](const auto &entry) {
        return began - entry.second.at > std::chrono::seconds(1);
    });
}

std::vector<SocketEvent> EbpfEvents::waiting() const {
    std::vector<SocketEvent> waiting;
    for (const auto &[_, event] : connecting_udp_)
        waiting.push_back(event);
    return waiting;
}

void EbpfEvents::await(std::span<const SocketEvent> waiting) {
    connecting_udp_.clear();
    for (const auto &event : waiting)
        connecting_udp_.emplace(event.key, event);
}

void EbpfEvents::tell(const ImageTold &told, const Sink &sink) {
    const auto known = images_.told(told);
    if (!known.replaced)
        return;
    somebody_may_have_inherited_ = true;
    sink(model::ProcessEnded{known.replaced, told.at});
}

void EbpfEvents::tell(const ImageEnded &ended, const Sink &sink) {
    if (const auto image = images_.ended(ended))
        sink(model::ProcessEnded{image, ended.at});
}

void EbpfEvents::tell(const ImageForked &forked, const Sink &) {
    images_.forked(forked);
    somebody_may_have_inherited_ = true;
}

void EbpfEvents::tell(const NamespaceEnded &ended, const Sink &sink) {
    sink(model::NamespaceEnded{ended.network_namespace, ended.at});
}

void EbpfEvents::tell(const SocketEvent &event, const Sink &sink) {
    using Kind = SocketEvent::Kind;
    const bool had_left = leaves_port_of_connect(event);
    if (event.kind != Kind::udp_connecting || event.local.port != 0)
        meet_port(event.key, event.protocol, event.local, event.peer, sink);
    switch (event.kind) {
    case Kind::bound: {
        std::optional<PortChoice> choice;
        if (event.requested_port)
            choice = *event.requested_port == 0 ? PortChoice::automatic : PortChoice::explicit_;
        const bool is_udp = event.protocol == Protocol::udp;
        return take_port(event, Phase::bound, is_udp ? std::optional(Role::datagram) : std::nullopt,
                         choice, sink);
    }
    case Kind::bind_failed:
        return fail_bind(event);
    case Kind::listening:
        return take_port(event, Phase::listening, Role::listener, choice_of(event), sink);
    case Kind::connecting:
        return take_port(event, Phase::connecting, Role::client, choice_of(event), sink);
    case Kind::connected: {
        const bool is_client = event.old_state == SocketState::syn_sent;
        if (!is_client)
            unattended_.insert(event.key);
        return take_port(event, Phase::connected, is_client ? Role::client : Role::accepted,
                         std::nullopt, sink);
    }
    case Kind::sent:
        return take_port(event, Phase::bound, Role::datagram, choice_of(event), sink, had_left);
    case Kind::udp_connecting:
        return connect_udp(event, sink);
    case Kind::named_peer:
        unattended_.erase(event.key);
        if (const auto process = process_of(event))
            sink(model::HolderSeen{event.key, process, event.at,
                                   event.is_in_accept ? model::Claim::opened : model::Claim::has});
        return;
    case Kind::released:
        return release(event, sink);
    case Kind::closed:
        return close(event, sink);
    }
}

void EbpfEvents::take_port(const SocketEvent &event, Phase phase, std::optional<Role> role,
                           std::optional<PortChoice> choice, const Sink &sink,
                           bool may_have_begun) {
    const bool is_older = may_have_begun || may_be_older(event);
    sink(model::PortTaken{.key = event.key,
                          .protocol = event.protocol,
                          .local = event.local,
                          .peer = event.peer,
                          .phase = phase,
                          .role = role,
                          .port_choice = choice,
                          .port_chosen_by = choice == PortChoice::automatic
                                                ? chosen_by(event, is_older)
                                                : std::nullopt,
                          .uid = event.uid,
                          .process = process_of(event),
                          .at = event.at,
                          .may_be_older = is_older});
}

// bind(2) gives a socket its port, and so does a connect(2) if bind(2) did not. A UDP socket that
// has a port when it begins to connect had it before.
bool EbpfEvents::may_be_older(const SocketEvent &event) const {
    using Kind = SocketEvent::Kind;
    switch (event.kind) {
    case Kind::udp_connecting:
        return true;
    case Kind::listening:
    case Kind::sent:
        return expects_older_;
    case Kind::connecting:
        return expects_older_ && !event.connect_chose_port;
    case Kind::bound:
    case Kind::bind_failed:
    case Kind::connected:
    case Kind::named_peer:
    case Kind::released:
    case Kind::closed:
        return false;
    }
    return false;
}

void EbpfEvents::connect_udp(const SocketEvent &event, const Sink &sink) {
    if (event.local.port != 0)
        take_port(event, Phase::connected, Role::datagram, choice_of(event), sink);
    else if (connecting_udp_.size() < most_waiting)
        connecting_udp_.insert_or_assign(event.key, event);
}

// bind(2) finds no port, so it left the one that it connected with. So did a socket that sends from
// a port without being connected, unless that is of a connect(2) which failed after it had chosen
// one.
bool EbpfEvents::leaves_port_of_connect(const SocketEvent &event) {
    using Kind = SocketEvent::Kind;
    const bool leaves =
        event.kind == Kind::bound || (event.kind == Kind::sent && event.peer.port == 0);
    return leaves && event.protocol == Protocol::udp && connecting_udp_.erase(event.key) > 0;
}

void EbpfEvents::meet_port(const model::SocketKey &key, Protocol protocol,
                           const model::Endpoint &local, const model::Endpoint &peer,
                           const Sink &sink) {
    if (protocol != Protocol::udp || connecting_udp_.empty())
        return;
    auto waiting = connecting_udp_.extract(key);
    if (waiting.empty() || local.port == 0)
        return;
    auto &event = waiting.mapped();
    event.local = local;
    event.kind = SocketEvent::Kind::connecting; // which gave it the port
    event.is_port_locked = false;
    event.connect_chose_port = true;
    const bool has_failed = peer.port == 0;
    if (has_failed)
        event.peer = peer;
    take_port(event, has_failed ? Phase::bound : Phase::connected, Role::datagram,
              PortChoice::automatic, sink);
}

// A UDP socket without a port had one before, perhaps, and left it without a word. What an exec
// closes is released when the new program already runs, though it never had it.
void EbpfEvents::release(const SocketEvent &event, const Sink &sink) {
    unattended_.erase(event.key);
    auto process = process_of(event);
    if (event.is_in_exec && event.image)
        process = images_.before_exec(*event.image);
    sink(model::SocketReleased{.key = event.key,
                               .protocol = event.protocol,
                               .local = event.local,
                               .peer = event.peer,
                               .uid = event.uid,
                               .tcp = traffic_of(event, event.state),
                               .process = process,
                               .frees_port = event.protocol == Protocol::udp ||
                                             event.state == SocketState::close,
                               .at = event.at,
                               .may_be_older = expects_older_});
}

void EbpfEvents::close(const SocketEvent &event, const Sink &sink) {
    unattended_.erase(event.key);
    const auto remains = remains_of(event);
    left_time_wait_ = left_time_wait_ || remains == SocketClosed::Remains::time_wait;
    sink(SocketClosed{.key = event.key,
                      .local = event.local,
                      .peer = event.peer,
                      .tcp = traffic_of(event, event.old_state),
                      .outcome = outcome_of(event.old_state, event.error),
                      .remains = remains,
                      .peer_has_closed = event.has_peer_closed,
                      .at = event.at,
                      .may_be_older = expects_older_});
}

void EbpfEvents::fail_bind(const SocketEvent &event) {
    bind_failures_.push_back({.socket = event.key,
                              .protocol = event.protocol,
                              .local = event.local,
                              .uid = event.uid,
                              .process = process_of(event),
                              .at = event.at});
}

model::ProcessRef EbpfEvents::process_of(const SocketEvent &event) {
    if (event.is_kernels)
        return ImageTable::kernel();
    return event.image ? images_.find(*event.image) : nullptr;
}

} // namespace portd::capture
