// Asks portd whose the flows of a log are, many at a time. While it answers for some, those before
// are told and the next ones read, so that both have work. Nothing is asked while an answer is to
// come: portd reads nothing then, and each would wait for the other to take what it sends.
#pragma once

#include "client/connection.hpp"
#include "client/flow_log.hpp"
#include "proto/attribution.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace portd::client {

class FlowAsker {
  public:
    // Gets each row in its order, with what is known of it if it is a flow or has an answer.
    using OnRow = std::function<void(const LogRow &row, const proto::FlowAttribution *flow,
                                     const std::vector<proto::Process> &processes)>;

    // `request` has all but the flows.
    FlowAsker(Connection &connection, proto::AttributeRequest request, OnRow on_row)
        : connection_(connection), request_(std::move(request)), on_row_(std::move(on_row)) {}

    void add(LogRow row);
    // Waits for the answers to all that was added.
    void finish();

  private:
    struct Lot {
        std::vector<LogRow> rows{};
        proto::AttributeReply reply{};
    };

    void send();
    // What is under way, with its answer; empty if nothing is.
    Lot receive();
    void tell(const Lot &lot) const;

    Connection &connection_;
    proto::AttributeRequest request_; // with the flows of the lot that is being gathered
    OnRow on_row_;
    std::vector<LogRow> gathered_;
    std::size_t message_bytes_ = 0; // that the flows will take, at the most
    std::size_t row_bytes_ = 0;
    std::vector<LogRow> asked_;
};

} // namespace portd::client
