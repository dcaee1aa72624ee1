// The leases that ended and the gaps that were recorded after a position, in order, each once:
// what Watch and Export have in common.
//
// Windows are opened one after the other, from the horizon of the one before to the present one
// (model/end_order.hpp). What was fetched of a window is fetched by serial, page by page, so that
// nothing is kept for a caller but its position.
#pragma once

#include "change_position.hpp"
#include "model/history.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace portd::server {

// What is to be told, and the position after it.
struct Ending {
    std::optional<proto::Lease> lease;
    std::optional<proto::Gap> gap;
    ChangePosition position;
};

class EndFeed {
  public:
    // Of the leases those that the query admits.
    EndFeed(model::LeaseQuery query, const ChangePosition &position);

    // If all of the last window was given: another one, up to the horizon.
    void open_window(const model::Horizon &horizon);
    // The next of the open window, and gaps; at most so many. Can be empty before the end of it.
    std::vector<Ending> next(model::History &history, std::size_t limit);
    // All of it, and of the gaps, was given.
    bool is_even() const { return is_even_; }

    bool has_window() const;

    const ChangePosition &position() const { return position_; }
    // All leases up to that serial were told to have been opened.
    void told_opened(std::int64_t serial);

  private:
    void take_missing(model::History &history, const model::EndMark &mark,
                      std::optional<model::LeaseCursor> reached, std::vector<Ending> &out);
    void take_gaps(model::History &history, std::size_t limit, std::vector<Ending> &out);
    void take_leases(model::History &history, std::size_t limit, std::vector<Ending> &out);

    model::LeaseQuery query_;
    ChangePosition position_;
    std::vector<proto::Gap> told_missing_;
    bool is_even_ = false;
};

} // namespace portd::server
