// Leases and bind failures as the rows of a table. Pure.
#pragma once

#include "client/fold.hpp"
#include "client/format.hpp"
#include "client/table.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace portd::client {

enum class Detail { brief, wide, verbose };

// Leases that were, with their end; or leases that are, with their phase.
enum class Listing { history, live };

struct LeaseForm {
    Listing listing = Listing::history;
    Detail detail = Detail::brief;
    Charset charset = Charset::ascii;
    std::int64_t now_usec = 0;
    std::optional<std::int64_t> clock_offset_usec{}; // by which now_usec is ahead of CLOCK_BOOTTIME
    // Adds a column that says how each lease stood at that instant.
    std::optional<std::int64_t> at_usec{};
    // The network namespace of the daemon, where rows of others shall be told apart.
    std::optional<std::int64_t> own_namespace{};

    // Columns that are there only if some row has something to say in them.
    bool shows_namespace = false;
    bool shows_outcome = false;
    bool has_long_processes = false; // a process beside another, which a narrow column would hide
};
// From the opening to the end, or until now; true though the clock was set in between.
std::string format_duration(const LeaseForm &form, const proto::Lease &lease);

// Whether the row is of another network namespace than the daemon, as far as that is known.
bool is_elsewhere(const LeaseForm &form, const FoldedRow &row);
// The form with the columns that these rows need.
LeaseForm fitted(LeaseForm form, std::span<const FoldedRow> rows);

std::vector<Column> lease_columns(const LeaseForm &form);
Row lease_row(const LeaseForm &form, const FoldedRow &folded);

} // namespace portd::client
