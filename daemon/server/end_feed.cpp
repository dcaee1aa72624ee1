#include "end_feed.hpp"

#include <algorithm>
#include <utility>

namespace portd::server {

EndFeed::EndFeed(model::LeaseQuery query, const ChangePosition &position)
    : query_(std::move(query)), position_(position) {}

bool EndFeed::has_window() const {
    return !position_.window.is_empty();
}

void EndFeed::open_window(const model::Horizon &horizon) {
    is_even_ = false;
    const model::EndWindow next{position_.window.after, horizon.end};
    if (!has_window() && !next.is_empty())
        position_.window = next;
}

void EndFeed::told_opened(std::int64_t serial) {
    position_.opened = std::max(position_.opened, serial);
}

std::vector<Ending> EndFeed::next(model::History &history, std::size_t limit) {
    std::vector<Ending> out;
    take_missing(history, position_.window.after, position_.reached, out);
    take_gaps(history, limit, out);
    if (out.size() < limit && has_window()) {
        const ChangePosition before = position_;
        take_leases(history, limit - out.size(), out);
        take_missing(history, before.window.after, before.reached, out); // what failed just now
    }
    is_even_ = !has_window() && out.empty();
    return out;
}

// Told once, and again to whoever comes back with a position that is not beyond it.
void EndFeed::take_missing(model::History &history, const model::EndMark &mark,
                           std::optional<model::LeaseCursor> reached, std::vector<Ending> &out) {
    model::Missing missing = history.missing_after(mark, reached);
    if (missing.is_other_store)
        position_ = {};
    for (proto::Gap &gap : missing.gaps) {
        if (std::ranges::find(told_missing_, gap) != told_missing_.end())
            continue;
        told_missing_.push_back(gap);
        out.push_back({std::nullopt, std::move(gap), position_});
    }
}

void EndFeed::take_gaps(model::History &history, std::size_t limit, std::vector<Ending> &out) {
    for (model::NumberedGap &gap : history.gaps_after(position_.gap, limit)) {
        position_.gap = gap.number;
        out.push_back({std::nullopt, std::move(gap.gap), position_});
    }
}

void EndFeed::take_leases(model::History &history, std::size_t limit, std::vector<Ending> &out) {
    query_.ended = position_.window;
    model::LeasePage page = history.page(query_, position_.reached, limit);
    for (std::size_t i = 0; i < page.leases.size(); ++i) {
        position_.reached = page.places.at(i);
        out.push_back({std::move(page.leases[i]), std::nullopt, position_});
    }
    position_.reached = page.next;
    if (!page.next)
        position_.window.after = position_.window.by;
    if (!out.empty() && out.back().lease)
        out.back().position = position_;
}

} // namespace portd::server
