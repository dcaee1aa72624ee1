// However a byte stream is split, the same messages come out of it, and each keeps to the limits.
#include "proto/framing.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace portd::proto;

void require(bool holds) {
    if (!holds)
        std::abort();
}

struct Outcome {
    std::vector<std::string> messages;
    MessageFault fault = MessageFault::none;
    bool partial = false;

    bool operator==(const Outcome &) const = default;
};

Outcome read(std::string_view stream, std::size_t piece, MessageLimits limits) {
    MessageReader reader(limits);
    Outcome outcome;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        reader.append(stream.substr(at, piece));
        while (auto message = reader.next())
            outcome.messages.push_back(std::move(*message));
    }
    outcome.fault = reader.fault();
    outcome.partial = reader.has_partial();
    return outcome;
}

} // namespace

// The first bytes are the limits and the length of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size < 3)
        return 0;
    const MessageLimits limits{.bytes = data[0], .depth = data[1]};
    const std::size_t piece = std::max<std::size_t>(data[2], 1);
    const std::string_view stream(reinterpret_cast<const char *>(data) + 3, size - 3);

    const Outcome whole = read(stream, std::max<std::size_t>(stream.size(), 1), limits);
    require(read(stream, piece, limits) == whole);

    std::string again;
    for (const std::string &message : whole.messages) {
        require(message.size() <= limits.bytes);
        require(message.find('\0') == std::string::npos);
        require(nesting_depth(message) <= limits.depth);
        again += message + '\0';
    }
    require(stream.substr(0, again.size()) == again);
    if (whole.fault == MessageFault::none)
        require(whole.partial == (again.size() < stream.size()));
    return 0;
}
