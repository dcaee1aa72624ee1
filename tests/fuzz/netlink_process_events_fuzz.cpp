// Datagrams of the kernel's process connector.
#include "capture/process_events.hpp"

#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

namespace {

using portd::capture::decode_process_events;
using Kind = portd::capture::KernelProcessEvent::Kind;

void check(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto decoded = decode_process_events(bytes);
    for (const auto &event : decoded.events) {
        check(event.at.count() >= 0);
        check(event.kind == Kind::acknowledged || event.pid > 0);
        check(event.parent == 0 || event.kind == Kind::forked);
        check(event.error == 0 || event.kind == Kind::acknowledged);
    }
    if (decoded.malformed || size % 4 != 0)
        return 0;
    // Two datagrams in one say what both say.
    std::vector<std::byte> twice(bytes.begin(), bytes.end());
    twice.insert(twice.end(), bytes.begin(), bytes.end());
    const auto both = decode_process_events(twice);
    check(!both.malformed && both.events.size() == 2 * decoded.events.size());
    return 0;
}
