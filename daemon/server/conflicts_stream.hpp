// The replies to Conflicts: now and then how far it has come, one for each conflict, and the
// summary.
//
// The open leases are looked at, then the binds that were refused, then the past of each port that
// is a conflict: page by page, of which only what the table keeps stays.
#pragma once

#include "access.hpp"
#include "conflict_table.hpp"
#include "model/history.hpp"
#include "progress.hpp"
#include "stream.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::server {

struct ConflictsQuestion {
    model::NamespacePorts ports;
    std::int64_t network_namespace = 0;
    std::int64_t since_us = 0;
    std::int64_t now_us = 0;
};

class ConflictsStream final : public Stream {
  public:
    ConflictsStream(ConflictsQuestion question, const Caller &caller);

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return stage_ == Stage::over; }

  private:
    static constexpr std::size_t page_entries = 256;
    enum class Stage { open, failures, past, conflicts, over };

    model::LeaseQuery query() const;
    void look_at_open(model::History &history);
    void look_at_failures(model::History &history);
    void look_at_past(model::History &history);
    std::string conflicts(model::History &history);

    ConflictsQuestion question_;
    Caller caller_;
    ConflictTable table_;
    Stage stage_ = Stage::open;
    std::optional<model::LeaseCursor> lease_cursor_;
    std::optional<model::BindFailureCursor> failure_cursor_;
    std::vector<ConflictTable::Port> left_; // ports of which the past was not looked at
    Progress progress_;
};

} // namespace portd::server
