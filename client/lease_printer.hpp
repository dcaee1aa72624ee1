// The printing of a stream of leases and bind failures.
#pragma once

#include "client/exchange.hpp"
#include "client/fold.hpp"
#include "client/lease_table.hpp"
#include "client/session.hpp"
#include "client/table.hpp"

#include <cstddef>
#include <optional>

namespace portd::client {

// Prints rows as they come. The first `buffered_rows` rows decide the columns and their widths;
// then each row is printed at once.
class LeasePrinter {
  public:
    static constexpr std::size_t buffered_rows = 1'000;

    LeasePrinter(LeaseForm form, Folding folding, Session &session);

    void add(Entry entry);
    // Prints what is left, and remarks on what came too late for the table: connections of
    // listeners that were printed already, and rows of other network namespaces.
    void finish();

  private:
    void print_held();

    LeaseForm form_;
    Session &session_;
    Fold fold_;
    std::optional<Table> table_;
    std::size_t unmarked_ = 0; // rows of other namespaces in a table without a column for them
};

} // namespace portd::client
