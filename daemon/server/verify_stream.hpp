// The replies to Verify: how far it has come, one for each file, and a last one with the verdict.
#pragma once

#include "model/history.hpp"
#include "stream.hpp"

#include <memory>
#include <string>

namespace portd::server {

class VerifyStream final : public Stream {
  public:
    explicit VerifyStream(std::unique_ptr<model::Verification> verification)
        : verification_(std::move(verification)) {}

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return finished_; }
    std::chrono::milliseconds pause() const override { return std::chrono::milliseconds(20); }

  private:
    std::unique_ptr<model::Verification> verification_;
    std::int64_t told_at_us_ = 0;
    bool finished_ = false;
};

} // namespace portd::server
