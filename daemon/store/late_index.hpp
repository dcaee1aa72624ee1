// Private to the store: the indexes that are filled later than their rows.
//
// Ports are chosen at random: an index by port gets each new lease on another page, and each page
// that a commit touches is written twice. So rows are indexed many at a time, in the order of the
// index, and questions look through those that are yet to be indexed.
#pragma once

#include "store/database.hpp"
#include "store/part.hpp"

#include <cstdint>
#include <optional>

namespace portd::store {

class LateIndex {
  public:
    // So many leases wait at the most, after a commit.
    static constexpr std::int64_t most_waiting = 8192;

    // `part` lives longer, and is kept up to date.
    LateIndex(Database &database, Part &part);

    // A lease was stored. Inside the caller's transaction.
    void count() { ++waiting_; }
    bool is_indexed(std::int64_t id) const {
        return part_.indexed_lease && id <= *part_.indexed_lease;
    }
    struct Entry {
        std::int64_t flow = 0;
        std::optional<std::int64_t> peer_address;
    };
    // An indexed lease is there that was not, or is not what it was.
    void add(std::int64_t id, std::int64_t port, const Entry &entry);
    void change(std::int64_t id, const Entry &from, const Entry &to);
    // Fills the indexes if so many leases wait that it is worth it.
    void fill_if_due();

    void roll_back() { waiting_ = most_waiting; }

  private:
    Database &database_;
    Part &part_;
    Statement insert_port_;
    Statement insert_flow_;
    Statement delete_flow_;
    Statement insert_peer_;
    Statement delete_peer_;
    std::int64_t waiting_ = 0;
};

// Fills the indexes of `schema` ("main", or that of an attached part) with what waits.
void fill_late_indexes(Database &database, const std::string &schema);

} // namespace portd::store
