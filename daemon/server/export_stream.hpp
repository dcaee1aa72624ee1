// The replies to Export: one for each lease that ended and for each gap, and a last one with the
// coverage, unless the caller follows.
#pragma once

#include "access.hpp"
#include "end_feed.hpp"
#include "interval.hpp"
#include "page_size.hpp"
#include "silence.hpp"
#include "stream.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace portd::server {

struct ExportQuestion {
    Interval interval;
    bool follow = false;
    ChangePosition after;
};

class ExportStream final : public Stream {
  public:
    ExportStream(const ExportQuestion &question, const Caller &caller);

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return finished_; }
    bool is_waiting() const override { return is_waiting_; }
    bool follows() const override { return question_.follow; }

  private:
    void give(model::History &history, std::string &out);
    void append(std::string &out, Ending ending);
    void append_last(std::string &out, model::History &history);

    ExportQuestion question_;
    Caller caller_;
    EndFeed feed_;
    std::optional<model::Horizon> horizon_; // up to which it goes
    PageSize page_;
    Silence silence_;
    bool is_waiting_ = false;
    bool finished_ = false;
};

} // namespace portd::server
