// The sock_diag tier: dumps on a timer, the destroy groups and process events in between.
#pragma once

#include "capture/attribution.hpp"
#include "capture/sock_diag.hpp"
#include "capture/source.hpp"

#include <cstdint>

namespace portd::capture {

class SockDiagSource : public Source {
  public:
    // Throws std::system_error where netlink is refused. Both arguments of reference outlive the
    // source.
    SockDiagSource(PortFilter records, Attribution attribution, const model::Clock &clock);

    CaptureTier tier() const override { return CaptureTier::sock_diag; }
    std::vector<std::string> limitations() const override;
    std::vector<int> descriptors() const override;
    void read_events(Promptness promptness, const Sink &sink) override;
    Sample sample(const Sink &sink) override;
    std::vector<Loss> take_losses() override;

  private:
    void read_destroyed(Promptness promptness, const Sink &sink);
    void report(const DiagSocket &socket, Promptness promptness, const Sink &sink) const;
    std::string scan(Protocol protocol, const Sink &sink);

    PortFilter records_;
    Attribution attribution_;
    const model::Clock &clock_;
    const std::uint32_t network_namespace_;
    DiagDump dump_;
    DestroyEvents destroyed_;
    // When the queue of destroy events was last seen empty: what is in it now came later.
    model::Instant last_empty_at_;
    std::vector<Loss> losses_;
};

} // namespace portd::capture
