// The replies to Why: now and then how far it has come, and a last one with the diagnosis.
//
// The open leases of the port are looked at, then those of the time before, then the binds that
// were refused: page by page, of which only what the diagnosis keeps stays.
#pragma once

#include "access.hpp"
#include "bind_diagnosis.hpp"
#include "model/history.hpp"
#include "progress.hpp"
#include "stream.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace portd::server {

struct WhyQuestion {
    model::IntendedBind bind;
    std::uint16_t port = 0;
    std::int64_t since_us = 0;
    std::int64_t now_us = 0;
    std::optional<model::NamespacePorts> ports; // of the namespace, where they are known
    bool recorded = true;                       // leases of the port are kept
};

class WhyStream final : public Stream {
  public:
    WhyStream(WhyQuestion question, const Caller &caller);

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return stage_ == Stage::over; }

  private:
    static constexpr std::size_t page_entries = 256;
    enum class Stage { open, past, failures, diagnosis, over };

    model::LeaseQuery query() const;
    void look_at_open(model::History &history);
    void look_at_past(model::History &history);
    void look_at_failures(model::History &history);
    std::string diagnosis(model::History &history);

    WhyQuestion question_;
    Caller caller_;
    BindDiagnosis diagnosis_;
    Stage stage_ = Stage::open;
    std::optional<model::LeaseCursor> lease_cursor_;
    std::optional<model::BindFailureCursor> failure_cursor_;
    Progress progress_;
};

} // namespace portd::server
