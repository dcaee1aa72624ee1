// The procfs tier: the text tables under /proc/net on a timer, where netlink is refused. Rows have
// no cookie: a socket goes by its inode, or by its tuple where it has none, and what lives between
// two samples is not seen at all.
#pragma once

#include "capture/attribution.hpp"
#include "capture/proc_net.hpp"
#include "capture/source.hpp"

#include <string>

namespace portd::capture {

class ProcfsSource : public Source {
  public:
    // Throws std::system_error if the tables cannot be read.
    ProcfsSource(PortFilter records, Attribution attribution, const model::Clock &clock,
                 std::string proc_root = "/proc");

    CaptureTier tier() const override { return CaptureTier::procfs; }
    std::vector<std::string> limitations() const override;
    std::vector<int> descriptors() const override { return attribution_.descriptors(); }
    void read_events(Promptness promptness, const Sink &sink) override;
    Sample sample(const Sink &sink) override;
    std::vector<Loss> take_losses() override { return {}; }

  private:
    std::string scan(Protocol protocol, Family family, const Sink &sink);

    PortFilter records_;
    Attribution attribution_;
    const model::Clock &clock_;
    const std::string proc_root_;
    const std::uint32_t network_namespace_;
};

} // namespace portd::capture
