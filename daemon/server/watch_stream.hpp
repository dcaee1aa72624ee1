// The replies to Watch: the open leases, a mark, and then what happens, round by round.
//
// A round takes the horizon, then tells all that was opened, and then all that ended up to that
// horizon: whatever ended by then was stored by then, so that no lease ends before it was opened.
#pragma once

#include "access.hpp"
#include "end_feed.hpp"
#include "page_size.hpp"
#include "stream.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace portd::server {

struct WatchQuestion {
    model::LeaseQuery query;
    OthersOpen others = OthersOpen::cut;
    std::optional<ChangePosition> after; // absent: the open leases come first
};

class WatchStream final : public Stream {
  public:
    WatchStream(WatchQuestion question, const Caller &caller);

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return finished_; }
    bool follows() const override { return true; }
    bool is_waiting() const override { return is_waiting_; }

  private:
    enum class Telling { start, open, ready, round, opened, ended };

    void tell(model::History &history, std::string &out);
    void start(model::History &history);
    void tell_open(model::History &history, std::string &out);
    void tell_ready(model::History &history, std::string &out);
    void begin_round(model::History &history);
    void tell_opened(model::History &history, std::string &out);
    void tell_ended(model::History &history, std::string &out);
    void append_lease(std::string &out, Event event, proto::Lease lease,
                      const std::optional<ChangePosition> &position);

    WatchQuestion question_;
    Caller caller_;
    EndFeed feed_;
    Telling telling_ = Telling::start;
    model::Horizon horizon_;                      // of the round
    std::optional<model::LeaseCursor> looked_at_; // of the open leases, or of those that were found
    bool told_any_ = false;                       // in this round
    PageSize page_;
    bool is_waiting_ = false;
    bool finished_ = false;
};

} // namespace portd::server
