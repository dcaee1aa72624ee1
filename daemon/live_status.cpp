#include "live_status.hpp"

#include "system/clock.hpp"

#include <utility>

namespace portd {

void LiveStatus::publish(proto::Status status, const store::Present &present) {
    const std::scoped_lock lock(mutex_);
    status_ = std::move(status);
    present_ = present;
}

store::Present LiveStatus::present() const {
    const std::scoped_lock lock(mutex_);
    return present_;
}

void LiveStatus::publish(std::uint32_t own_namespace,
                         std::shared_ptr<const model::KnownPorts> known) {
    const std::scoped_lock lock(mutex_);
    own_namespace_ = own_namespace;
    known_ports_ = std::move(known);
}

proto::Status LiveStatus::status() const {
    proto::Status status;
    {
        const std::scoped_lock lock(mutex_);
        status = status_;
    }
    status.cpu_usec = system::cpu_time_us();
    status.resident_bytes = system::resident_bytes();
    return status;
}

model::NamespacePorts LiveStatus::namespace_ports() const {
    const std::scoped_lock lock(mutex_);
    return known_ports_->at(own_namespace_);
}

std::shared_ptr<const model::KnownPorts> LiveStatus::known_ports() const {
    const std::scoped_lock lock(mutex_);
    return known_ports_;
}

bool LiveStatus::records(std::uint16_t port) const {
    return ports_.records(port, namespace_ports());
}

} // namespace portd
