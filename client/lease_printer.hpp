// The printing of a stream of leases and bind failures, in the form that was asked for: a table, a
// block of lines for each, or CSV. (JSON is printed as it came, print_leases_json().)
#pragma once

#include "client/exchange.hpp"
#include "client/fold.hpp"
#include "client/lease_table.hpp"
#include "client/session.hpp"

#include <cstddef>
#include <memory>

namespace portd::client {

class LeasePrinter {
  public:
    // A table's first rows, so many, decide its columns and their widths; then each row is printed
    // at once.
    static constexpr std::size_t buffered_rows = 500;

    virtual ~LeasePrinter() = default;
    virtual void add(Entry entry) = 0;
    // Prints what is left, and remarks on what came too late for a table: connections of listeners
    // that were printed already, and rows of other network namespaces.
    virtual void finish() = 0;
};

// Only a table folds connections.
std::unique_ptr<LeasePrinter> make_lease_printer(const LeaseForm &form, Folding folding,
                                                 Session &session);

} // namespace portd::client
