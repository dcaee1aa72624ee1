// Whatever a netlink datagram says, decoding stays inside it and what it yields is well formed.
#include "capture/inet_diag.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace portd;
    capture::DiagBatch batch;
    capture::decode_diag(std::as_bytes(std::span(data, size)), batch);
    // A message has a header of 16 bytes at least.
    if (batch.sockets.size() + batch.malformed > size / 16 + 1 || batch.error < 0)
        std::abort();
    for (const auto &socket : batch.sockets) {
        const auto state = static_cast<int>(socket.state);
        if (state < 1 || state > 12 || socket.local.address.family != socket.peer.address.family)
            std::abort();
        if (socket.tcp && socket.tcp->idle.count() < 0)
            std::abort();
    }
    const auto sockets = batch.sockets.size();
    capture::decode_diag(std::as_bytes(std::span(data, size)), batch);
    if (batch.sockets.size() != sockets)
        std::abort();
    return 0;
}
