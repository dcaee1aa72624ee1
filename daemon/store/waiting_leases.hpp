// Private to the store: in memory, the leases of the current part that wait to be indexed by port
// (store/late_index.hpp). In the part they are sorted in some dozens of runs, each of which has to
// be asked for each port; a search for many ports reads all of them once instead.
#pragma once

#include "store/part_reader.hpp"
#include "store/wall_times.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace portd::store {

class WaitingLeases {
  public:
    struct Lease {
        std::int64_t id = 0;
        Stretch life; // row time
        std::uint16_t port = 0;
        std::uint16_t peer_port = 0; // 0: none
        bool is_open = false;
    };

    void begin_question() { attempts_ = 0; }
    // Whether they are known as the part has them during this question. Reads on if not, for which
    // it takes from the budget. Where they change faster than they are read, `never`.
    enum class Known { yes, not_yet, never };
    Known read(PartReader &part, std::size_t &budget);
    // Those of the port, by id.
    std::span<const Lease> of_port(std::uint16_t port) const;

  private:
    std::uint64_t state_ = 0; // of the part, as it was read
    std::optional<std::int64_t> read_up_to_;
    bool is_complete_ = false;
    std::size_t attempts_ = 0;
    std::vector<Lease> leases_;
};

} // namespace portd::store
