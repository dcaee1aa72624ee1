#include "capture/checkpoint.hpp"

#include "capture/process_bytes.hpp"

#include <memory>
#include <utility>

namespace portd::capture {

void encode(const Checkpoint &checkpoint, const model::LedgerNotes &notes, ByteWriter &writer) {
    writer.put(checkpoint.account);
    writer.put_all(checkpoint.waiting);
    writer.put_all(notes.changed);
    writer.put_all(notes.forgotten);
    writer.put<std::uint64_t>(notes.claims.size());
    for (const auto &claim : notes.claims) {
        writer.put(claim.key);
        writer.put(claim.at);
        writer.put(claim.claim);
        put_process(writer, *claim.process);
    }
    writer.put_all(checkpoint.images);
}

std::pair<Checkpoint, model::LedgerNotes> decode_checkpoint(std::span<const std::byte> payload) {
    ByteReader reader(payload);
    Checkpoint checkpoint;
    model::LedgerNotes notes;
    checkpoint.account = reader.get<Checkpoint::Account>();
    checkpoint.waiting = reader.get_all<SocketEvent>();
    notes.changed = reader.get_all<model::LedgerNote>();
    notes.forgotten = reader.get_all<std::int64_t>();
    for (auto count = reader.get<std::uint64_t>(); count > 0; --count) {
        model::HolderSeen claim;
        claim.key = reader.get<model::SocketKey>();
        claim.at = reader.get<model::Instant>();
        claim.claim = reader.get<model::Claim>();
        claim.process = std::make_shared<const model::Process>(get_process(reader));
        notes.claims.push_back(std::move(claim));
    }
    checkpoint.images = reader.get_all<std::byte>();
    return {std::move(checkpoint), std::move(notes)};
}

} // namespace portd::capture
