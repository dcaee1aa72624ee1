// Choosing a capture tier.
#pragma once

#include "capture/redact.hpp"
#include "capture/source.hpp"
#include "capture/takeover.hpp"
#include "model/port_policy.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portd::capture {

struct Request {
    std::optional<CaptureTier> tier; // absent: the best that works
    ArgumentPolicy arguments = ArgumentPolicy::redacted;
    PortFilter records;
    model::PortPolicy ports;          // what `records` follows
    std::size_t ring_bytes = 4 << 20; // of the eBPF tier's ring buffer
    Kept kept = {};
};

struct Opened {
    std::unique_ptr<Source> source;
    std::vector<std::string> reasons; // why each better tier was not taken
    // Where an earlier instance left something. Nothing: it is gone on with. Otherwise why not; it
    // has been closed.
    std::optional<std::string> not_kept;
};

// Throws std::runtime_error or std::system_error with the reason if the tier that was asked for
// does not work here, or none does. `clock` must outlive the source.
Opened open_best(Request request, const model::Clock &clock);

} // namespace portd::capture
