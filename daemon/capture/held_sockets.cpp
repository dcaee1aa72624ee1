#include "capture/held_sockets.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <tuple>
#include <utility>

namespace portd::capture {
namespace {

// How many descriptors that were closed are passed over to find the next one. A row that is not
// found is told again, no harm done.
constexpr std::size_t most_passed_over = 64;

auto order_of(const HeldSockets::Holder &holder) {
    return std::tie(holder.key, holder.image);
}

bool is_before(const HeldSockets::Holder &a, const HeldSockets::Holder &b) {
    return order_of(a) < order_of(b);
}

bool is_same(const HeldSockets::Holder &a, const HeldSockets::Holder &b) {
    return order_of(a) == order_of(b);
}

// Sorted.
std::vector<HeldSockets::Holder> each_once(std::vector<HeldSockets::Holder> holders) {
    std::ranges::sort(holders, is_before);
    holders.erase(std::unique(holders.begin(), holders.end(), is_same), holders.end());
    return holders;
}

std::vector<HeldSockets::Holder> only_in_first(const std::vector<HeldSockets::Holder> &ones,
                                               const std::vector<HeldSockets::Holder> &others) {
    std::vector<HeldSockets::Holder> only;
    std::ranges::set_difference(ones, others, std::back_inserter(only), is_before);
    return only;
}

} // namespace

void HeldSockets::begin() {
    if (!before_.rows.empty())
        coming_ = std::exchange(before_, {}); // for its room
    coming_.rows.clear();
    coming_.holdings.clear();
}

void HeldSockets::begin_process(const ImageId &image) {
    end_process();
    const auto begin = coming_.rows.size();
    const auto before = holding_now_.find(image);
    const bool is_known = before != holding_now_.end();
    expected_ = is_known ? now_.holdings[before->second].begin : 0;
    expected_end_ = is_known ? now_.holdings[before->second].end : 0;
    coming_.holdings.push_back({image, nullptr, begin, begin, is_known});
}

void HeldSockets::end_process() {
    if (coming_.holdings.empty())
        return;
    auto &holding = coming_.holdings.back();
    holding.end = coming_.rows.size();
    holding.is_as_before = holding.is_as_before && expected_ == expected_end_;
}

bool HeldSockets::add(const SocketRow &row) {
    if (coming_.holdings.empty())
        return false;
    const auto *const before = find_before(row);
    const bool is_unchanged = before && tell_the_same(before->row, row);
    coming_.rows.push_back({row, is_unchanged ? before->looks + 1 : 1});
    return true;
}

const HeldSockets::Held *HeldSockets::find_before(const SocketRow &row) {
    const auto end = std::min(expected_end_, expected_ + most_passed_over);
    for (auto place = expected_; place < end; ++place)
        if (now_.rows[place].row.key == row.key) {
            auto &holding = coming_.holdings.back();
            holding.is_as_before = holding.is_as_before && place == expected_;
            expected_ = place + 1;
            return &now_.rows[place];
        }
    coming_.holdings.back().is_as_before = false;
    return nullptr;
}

void HeldSockets::accept() {
    end_process();
    before_ = std::exchange(now_, std::exchange(coming_, {}));
    holding_now_.clear();
    std::unordered_set<ImageId> repeated;
    for (std::size_t i = 0; i < now_.holdings.size(); ++i)
        if (!holding_now_.emplace(now_.holdings[i].image, i).second)
            repeated.insert(now_.holdings[i].image);
    for (const auto &image : repeated)
        holding_now_.erase(image);
}

void HeldSockets::name_processes(const std::function<model::ProcessRef(const ImageId &)> &find) {
    for (auto &holding : now_.holdings)
        holding.process = find(holding.image);
}

std::unordered_set<ImageId> HeldSockets::unchanged_images() const {
    std::unordered_set<ImageId> unchanged;
    for (const auto &[image, place] : holding_now_)
        if (now_.holdings[place].is_as_before)
            unchanged.insert(image);
    return unchanged;
}

std::vector<HeldSockets::Holder> HeldSockets::holders(const Look &look,
                                                      const std::unordered_set<ImageId> &but) {
    std::vector<Holder> holders;
    for (const auto &holding : look.holdings)
        if (!but.contains(holding.image))
            for (auto place = holding.begin; place < holding.end; ++place)
                holders.push_back({look.rows[place].row.key, holding.image, holding.process});
    return each_once(std::move(holders));
}

std::vector<HeldSockets::Holder> HeldSockets::holders_of(std::span<const Holder> some) const {
    if (some.empty())
        return {};
    std::vector<Holder> found;
    for (const auto &holding : now_.holdings)
        for (auto place = holding.begin; place < holding.end; ++place)
            if (const auto &key = now_.rows[place].row.key;
                std::ranges::binary_search(some, key, {}, &Holder::key))
                found.push_back({key, holding.image, holding.process});
    return each_once(std::move(found));
}

std::vector<HeldSockets::Holder> HeldSockets::gained() const {
    const auto unchanged = unchanged_images();
    return only_in_first(holders(now_, unchanged), holders(before_, unchanged));
}

std::vector<HeldSockets::Holder> HeldSockets::lost() const {
    const auto unchanged = unchanged_images();
    auto lost = only_in_first(holders(before_, unchanged), holders(now_, unchanged));
    if (lost.empty())
        return lost;
    std::unordered_set<model::SocketKey> held;
    for (const auto &one : now_.rows)
        held.insert(one.row.key);
    std::erase_if(lost, [&](const Holder &holder) { return !held.contains(holder.key); });
    return lost;
}

} // namespace portd::capture
