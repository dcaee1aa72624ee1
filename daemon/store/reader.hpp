// The reading end of the store, on read-only connections of its own that never checkpoint. Reads
// what a Writer committed, in the same process or another, while that goes on writing.
//
// Pages are cut by the position of the last lease that was looked at, so that a page costs the same
// wherever it is. Leases that are added or freed while somebody turns the pages neither shift nor
// repeat the others, nor does it matter that the writer begins another part, or drops the oldest. A
// page can hold fewer leases than the limit, or none, and still have a next one: no read looks at
// more than `max_examined` leases.
//
// A part that cannot be read is left out of answers: it is a gap in their coverage, and so is the
// time of a part that is not there between two others. It is tried again later.
//
// Used by one thread at a time. Faults are those of store/fault.hpp and std::runtime_error.
#pragma once

#include "model/history.hpp"
#include "store/coverage.hpp"
#include "store/recent_ends.hpp"
#include "store/suspects.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace portd::store {

class Reader final : public model::History {
  public:
    static constexpr std::size_t max_examined = 20'000;
    // Leases of the processes that are asked for are sorted, if they are not more than this in a
    // part; more are met often enough by looking through all of them.
    static constexpr std::int64_t most_sorted = 4096;

    // Of a daemon that is watching: what assemble_coverage() is to know of it, asked at each
    // answer.
    using PresentNow = std::function<Present()>;

    // Without a `present`, the store must have been opened by a Writer. `suspects` hears of damage.
    // `recent_ends` is told by that Writer.
    explicit Reader(const std::filesystem::path &state_directory, PresentNow present = {},
                    std::shared_ptr<Suspects> suspects = {}, std::int64_t few_leases = most_sorted,
                    std::shared_ptr<const RecentEnds> recent_ends = {});
    ~Reader() override;

    // A lease whose earliest opening is not known can have been opened at any time since its boot.
    model::LeasePage page(const model::LeaseQuery &query, std::optional<model::LeaseCursor> after,
                          std::size_t limit) override;
    // The error, and what was in the way, are worked out from the leases that are stored by now.
    model::BindFailurePage bind_failures(const model::LeaseQuery &query,
                                         std::optional<model::BindFailureCursor> after,
                                         std::size_t limit) override;
    // No page looks at more than `max_examined` leases, nor has more than `most_of_flows`.
    static constexpr std::size_t most_of_flows = 512;
    model::FlowPage leases_of_flows(const std::vector<model::FlowEnd> &ends,
                                    const std::optional<model::FlowPlace> &after,
                                    std::optional<std::uint32_t> visible_to_uid) override;
    // The query must name a port. Where the port has more than `max_examined` leases in a part,
    // these are the ones that were opened last, and those that outlast others.
    std::optional<proto::Lease> last_freed(const model::LeaseQuery &query) override;
    proto::Coverage coverage(std::optional<std::int64_t> since_us,
                             std::optional<std::int64_t> until_us) override;
    proto::Coverage present_coverage() override;
    // The gap that was recorded last comes first.
    std::vector<proto::Gap> newest_gaps(std::size_t limit) override;
    std::vector<proto::ClockStep> newest_clock_steps(std::size_t limit) override;
    std::unique_ptr<model::Verification> verify() override;
    model::Horizon horizon(model::Settled settled) override;
    std::vector<model::NumberedGap> gaps_after(std::int64_t number, std::size_t limit) override;
    model::Missing missing_after(const model::EndMark &mark,
                                 std::optional<model::LeaseCursor> reached) override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace portd::store
