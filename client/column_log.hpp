// Logs whose rows are columns. See flow_log.hpp.
#pragma once

#include "client/flow_fields.hpp"
#include "client/flow_log.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portd::client {

// Of the columns in their order: as they are called, and what they mean.
struct ColumnNames {
    std::vector<std::string> names;
    std::vector<std::optional<FlowField>> fields;

    void add(std::string name);
};

class ZeekLog final : public FlowLog {
  public:
    ZeekLog(std::vector<std::string> added_columns, std::int64_t now_usec)
        : added_(std::move(added_columns)), now_usec_(now_usec) {}

    // A header comes out with the columns that are added.
    LogRow read(std::string line) override;
    std::string write(const LogRow &row, const LogAddition &addition) const override;
    nlohmann::json to_json(const LogRow &row) const override;

  private:
    LogRow read_header(std::string line);

    const std::vector<std::string> added_;
    const std::int64_t now_usec_;
    char separator_ = '\t';
    std::string unset_ = "-";
    std::string empty_ = "(empty)";
    ColumnNames columns_;
};

class CsvLog final : public FlowLog {
  public:
    CsvLog(std::vector<std::string> added_columns, std::int64_t now_usec)
        : added_(std::move(added_columns)), now_usec_(now_usec) {}

    // Whether it names a time, and a port or a Community ID.
    static bool is_heading(std::string_view line);

    LogRow read(std::string line) override;
    std::string write(const LogRow &row, const LogAddition &addition) const override;
    nlohmann::json to_json(const LogRow &row) const override;

  private:
    const std::vector<std::string> added_;
    const std::int64_t now_usec_;
    char separator_ = ',';
    ColumnNames columns_;
};

} // namespace portd::client
