#include "capture/takeover.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace portd::capture {

std::optional<std::string> why_not(const Journal::Identity &journal, std::uint64_t build,
                                   const std::vector<std::uint32_t> &numbers,
                                   RingConsumer::Positions ring,
                                   const std::optional<model::RingMark> &stored) {
    if (journal.build != build)
        return "it was left by another version or with other settings";
    if (journal.objects != numbers)
        return "it is not what its journal names";
    if (!stored || stored->generation != journal.generation) {
        if (ring.consumer != 0)
            return "the history is not the one that was kept of it";
        return std::nullopt;
    }
    if (stored->position < ring.consumer || stored->position > ring.producer)
        return "the history ends elsewhere than its events";
    return std::nullopt;
}

std::variant<Takeover, std::string> take_over(Kept kept, std::uint64_t build,
                                              std::size_t ring_bytes) {
    const auto file =
        std::ranges::find(kept.descriptors, journal_name, &system::NamedDescriptor::name);
    if (file == kept.descriptors.end())
        return "it has no journal";
    try {
        auto journal = Journal::open(std::move(file->fd));
        if (!journal)
            return "its journal is none";
        auto objects = BpfObjects::from(kept.descriptors);
        if (objects.hooks.empty())
            return "it has no hooks";
        auto program = std::make_unique<BpfProgram>(std::move(objects), ring_bytes);
        const auto ring = RingConsumer(program->ring_fd(), ring_bytes).positions();
        if (auto reason =
                why_not(journal->identity(), build, program->numbers(), ring, kept.stored))
            return *reason;
        const bool has_stored =
            kept.stored && kept.stored->generation == journal->identity().generation;
        auto frames = journal->rewind(has_stored ? kept.stored->frame : 0);
        if (!frames)
            return "its journal does not have what belongs to the history";
        return Takeover{std::move(program), std::move(*journal), std::move(*frames),
                        has_stored ? kept.stored->position : 0};
    } catch (const std::runtime_error &error) {
        return error.what();
    }
}

} // namespace portd::capture
