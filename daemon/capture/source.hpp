// A capture tier: where observations come from. One interface, so that the daemon does not care.
//
// A source lives in the capture thread. The owner watches its descriptors, calls read_events() when
// one is readable, and sample() on its timer; both hand every observation to the sink before they
// return.
#pragma once

#include "model/observation.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace portd::capture {

using Sink = std::function<void(const model::Observation &)>;

// Which ports to report; the others never leave the source.
using PortFilter = std::function<bool(std::uint16_t port)>;

// Whether the caller comes straight from waiting (an event that is there now has just happened), or
// has been busy since it last looked (it may have happened at any time since).
enum class Promptness { prompt, after_work };

// Something was missed between two instants; how many events is not known unless given.
struct Loss {
    std::string cause; // a gap cause of io.portd.Ports
    model::Instant since{};
    model::Instant until{};
    std::optional<std::int64_t> events;
};

struct Sample {
    model::Instant began{};
    std::string failure; // empty: every table was read to its end
};

class Source {
  public:
    virtual ~Source() = default;

    virtual CaptureTier tier() const = 0;
    // What limits this source, for the operator: one sentence each.
    virtual std::vector<std::string> limitations() const = 0;
    virtual std::vector<int> descriptors() const = 0;

    virtual void read_events(Promptness promptness, const Sink &sink) = 0;
    virtual Sample sample(const Sink &sink) = 0;

    // Losses since the last call.
    virtual std::vector<Loss> take_losses() = 0;
};

} // namespace portd::capture
