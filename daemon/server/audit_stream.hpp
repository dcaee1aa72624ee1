// The replies to Audit: now and then how far it has come, then one for each group, and a last one
// with the coverage.
//
// Leases are looked at page by page, as in a LeaseStream, and of each page only the sums are kept.
#pragma once

#include "access.hpp"
#include "audit_table.hpp"
#include "interval.hpp"
#include "model/history.hpp"
#include "progress.hpp"
#include "stream.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace portd::server {

struct AuditQuestion {
    model::LeaseQuery query;
    AuditBy by = AuditBy::program;
    AuditOrder order = AuditOrder::leases;
    std::size_t limit = AuditTable::most_groups;
    bool recorded = true; // leases of the ports that were asked for are kept
    Interval interval;
};

class AuditStream final : public Stream {
  public:
    AuditStream(AuditQuestion question, const Caller &caller, std::int64_t now_us);

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return finished_; }

  private:
    static constexpr std::size_t page_entries = 256;
    static constexpr std::size_t groups_at_once = 64;

    void look_at_leases(model::History &history);
    void look_at_bind_failures(model::History &history);
    std::string groups(model::History &history);
    proto::AuditReply last(model::History &history);

    AuditQuestion question_;
    Caller caller_;
    AuditTable table_;
    std::optional<model::LeaseCursor> lease_cursor_;
    std::optional<model::BindFailureCursor> failure_cursor_;
    bool leases_over_ = false;
    bool failures_over_ = false;
    Progress progress_;
    std::optional<AuditTable::Summary> summary_;
    std::size_t told_groups_ = 0;
    bool finished_ = false;
};

} // namespace portd::server
