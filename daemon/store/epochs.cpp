#include "store/epochs.hpp"

#include <algorithm>

namespace portd::store {

Epochs::Epochs(Database &database)
    : database_(database),
      select_(database, "SELECT id, since_us FROM epoch ORDER BY id"),
      select_extent_(database, "SELECT (SELECT count(*) FROM lease WHERE epoch = ?1), "
                               "(SELECT ifnull(max(opened_latest_us), 0) FROM lease)"),
      insert_(database, "INSERT INTO epoch(id, since_us) VALUES(?1, ?2)") {
    reload();
}

void Epochs::reload() {
    epochs_.clear();
    Execution epoch(select_);
    while (epoch.next())
        epochs_.push_back({epoch.integer(0), epoch.integer(1)});
    if (epochs_.empty())
        database_.damaged("there is no epoch");
    Execution extent(select_extent_);
    extent.bind(epochs_.back().id).next();
    filed_ = extent.integer(0);
    newest_us_ = extent.integer(1);
}

std::int64_t Epochs::epoch_of(std::int64_t opened_us) const {
    const auto later = std::ranges::upper_bound(epochs_, opened_us, {}, &Epoch::since_us);
    return later == epochs_.begin() ? epochs_.front().id : std::prev(later)->id;
}

std::int64_t Epochs::file(std::int64_t opened_us) {
    if (filed_ >= leases_an_epoch && newest_us_ >= epochs_.back().since_us) {
        const Epoch next{epochs_.back().id + 1, newest_us_ + 1};
        Execution(insert_).bind(next.id).bind(next.since_us).run();
        epochs_.push_back(next);
        filed_ = 0;
    }
    newest_us_ = std::max(newest_us_, opened_us);
    const std::int64_t epoch = epoch_of(opened_us);
    filed_ += epoch == epochs_.back().id ? 1 : 0;
    return epoch;
}

} // namespace portd::store
