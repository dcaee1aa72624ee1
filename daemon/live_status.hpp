// What the capture thread lets the server's thread know.
#pragma once

#include "model/history.hpp"
#include "settings.hpp"
#include "store/coverage.hpp"

#include <cstdint>
#include <memory>
#include <mutex>

namespace portd {

class LiveStatus : public model::Daemon {
  public:
    explicit LiveStatus(const Settings &settings) : ports_(settings.ports) {}

    void publish(proto::Status status, const store::Present &present);
    // Those of the daemon's own network namespace are among them.
    void publish(std::uint32_t own_namespace, std::shared_ptr<const model::KnownPorts> known);

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
    std::uint32_t own_namespace_ = 0;
    std::shared_ptr<const model::KnownPorts> known_ports_ =
        std::make_shared<const model::KnownPorts>(model::KnownPorts{{own_namespace_, {}}});
};

} // namespace portd
