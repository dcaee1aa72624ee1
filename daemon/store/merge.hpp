// Private to the store: the rows of several statements, over several parts, as one sequence.
#pragma once

#include "store/database.hpp"
#include "store/part_reader.hpp"

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace portd::store {

// What a row stands for, and where it has its place.
struct Candidate {
    std::int64_t place = 0;  // serial of a lease; instant of a bind failure, in row time
    std::int64_t number = 0; // of a bind failure
    PartReader *part = nullptr;
    bool matches = false;
};

class Merge {
  public:
    enum class Order { ascending, descending };

    explicit Merge(Order order) : order_(order) {}

    // Rows (id, whether it matches) or (id, instant, whether it matches), in that order. The part
    // lives longer.
    void add_leases(PartReader &part, std::unique_ptr<Execution> rows);
    void add_bind_failures(PartReader &part, std::unique_ptr<Execution> rows);

    // In descending order: `add_rows` adds what has places up to `first`, not before it is their
    // turn.
    using AddRows = std::function<void(Merge &)>;
    void add_later(std::int64_t first, AddRows add_rows);

    // False at the end. What two parts have is given as the newer one has it.
    bool next(Candidate &candidate);

  private:
    struct Stream {
        std::unique_ptr<Execution> rows;
        bool has_instants;
        Candidate head;
    };

    struct Later {
        std::int64_t first;
        AddRows add_rows;
    };

    void add(Stream stream);
    void add_what_is_due();
    bool advance(Stream &stream);
    bool comes_later(const Candidate &a, const Candidate &b) const;

    const Order order_;
    std::vector<Stream> heap_; // the next one first
    std::vector<Later> later_; // the next one last
};

} // namespace portd::store
