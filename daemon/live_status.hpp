// What the capture thread lets the server's thread know.
#pragma once

#include "model/history.hpp"
#include "settings.hpp"
#include "store/coverage.hpp"

#include <memory>
#include <mutex>

namespace portd {

class LiveStatus : public model::Daemon {
  public:
    explicit LiveStatus(const Settings &settings) : ports_(settings.ports) {}

    void publish(proto::Status status, const store::Present &present);
    void publish(const model::NamespacePorts &ports);
    void publish(std::shared_ptr<const model::KnownPorts> known);

    proto::Status status() const override;
    model::NamespacePorts namespace_ports() const override;
    std::shared_ptr<const model::KnownPorts> known_ports() const override;
    bool records(std::uint16_t port) const override;
    store::Present present() const;

  private:
    const model::PortPolicy ports_;
    mutable std::mutex mutex_;
    proto::Status status_;
    store::Present present_;
    model::NamespacePorts namespace_ports_;
    std::shared_ptr<const model::KnownPorts> known_ports_ =
        std::make_shared<const model::KnownPorts>();
};

} // namespace portd
