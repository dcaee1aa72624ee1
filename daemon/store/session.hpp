// Private to the store: the part that is written, with its statements. A fault leaves it as it was
// before the commit.
#pragma once

#include "store/batch.hpp"
#include "store/database.hpp"
#include "store/interning.hpp"
#include "store/lease_rows.hpp"
#include "store/lease_writer.hpp"
#include "store/open_store.hpp"
#include "store/part_files.hpp"
#include "store/recent_ends.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portd::store {

class Session {
  public:
    // `recent_ends` lives longer.
    Session(OpenedStore opened, std::int64_t waiting_leases, RecentEnds &recent_ends);

    const OpenedStore &opened() const { return opened_; }
    std::int64_t row_us(model::Instant at) const { return to_us(at) + opened_.info.base_offset_us; }
    std::int64_t wall_us(model::Instant at) const { return opened_.walls.wall_us(row_us(at)); }
    std::int64_t bytes() { return opened_.database->integer("PRAGMA page_count") * page_bytes_; }
    // Makes the next part and gives this one up.
    PartFile make_next();
    std::int64_t now_us() const { return now_us_; }
    std::int64_t last_serial() const { return lease_writer_.counts().last_serial; }
    std::int64_t leases() const { return lease_writer_.counts().leases; }

    std::vector<model::Lease> open_leases();
    std::vector<model::Lease> leases(std::span<const std::int64_t> serials);
    std::optional<model::RingMark> ring_mark();
    // What the batch says of the clock, if it was set.
    std::optional<ClockSetting> commit(const Batch &batch);
    std::string describe(const ClockSetting &set);
    // Once the log has grown enough; then again when it has grown as much again.
    void checkpoint_if_due();
    // What can be brought into the file before another part is begun.
    void give_up_files();
    // Everything into the file, which is then all there is.
    void checkpoint_and_close_files();

  private:
    std::optional<ClockSetting> write(const Batch &batch);
    void write_watched(const Watched &watched);
    void write_gap(const proto::Gap &gap);
    void write_bind_failure(const model::BindFailure &failure);
    void write_namespace(const NamespaceName &name);
    void write_ring_mark(const model::RingMark &mark);
    std::optional<ClockSetting> write_clock(const ClockReading &reading);

    OpenedStore opened_;
    RecentEnds &recent_ends_;
    Interning interning_;
    LeaseWriter lease_writer_;
    LeaseRows rows_;
    Statement select_open_;
    Statement put_coverage_;
    Statement put_gap_;
    Statement insert_bind_failure_;
    Statement select_namespace_;
    Statement put_namespace_;
    Statement select_stored_;
    Statement select_ring_mark_;
    Statement put_ring_mark_;
    const std::int64_t page_bytes_;
    std::int64_t next_bind_failure_;
    int checkpoint_at_pages_;
    std::int64_t now_us_; // the latest moment that was stored
};

} // namespace portd::store
