// The replies to Pressure: now and then how far it has come, one for each pool, and the summary.
#pragma once

#include "access.hpp"
#include "model/history.hpp"
#include "pool_table.hpp"
#include "progress.hpp"
#include "stream.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace portd::server {

struct PressureQuestion {
    std::optional<Protocol> protocol;
    std::optional<std::int64_t> network_namespace;
    PoolTable::Settings settings;   // the window as it was asked for
};

class PressureStream final : public Stream {
  public:
    PressureStream(PressureQuestion question, const Caller &caller);

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return stage_ == Stage::over; }

  private:
    static constexpr std::size_t page_entries = 256;
    enum class Stage { coverage, open, window, pools, over };

    void look_at_coverage(model::History &history);
    model::LeaseQuery query() const;
    void look_at_open(model::History &history);
    void look_at_window(model::History &history);
    std::string pools();

    PressureQuestion question_;
    Caller caller_;
    proto::Coverage coverage_; // of the window that was asked for
    std::optional<PoolTable> table_;
    Stage stage_ = Stage::coverage;
    std::optional<model::LeaseCursor> cursor_;
    Progress progress_;
};

} // namespace portd::server
