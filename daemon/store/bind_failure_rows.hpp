// Private to the store: bind failures as rows.
#pragma once

#include "model/bind_failure.hpp"
#include "model/history.hpp"
#include "store/boot.hpp"
#include "store/bound_sql.hpp"
#include "store/database.hpp"
#include "store/lease_rows.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace portd::store {

// One that is stored already is left alone. The parameters are those of bind_bind_failure().
std::string insert_bind_failure_sql();
void bind_bind_failure(Execution &execution, const model::BindFailure &failure, std::int64_t id,
                       std::int64_t boot, std::int64_t base_offset_us,
                       std::optional<std::int64_t> process);

struct StoredBindFailure {
    model::BindFailure failure;
    std::int64_t boot_row = 0;
    const StoredBoot *boot = nullptr; // lives as long as the LeaseRows
    std::optional<std::string> network_namespace_name;
};

// Rows that no portd can have written are a DamagedStore.
class BindFailureRows {
  public:
    // `rows` lives longer.
    BindFailureRows(Database &database, LeaseRows &rows);

    // The row must exist.
    StoredBindFailure bind_failure(std::int64_t id);

  private:
    Database &database_;
    LeaseRows &rows_;
    Statement select_;
};

// The rows (id, instant, whether it matches) in the order of the query. What an index can decide
// stands in WHERE, all else is decided row by row, so that the reader can count rows.
BoundSql bind_failures_of(const model::LeaseQuery &query,
                          const std::optional<model::BindFailureCursor> &after);

} // namespace portd::store
