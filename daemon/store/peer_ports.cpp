#include "store/peer_ports.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

// Fewer are found as fast in the index.
constexpr std::size_t least_leases = 64;
// Lots that lie together are one, up to this size.
constexpr std::size_t most_merged = std::size_t{1} << 17;
// What so many questions had no use for makes room.
constexpr std::uint64_t questions_kept = 32;

// Ids are microseconds since about the beginning of the part, some of them before it: these bits
// are for two years and more to either side.
constexpr int bits_of_id = 48;
constexpr std::int64_t id_zero = std::int64_t{1} << (bits_of_id - 1);

bool fits(std::int64_t id) {
    return id >= -id_zero && id < id_zero;
}

std::uint64_t packed(std::uint16_t peer_port, std::int64_t id) {
    return std::uint64_t{peer_port} << bits_of_id | static_cast<std::uint64_t>(id + id_zero);
}

std::int64_t id_of(std::uint64_t lease) {
    return static_cast<std::int64_t>(lease & ((std::uint64_t{1} << bits_of_id) - 1)) - id_zero;
}

std::size_t bytes_of(std::size_t leases) {
    return leases * sizeof(std::uint64_t);
}

} // namespace

std::vector<PeerPorts::Piece> PeerPorts::pieces(const Place &place, const IdRange &range) {
    const auto found = known_.find(place);
    if (found == known_.end())
        return {{range, false}};
    found->second.question = questions_;
    std::vector<Piece> cut;
    IdRange rest = range;
    for (const Lot &lot : found->second.lots) {
        if (lot.range.last < rest.first)
            continue;
        if (lot.range.first > rest.last)
            break;
        if (lot.range.first > rest.first)
            cut.push_back({{rest.first, lot.range.first - 1}, false});
        const IdRange both{std::max(rest.first, lot.range.first),
                           std::min(rest.last, lot.range.last)};
        if (!cut.empty() && cut.back().is_known && cut.back().ids.last + 1 == both.first)
            cut.back().ids.last = both.last;
        else
            cut.push_back({both, true});
        if (both.last == rest.last)
            return cut;
        rest.first = both.last + 1;
    }
    cut.push_back({rest, false});
    return cut;
}

void PeerPorts::find(const Place &place, const IdRange &range, std::uint16_t peer_port,
                     std::vector<std::int64_t> &ids) const {
    const auto found = known_.find(place);
    if (found == known_.end())
        return;
    const std::uint64_t first = packed(peer_port, std::clamp(range.first, -id_zero, id_zero - 1));
    const std::uint64_t last = packed(peer_port, std::clamp(range.last, -id_zero, id_zero - 1));
    const auto &lots = found->second.lots;
    const auto begin = std::ranges::lower_bound(lots, range.first, {},
                                                [](const Lot &lot) { return lot.range.last; });
    for (auto lot = begin; lot != lots.end() && lot->range.first <= range.last; ++lot)
        for (auto one = std::ranges::lower_bound(lot->leases, first);
             one != lot->leases.end() && *one <= last; ++one)
            ids.push_back(id_of(*one));
}

void PeerPorts::add(const Place &place, const IdRange &range, const std::vector<Lease> &leases) {
    if (leases.size() < least_leases || !fits(leases.front().id) || !fits(leases.back().id) ||
        !make_room(bytes_of(leases.size())))
        return;
    Lot lot{range, {}};
    lot.leases.reserve(leases.size());
    for (const Lease &one : leases)
        lot.leases.push_back(packed(one.peer_port, one.id));
    std::ranges::sort(lot.leases);
    bytes_ += bytes_of(lot.leases.size());
    Known &known = known_[place];
    known.question = questions_;
    const auto behind = std::ranges::lower_bound(known.lots, range.first, {},
                                                 [](const Lot &one) { return one.range.first; });
    const auto added = known.lots.insert(behind, std::move(lot));
    merge(known.lots, static_cast<std::size_t>(added - known.lots.begin()));
}

// A lease is moved a few times only: lots are merged with those of about their size.
void PeerPorts::merge(std::vector<Lot> &lots, std::size_t added) {
    const auto try_with_next = [&lots](std::size_t first) {
        if (first + 1 >= lots.size())
            return false;
        Lot &lot = lots[first];
        const Lot &next = lots[first + 1];
        const auto [less, more] = std::minmax(lot.leases.size(), next.leases.size());
        if (lot.range.last == Limits::max() || lot.range.last + 1 != next.range.first ||
            less + more > most_merged || more > 2 * less)
            return false;
        std::vector<std::uint64_t> both;
        both.reserve(less + more);
        std::ranges::merge(lot.leases, next.leases, std::back_inserter(both));
        lot = {{lot.range.first, next.range.last}, std::move(both)};
        lots.erase(lots.begin() + static_cast<std::ptrdiff_t>(first) + 1);
        return true;
    };
    while (try_with_next(added) || (added > 0 && try_with_next(--added)))
        continue;
}

bool PeerPorts::make_room(std::size_t bytes) {
    if (bytes_ + bytes <= most_bytes_)
        return true;
    for (auto one = known_.begin(); one != known_.end();) {
        if (one->second.question + questions_kept >= questions_) {
            ++one;
            continue;
        }
        for (const Lot &lot : one->second.lots)
            bytes_ -= bytes_of(lot.leases.size());
        one = known_.erase(one);
    }
    return bytes_ + bytes <= most_bytes_;
}

} // namespace portd::store
