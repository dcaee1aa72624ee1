// Logs whose rows are words. See flow_log.hpp.
#pragma once

#include "client/flow_log.hpp"

namespace portd::client {

class LineLog final : public FlowLog {
  public:
    explicit LineLog(std::int64_t now_usec) : now_usec_(now_usec) {}

    LogRow read(std::string line) override;
    // The line, then " # portd: " and NAME=VALUE of each value that there is.
    std::string write(const LogRow &row, const LogAddition &addition) const override;
    nlohmann::json to_json(const LogRow &row) const override;

  private:
    const std::int64_t now_usec_;
};

} // namespace portd::client
