#include "port_pool.hpp"

#include <bitset>

namespace portd {

void PortPool::follow(const model::NamespacePorts &ports) {
    ports_ = ports;
    size_ = 0;
    for (int port = ports.local_range.low; port <= ports.local_range.high; ++port)
        size_ += ports.can_be_automatic(static_cast<std::uint16_t>(port));
}

void PortPool::note(const model::Lease &lease) {
    if (lease.id.socket.network_namespace != network_namespace_)
        return;
    if (lease.is_open())
        open_.insert_or_assign(lease.serial, Taken{lease.protocol, lease.local.port});
    else
        open_.erase(lease.serial);
}

std::size_t PortPool::used(Protocol protocol) const {
    if (open_.size() < size_ / 2)
        return 0;
    std::bitset<1 << 16> used;
    for (const auto &[_, taken] : open_)
        if (taken.protocol == protocol && ports_.can_be_automatic(taken.port))
            used.set(taken.port);
    return used.count();
}

} // namespace portd
