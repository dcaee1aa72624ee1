#include "store/merge.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace portd::store {
namespace {

auto place_of(const Candidate &candidate) {
    return std::tie(candidate.place, candidate.number);
}

} // namespace

void Merge::add_leases(PartReader &part, std::unique_ptr<Execution> rows) {
    add({std::move(rows), false, {.part = &part}});
}

void Merge::add_bind_failures(PartReader &part, std::unique_ptr<Execution> rows) {
    add({std::move(rows), true, {.part = &part}});
}

void Merge::add(Stream stream) {
    if (!advance(stream))
        return;
    heap_.push_back(std::move(stream));
    std::ranges::push_heap(
        heap_, [this](const Stream &a, const Stream &b) { return comes_later(a.head, b.head); });
}

void Merge::add_later(std::int64_t first, AddRows add_rows) {
    later_.insert(std::ranges::lower_bound(later_, first, {}, &Later::first),
                  {first, std::move(add_rows)});
}

void Merge::add_what_is_due() {
    while (!later_.empty() && (heap_.empty() || later_.back().first >= heap_.front().head.place)) {
        const AddRows add_rows = std::move(later_.back().add_rows);
        later_.pop_back();
        add_rows(*this);
    }
}

bool Merge::next(Candidate &candidate) {
    add_what_is_due();
    const auto later = [this](const Stream &a, const Stream &b) {
        return comes_later(a.head, b.head);
    };
    for (bool found = false;;) {
        if (heap_.empty())
            return found;
        const Candidate &head = heap_.front().head;
        if (found && place_of(head) != place_of(candidate))
            return true;
        if (!found)
            candidate = head;
        found = true;
        std::ranges::pop_heap(heap_, later);
        if (advance(heap_.back()))
            std::ranges::push_heap(heap_, later);
        else
            heap_.pop_back();
    }
}

bool Merge::advance(Stream &stream) {
    const Execution &row = *stream.rows;
    if (!stream.rows->next())
        return false;
    Candidate &head = stream.head;
    head.place = stream.has_instants ? row.integer(1) : head.part->part().serial_of(row.integer(0));
    head.number = stream.has_instants ? row.integer(0) : 0;
    head.matches = row.integer(stream.has_instants ? 2 : 1) != 0;
    return true;
}

bool Merge::comes_later(const Candidate &a, const Candidate &b) const {
    if (place_of(a) == place_of(b))
        return a.part->file() < b.part->file();
    return order_ == Order::ascending ? place_of(a) > place_of(b) : place_of(a) < place_of(b);
}

} // namespace portd::store
