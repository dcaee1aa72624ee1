// Attributions as what is added to the rows of a log. Pure.
#pragma once

#include "client/flow_log.hpp"
#include "proto/attribution.hpp"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace portd::client {

// The names of the columns, in their order.
std::vector<std::string> added_columns();

enum class WithJson { no, yes };
// Of a flow, with the processes of its reply.
LogAddition addition_of(const proto::FlowAttribution &flow,
                        const std::vector<proto::Process> &processes,
                        WithJson with_json = WithJson::yes);
// Of a row that is no flow, has no lease, or is not readable.
LogAddition addition_of(LogRow::Kind kind);

// How many rows came to what.
struct AttributionCounts {
    std::array<std::int64_t, 8> by_confidence{};
    std::int64_t no_lease = 0;
    std::int64_t no_ports = 0;
    std::int64_t unreadable = 0;

    void add(const LogRow &row, const proto::FlowAttribution *flow);
    std::int64_t of(Confidence confidence) const {
        return by_confidence[static_cast<std::size_t>(confidence)];
    }
    std::int64_t rows() const;
    // Of which a process is named.
    std::int64_t attributed() const { return of(Confidence::exact) + of(Confidence::likely); }
};

// "4 rows: 2 exact, 1 nobody, 1 unreadable".
std::string describe_counts(const AttributionCounts &counts);
nlohmann::json to_json(const AttributionCounts &counts);

// The first rows that could not be read, and why: a sentence each.
class UnreadableRows {
  public:
    void add(const LogRow &row);
    const std::vector<std::string> &remarks() const { return remarks_; }

  private:
    static constexpr std::size_t most_remarks = 3;
    std::vector<std::string> remarks_;
};

} // namespace portd::client
