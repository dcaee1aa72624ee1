// Logs of other programs that tell of flows: each row is read, and written again as it was, with
// something added in its own format. Pure.
//
//   zeek   tab-separated, as Zeek writes it, with its header (#fields)
//   json   an object a line: of Zeek, Suricata (EVE), or with names that are understood
//   csv    a first line with the names of the columns; rows are lines
//   lines  a time, then either what conntrack(8) and the kernel's packet filter write
//          (src=… sport=…, SRC=… SPT=…), or words such as: tcp 192.0.2.1:60609 198.51.100.7:443
//
// Columns and members are found by their names, whatever their case and punctuation. A row that has
// no ports may have a Community ID instead.
#pragma once

#include "proto/attribution.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portd::client {

enum class LogFormat { zeek, json, csv, lines };
inline const std::vector<std::string> log_formats{"zeek", "json", "csv", "lines"};

struct LogRow {
    enum class Kind {
        flow,
        named,      // a flow of which the time and the Community ID are told, but no port
        no_lease,   // such a flow, and no lease has that Community ID
        no_ports,   // a row of something else than TCP and UDP, or not about a flow at all
        unreadable, // it does not say when, or at which port
        header,     // comments and empty lines, too: not a row at all
    };
    Kind kind = Kind::unreadable;
    std::string line{};
    proto::Flow flow{};         // of Kind::flow; of Kind::named its time
    std::string community_id{}; // of Kind::named
    // Of Kind::named: what is known without asking whose the flow was.
    std::optional<proto::FlowAttribution> answer{};
    std::int64_t line_number = 0; // from 1, where whoever reads the log counts
    std::string fault{};          // of Kind::unreadable: why, safe to print
};

// Why a row is unreadable.
namespace faults {
inline constexpr const char *no_time = "it does not begin with a time that is understood";
inline constexpr const char *no_time_value = "it has no time that is understood";
inline constexpr const char *no_port = "it has no port, from 1 to 65535";
inline constexpr const char *no_address = "it has what is no address";
inline constexpr const char *no_object = "it is no JSON object";
inline constexpr const char *other_columns = "it has not the columns that the heading names";
} // namespace faults

// What is added: columns by name, and the same as one JSON object where the log needs it.
struct LogAddition {
    std::vector<std::pair<std::string_view, std::string>> columns; // always the same names
    std::shared_ptr<const nlohmann::json> json;
};

class FlowLog {
  public:
    virtual ~FlowLog() = default;
    // Whether write() needs the JSON object of an addition, rather than its columns.
    virtual bool adds_json() const { return false; }
    virtual LogRow read(std::string line) = 0;
    // The row with the addition, as the log has it. One of JSON that is unreadable stays as it is.
    virtual std::string write(const LogRow &row, const LogAddition &addition) const = 0;
    // As JSON; {"line": …} where a row has no names.
    virtual nlohmann::json to_json(const LogRow &row) const = 0;
};

// Names of the columns that are added must be known before the first row. Times without a zone or a
// year are understood as of `now_usec`.
std::unique_ptr<FlowLog> open_log(LogFormat format, std::vector<std::string> added_columns,
                                  std::int64_t now_usec);
// By its first line. Absent if that decides nothing: it is empty, or a comment.
std::optional<LogFormat> detect_format(std::string_view first_line);

} // namespace portd::client
