// Private to the store: what searches for flows have read of the leases of busy ports. Pure.
//
// A connection that lasted for hours can be any lease of its port in these hours whose peer had the
// port of its other end, and logs tell of such connections again and again. No table of a part has
// the ports of peers in order, so each lease of the port in that time is read once, and kept here:
// its id by the port of its peer, in eight bytes. Of what is found here the row is read again.
#pragma once

#include "store/filed_near.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace portd::store {

class PeerPorts {
  public:
    // Of the leases that are kept; while two lots are merged, there is room for one more.
    static constexpr std::size_t usual_bytes = std::size_t{32} << 20;

    explicit PeerPorts(std::size_t most_bytes = usual_bytes) : most_bytes_(most_bytes) {}

    // Leases of one port that one state of a part (PartReader::state()) has under one span.
    struct Place {
        std::uint64_t state = 0;
        std::int64_t span_port = 0;

        auto operator<=>(const Place &) const = default;
    };
    struct Lease {
        std::int64_t id = 0;
        std::uint16_t peer_port = 0; // 0: none
    };

    // Another question begins. What the last ones had no use for makes room.
    void begin_question() { ++questions_; }

    // The range, in order and cut where what is known begins and ends.
    struct Piece {
        IdRange ids;
        bool is_known = false;
    };
    std::vector<Piece> pieces(const Place &place, const IdRange &range);
    // Adds to `ids` those of a range that is known, with that port.
    void find(const Place &place, const IdRange &range, std::uint16_t peer_port,
              std::vector<std::int64_t> &ids) const;
    // These are all leases of the range, of which nothing is known. They are kept if they are many
    // and there is room.
    void add(const Place &place, const IdRange &range, const std::vector<Lease> &leases);

    std::size_t bytes() const { return bytes_; }

  private:
    // A range that is known. A lease is one number: the port of the peer above, the id below.
    struct Lot {
        IdRange range;
        std::vector<std::uint64_t> leases; // sorted
    };
    struct Known {
        std::vector<Lot> lots; // by range
        std::uint64_t question = 0;
    };

    bool make_room(std::size_t bytes);
    static void merge(std::vector<Lot> &lots, std::size_t added);

    const std::size_t most_bytes_;
    std::size_t bytes_ = 0;
    std::uint64_t questions_ = 0;
    std::map<Place, Known> known_;
};

} // namespace portd::store
