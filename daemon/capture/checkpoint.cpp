#include "capture/checkpoint.hpp"

#include "capture/bytes.hpp"

namespace portd::capture {

std::vector<std::byte> encode(const Checkpoint &checkpoint) {
    ByteWriter writer;
    writer.put(checkpoint.account);
    writer.put_all(checkpoint.waiting);
    writer.put_all(checkpoint.notes.changed);
    writer.put_all(checkpoint.notes.forgotten);
    writer.put_all(checkpoint.images);
    return writer.take();
}

Checkpoint decode_checkpoint(std::span<const std::byte> payload) {
    ByteReader reader(payload);
    Checkpoint checkpoint;
    checkpoint.account = reader.get<Checkpoint::Account>();
    checkpoint.waiting = reader.get_all<SocketEvent>();
    checkpoint.notes.changed = reader.get_all<model::LedgerNote>();
    checkpoint.notes.forgotten = reader.get_all<std::int64_t>();
    checkpoint.images = reader.get_all<std::byte>();
    return checkpoint;
}

} // namespace portd::capture
