// Sockets of our own that must show up exactly in what the BPF program tells.
#pragma once

#include "capture/bpf_events.hpp"
#include "capture/source.hpp"
#include "model/port_policy.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace portd::capture {

class SelfCheckTraffic {
  public:
    // Makes the traffic on loopback and ends it: a TCP connection and a UDP socket, of which every
    // event has been issued when this returns. Where the setting leaves out the ports that the
    // kernel would choose, sockets are bound to ports that it names, and not connected.
    explicit SelfCheckTraffic(const model::PortPolicy &ports);

    // Every event since then.
    void meet(const BpfEvent &event);

    SelfCheck verdict(model::Instant now) const;

  private:
    struct Expected {
        std::string name;
        std::uint16_t port = 0;
        std::set<SocketEvent::Kind> missing;
    };

    void use_chosen_ports();
    void use_listed_ports(const model::PortPolicy &ports);

    std::map<std::uint64_t, Expected> expected_; // by cookie
    std::string fault_;                          // why there was no traffic
    std::string wrong_;                          // an event that was not as it should be
};

} // namespace portd::capture
