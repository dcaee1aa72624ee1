// Finds the ports of flows that a log names by time and Community ID only: an id is made of
// addresses and ports and gives none of them away, so the leases of the time are asked for and the
// id of each is computed. That takes as long as a history of the time; rows are gathered, and times
// that lie together are asked for once.
#pragma once

#include "client/flow_log.hpp"
#include "client/session.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace portd::client {

class FlowFinder {
  public:
    // Gets each row in its order. One of Kind::named has become a flow, or one without a lease, or
    // has the answer why that is not known.
    using OnRow = std::function<void(LogRow row)>;

    FlowFinder(Session &session, std::int64_t within_usec,
               std::optional<std::int64_t> network_namespace, OnRow on_row)
        : session_(session),
          within_usec_(within_usec),
          network_namespace_(network_namespace),
          on_row_(std::move(on_row)) {}

    void add(LogRow row);
    void finish();

  private:
    struct Stretch {
        std::int64_t since_usec, until_usec;
        std::vector<LogRow *> rows;
    };

    Stretch stretch_of(LogRow &row) const;
    std::vector<Stretch> stretches();
    void find(const Stretch &stretch, Connection &connection);

    Session &session_;
    std::int64_t within_usec_;
    std::optional<std::int64_t> network_namespace_;
    OnRow on_row_;
    std::vector<LogRow> gathered_;
    std::size_t bytes_ = 0;
};

} // namespace portd::client
