// The order in which leases that are over are given out, so that whoever is cut off can go on with
// none missing and none given twice.
//
// A lease stands where it ended: at the latest moment at which its port can have been freed. The
// horizon moves along that order with the last complete sample that is stored. Nothing is added
// before the horizon any more: an end of which portd learns only later stands right after the
// horizon that there was then. So the leases between one horizon and the next are a set that is
// settled when the second is there; within that set they are given by serial, and who has been
// given them up to a serial goes on after it.
#pragma once

#include "proto/messages.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace portd::model {

// A place between two leases in the order of ends. The default is before all.
struct EndMark {
    std::string boot_id; // the beginning of it: another store does not know that boot
    // By a clock of the store that never goes back.
    std::int64_t at_us = std::numeric_limits<std::int64_t>::min();
    std::int64_t last_serial = 0; // handed out by then

    bool is_before_all() const { return boot_id.empty(); }
    bool operator==(const EndMark &) const = default;
};

// The leases after the one and up to the other.
struct EndWindow {
    EndMark after;
    EndMark by;

    bool is_empty() const { return after.at_us >= by.at_us; }
    bool operator==(const EndWindow &) const = default;
};

// What of an end may still change: for `final_state`, the horizon is behind by as long as news of
// an ended lease may come.
enum class Settled { end, final_state };

// How far the store had come at one moment.
struct Horizon {
    EndMark end;
    std::int64_t last_serial = 0;
    std::int64_t last_gap = 0; // number of the gap that was recorded last
};

struct NumberedGap {
    std::int64_t number = 0; // grows in the order in which gaps are recorded
    proto::Gap gap;
};

// What is missing after a mark.
struct Missing {
    std::vector<proto::Gap> gaps;
    bool is_other_store = false; // the mark means nothing in this store
};

} // namespace portd::model
