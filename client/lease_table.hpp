// Leases as the rows of a table, and the printing of a stream of them.
#pragma once

#include "client/fold.hpp"
#include "client/format.hpp"
#include "client/session.hpp"
#include "client/table.hpp"
#include "proto/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::client {

enum class Detail { brief, wide };

// Leases that were, with their end; or leases that are, with their phase.
enum class Listing { history, live };

struct LeaseForm {
    Listing listing = Listing::history;
    Detail detail = Detail::brief;
    Charset charset = Charset::ascii;
    std::int64_t now_usec = 0;
    std::optional<std::int64_t>
        at_usec; // adds a column that says how each lease stood at that instant
};

std::vector<Column> lease_columns(const LeaseForm &form);
Row lease_row(const LeaseForm &form, const FoldedLease &folded);

// How a lease stood at an instant.
enum class Standing {
    held,      // surely
    possibly,  // the instant lies within the bounds of its opening or its end
    lingering, // let go by its last holder, not yet free
    before,    // it had ended
    after,     // it had not begun
};
Standing standing_at(const proto::Lease &lease, std::int64_t at_usec);
std::string_view to_string(Standing standing);

// When a lease ended: it was let go, or else freed. Nothing while it is held.
const proto::Moment *ended(const proto::Lease &lease);

// The processes of a lease: "sshd[812]", or "systemd[1]->sshd[812]" where the last to have it was
// not the opener, with "(+2)" for holders beyond these; "withheld" where the caller may not see
// them.
std::string format_holders(const proto::Lease &lease, Charset charset);

// "curl[8123] (alice), tcp 192.0.2.1:60609 -> 198.51.100.7:443".
std::string describe_lease(const proto::Lease &lease, Charset charset);

// Prints leases as they come. The first `buffered_rows` rows decide the widths of the columns; then
// each row is printed at once.
class LeasePrinter {
  public:
    static constexpr std::size_t buffered_rows = 1'000;

    LeasePrinter(LeaseForm form, Folding folding, Session &session);

    void add(proto::Lease lease);
    // Prints what is left, and a remark for connections that were counted after their listener had
    // been printed.
    void finish();

  private:
    void print_held();

    LeaseForm form_;
    Session &session_;
    Fold fold_;
    std::optional<Table> table_;
};

} // namespace portd::client
