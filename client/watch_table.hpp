// What Watch tells, as rows of a table whose columns are settled before the first row.
#pragma once

#include "client/lease_table.hpp"
#include "client/session.hpp"
#include "client/table.hpp"

#include "proto/messages.hpp"

#include <optional>
#include <vector>

namespace portd::client {

class WatchTable {
  public:
    WatchTable(const LeaseForm &form, Session &session);

    // Rows before begin() decide the widths; later ones are printed at once.
    void add(Event event, proto::Lease lease);
    void begin();

  private:
    Row row_of(Event event, proto::Lease lease) const;
    void print(const Row &row);

    LeaseForm form_;
    Session &session_;
    std::vector<Row> held_;
    std::optional<Table> table_;
};

} // namespace portd::client
