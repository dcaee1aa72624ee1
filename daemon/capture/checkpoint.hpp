// A frame of the journal: what capture and the ledger knew at a commit, beyond the stored leases.
#pragma once

#include "capture/bpf_events.hpp"
#include "capture/bpf_program.hpp"
#include "capture/bytes.hpp"
#include "model/ledger_notes.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace portd::capture {

// Grows with every change of what the frames hold, which is not seen in the sizes of their parts.
constexpr std::uint64_t checkpoint_form = 2;

struct Checkpoint {
    struct Account {
        std::uint64_t received = 0; // records of the ring, ever
        BpfCounters counted;        // their losses are in the history
        model::Instant drained_at{};
    };

    Account account;
    std::vector<SocketEvent> waiting; // EbpfEvents::waiting(), all of them
    std::vector<std::byte> images;    // ImageTable::take_news()
};

static_assert(std::is_trivially_copyable_v<SocketEvent>);

// With the notes that changed since the frame before.
void encode(const Checkpoint &checkpoint, const model::LedgerNotes &notes, ByteWriter &writer);
// Throws TruncatedBytes.
std::pair<Checkpoint, model::LedgerNotes> decode_checkpoint(std::span<const std::byte> payload);

} // namespace portd::capture
