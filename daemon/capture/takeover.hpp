// Going on where an earlier instance was: with its ring, its hooks, which never ceased to work, and
// its journal.
#pragma once

#include "capture/bpf_program.hpp"
#include "capture/journal.hpp"
#include "capture/ring_consumer.hpp"
#include "model/ring_mark.hpp"
#include "system/service.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace portd::capture {

// What an earlier instance left.
struct Kept {
    std::vector<system::NamedDescriptor> descriptors; // Source::descriptors_to_keep()
    std::optional<model::RingMark> stored;            // the last mark that was stored with leases
};

// Of the journal among the descriptors; the others are BpfObjects::named().
inline constexpr const char *journal_name = "portd-journal";

struct Takeover {
    std::unique_ptr<BpfProgram> program;
    Journal journal;
    // Up to the last commit, and where its events end; no frames and 0 if there was none.
    std::vector<Journal::Frame> frames;
    std::uint64_t position = 0;
};

// Or why not: then everything is closed. `build` stands for this build and its settings.
std::variant<Takeover, std::string> take_over(Kept kept, std::uint64_t build,
                                              std::size_t ring_bytes);

// Why it cannot be gone on with, one clause; nothing if it can. Objects are ours if their `numbers`
// are those that a journal of this `build` names. The ring must hold every event that is not
// stored, which it does if nothing behind the mark was acknowledged.
std::optional<std::string> why_not(const Journal::Identity &journal, std::uint64_t build,
                                   const std::vector<std::uint32_t> &numbers,
                                   RingConsumer::Positions ring,
                                   const std::optional<model::RingMark> &stored);

} // namespace portd::capture
