#include "capture/sock_diag_source.hpp"

#include "capture/namespace_ports.hpp"

#include <array>
#include <utility>

namespace portd::capture {
namespace {

model::SocketKey key_of(const DiagSocket &socket, std::uint32_t network_namespace) {
    return {socket.cookie, network_namespace, model::SocketKey::Kind::cookie};
}

} // namespace

SockDiagSource::SockDiagSource(PortFilter records, Attribution attribution,
                               const model::Clock &clock)
    : records_(std::move(records)),
      attribution_(std::move(attribution)),
      clock_(clock),
      network_namespace_(own_network_namespace()),
      last_empty_at_(clock.now()) {}

std::vector<std::string> SockDiagSource::limitations() const {
    return attribution_.limitations();
}

std::vector<int> SockDiagSource::descriptors() const {
    auto descriptors = attribution_.descriptors();
    descriptors.push_back(destroyed_.descriptor());
    return descriptors;
}

void SockDiagSource::read_events(Promptness promptness, const Sink &sink) {
    read_destroyed(promptness, sink);
    attribution_.read_process_events();
}

void SockDiagSource::read_destroyed(Promptness promptness, const Sink &sink) {
    while (destroyed_.read_all([&](const DiagSocket &socket) {
        report(socket, promptness, sink);
    }) == DestroyEvents::End::missed) {
        losses_.push_back({"overflow", last_empty_at_, clock_.now(), std::nullopt});
        promptness = Promptness::after_work;
    }
    last_empty_at_ = clock_.now();
}

void SockDiagSource::report(const DiagSocket &socket, Promptness promptness,
                            const Sink &sink) const {
    if (socket.local.port == 0 || !records_(socket.local.port))
        return;
    const model::Instant now = clock_.now();
    const bool observed =
        promptness == Promptness::prompt || now - last_empty_at_ <= model::observed_precision;
    sink(model::SocketDestroyed{
        .key = key_of(socket, network_namespace_),
        .protocol = socket.protocol,
        .local = socket.local,
        .peer = socket.peer,
        .at = observed ? model::When::observed(now) : model::When::sampled(last_empty_at_, now),
        .tcp = socket.tcp,
    });
}

std::string SockDiagSource::scan(Protocol protocol, const Sink &sink) {
    constexpr std::array families{Family::ipv4, Family::ipv6};
    for (const auto family : families)
        sink(model::ScanStarted{{protocol, family, network_namespace_}, clock_.now()});
    auto failure = dump_.read(protocol, [&](const std::vector<DiagSocket> &sockets) {
        const model::Instant now = clock_.now();
        for (const auto &socket : sockets) {
            if (socket.local.port == 0 || !records_(socket.local.port))
                continue;
            const auto key = key_of(socket, network_namespace_);
            sink(model::SocketSeen{key, protocol, socket.local, socket.peer, socket.state,
                                   socket.uid, socket.inode, now});
            if (socket.inode != 0)
                attribution_.present(socket.inode, key);
        }
        // A long dump must not make destroy events late.
        if (now - last_empty_at_ > model::observed_precision / 2)
            read_destroyed(Promptness::after_work, sink);
    });
    for (const auto family : families)
        sink(model::ScanFinished{{protocol, family, network_namespace_},
                                 clock_.now(),
                                 failure.empty() ? model::Scope::all : model::Scope::nothing});
    return failure;
}

Sample SockDiagSource::sample(const Sink &sink) {
    Sample sample{.began = clock_.now(), .failure = {}};
    for (const auto protocol : {Protocol::tcp, Protocol::udp}) {
        auto failure = scan(protocol, sink);
        if (sample.failure.empty())
            sample.failure = std::move(failure);
        read_destroyed(Promptness::after_work, sink);
    }
    attribution_.resolve(clock_.now(), sink);
    read_destroyed(Promptness::after_work, sink);
    return sample;
}

std::vector<Loss> SockDiagSource::take_losses() {
    return std::exchange(losses_, {});
}

} // namespace portd::capture
