// Private to the store: the indexes that are filled later than their rows.
//
// Ports are chosen at random: an index by port gets each new lease on another page, and each page
// that a commit touches is written twice. So rows wait, and are indexed many at a time, in the
// order of the index. They wait for long enough that most of those that linger are over then, and
// their span is known. Meanwhile they are sorted by port in short runs, each of which is appended
// to the one before.
#pragma once

#include "store/database.hpp"
#include "store/lease_span.hpp"
#include "store/part.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace portd::store {

class LateIndex {
  public:
    // So many leases wait, and so many more until they are indexed together. `part` lives longer,
    // and is kept up to date.
    LateIndex(Database &database, Part &part, std::int64_t waiting_leases);

    struct Entry {
        Span span = Span::open;
        std::int64_t port = 0;
        std::int64_t flow = 0;
        std::optional<std::int64_t> peer_address;
    };
    // A lease was stored that was not there. Inside the caller's transaction.
    void add(std::int64_t id, const Entry &entry);
    // Whether change() must be told what becomes of the lease.
    bool knows(std::int64_t id) const { return part_.sorted_lease && id <= *part_.sorted_lease; }
    void change(std::int64_t id, const Entry &from, const Entry &to);
    // Sorts and indexes if so many leases wait that it is worth it.
    void fill_if_due();

    void roll_back() { read_state(); }

  private:
    struct Run {
        std::int64_t last_lease = 0;
        std::int64_t leases = 0;
    };

    bool is_indexed(std::int64_t id) const {
        return part_.indexed_lease && id <= *part_.indexed_lease;
    }
    void read_state();
    void sort_run();
    void index_oldest();

    Database &database_;
    Part &part_;
    const std::int64_t waiting_leases_;
    Statement insert_waiting_;
    Statement insert_port_;
    Statement delete_port_;
    Statement insert_flow_;
    Statement delete_flow_;
    Statement insert_peer_;
    Statement delete_peer_;
    std::deque<Run> runs_; // oldest first
    std::int64_t sorted_ = 0;
    std::int64_t unsorted_ = 0;
};

// A key of lease_of_port.
inline constexpr std::int64_t span_port(Span span, std::int64_t port) {
    return static_cast<std::int64_t>(span) << 16 | port;
}

// Indexes what waits in `schema` ("main", or that of an attached part), and leaves nothing waiting.
void index_all(Database &database, const std::string &schema);
// Where all leases are over: each is found by the span that it has now.
void settle_spans(Database &database);

} // namespace portd::store
