// Logs of one JSON object a line. See flow_log.hpp.
#pragma once

#include "client/flow_log.hpp"

namespace portd::client {

class JsonLog final : public FlowLog {
  public:
    explicit JsonLog(std::int64_t now_usec) : now_usec_(now_usec) {}

    bool adds_json() const override { return true; }
    LogRow read(std::string line) override;
    // The object as it stood, with one more member: `portd`.
    std::string write(const LogRow &row, const LogAddition &addition) const override;
    nlohmann::json to_json(const LogRow &row) const override;

  private:
    const std::int64_t now_usec_;
};

} // namespace portd::client
