#include "client/flow_log.hpp"

#include "client/column_log.hpp"
#include "client/flow_fields.hpp"
#include "client/json_log.hpp"
#include "client/line_log.hpp"

#include <algorithm>

namespace portd::client {

std::unique_ptr<FlowLog> open_log(LogFormat format, std::vector<std::string> added_columns,
                                  std::int64_t now_usec) {
    switch (format) {
    case LogFormat::zeek:
        return std::make_unique<ZeekLog>(std::move(added_columns), now_usec);
    case LogFormat::json:
        return std::make_unique<JsonLog>(now_usec);
    case LogFormat::csv:
        return std::make_unique<CsvLog>(std::move(added_columns), now_usec);
    case LogFormat::lines:
        break;
    }
    return std::make_unique<LineLog>(now_usec);
}

std::optional<LogFormat> detect_format(std::string_view first_line) {
    if (first_line.starts_with("#separator") || first_line.starts_with("#fields"))
        return LogFormat::zeek;
    const std::size_t begin = first_line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || first_line[begin] == '#')
        return std::nullopt;
    if (first_line[begin] == '{')
        return LogFormat::json;
    if (CsvLog::is_heading(first_line))
        return LogFormat::csv;
    return LogFormat::lines;
}

} // namespace portd::client
