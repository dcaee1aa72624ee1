#include "backlog.hpp"

#include "store/coverage.hpp"
#include "store/fault.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <spdlog/spdlog.h>
#include <utility>

namespace portd {
namespace {

using system::Message;

// The bound of each: at most some 40 MiB of leases.
constexpr std::size_t most_leases = 50'000;
constexpr std::size_t most_bind_failures = 10'000;
constexpr std::size_t most_namespace_names = 10'000;

constexpr model::Duration first_pause = std::chrono::seconds(1);
constexpr model::Duration longest_pause = std::chrono::seconds(16);

template <typename Entry>
std::int64_t drop_oldest(std::vector<Entry> &entries, std::size_t most) {
    if (entries.size() <= most)
        return 0;
    const auto excess = static_cast<std::int64_t>(entries.size() - most);
    entries.erase(entries.begin(), entries.begin() + excess);
    return excess;
}

} // namespace

Backlog::Backlog(store::Writer &writer, model::Instant begin, Report report)
    : writer_(writer), report_(std::move(report)), stored_until_us_(writer.row_us(begin)) {
    log_notices();
}

void Backlog::add_leases(std::vector<model::Lease> leases) {
    leases_.insert(leases_.end(), std::make_move_iterator(leases.begin()),
                   std::make_move_iterator(leases.end()));
}

void Backlog::take_changes(model::Ledger &ledger, model::LedgerNotes *notes) {
    ledger.take_changes(leases_, notes);
}

void Backlog::add_gap(proto::Gap gap) {
    const auto known =
        std::ranges::find_if(gaps_, [&](const proto::Gap &one) { return one.cause == gap.cause; });
    if (!failure_ || known == gaps_.end()) {
        gaps_.push_back(std::move(gap));
        return;
    }
    if (known->until_usec && gap.until_usec)
        known->until_usec = std::max(*known->until_usec, *gap.until_usec);
    if (known->lost_events && gap.lost_events)
        *known->lost_events += *gap.lost_events;
    else
        known->lost_events.reset();
}

void Backlog::add_bind_failure(model::BindFailure failure) {
    bind_failures_.push_back(std::move(failure));
}

void Backlog::add_namespace_name(store::NamespaceName name) {
    namespace_names_.push_back(std::move(name));
}

store::Batch Backlog::batch(const std::optional<store::Watched> &watched,
                            const std::optional<model::RingMark> &mark,
                            const store::ClockReading &clock) const {
    return {.leases = leases_,
            .watched = watched,
            .gaps = gaps_,
            .bind_failures = bind_failures_,
            .namespaces = namespace_names_,
            .ring_mark = mark,
            .clock = clock};
}

bool Backlog::store(const model::Ledger &ledger, const std::optional<store::Watched> &watched,
                    const std::optional<model::RingMark> &mark, const store::ClockReading &clock) {
    const model::Instant now = clock.at;
    if (failure_ && now < next_attempt_) {
        keep_bound(now);
        return false;
    }
    try {
        recover(ledger);
        writer_.commit(batch(watched, mark, clock));
    } catch (const std::exception &fault) {
        have_failed(fault, now);
        log_notices();
        return false;
    }
    have_stored(watched);
    log_notices();
    return true;
}

// What goes on is told once more if the store has lost it. Later states of a lease follow earlier
// ones, and the ledger's is the latest.
void Backlog::recover(const model::Ledger &ledger) {
    if (writer_.is_open() || writer_.recover() == store::Recovery::unchanged)
        return;
    add_leases(ledger.open());
    keep_latest();
}

void Backlog::have_failed(const std::exception &fault, model::Instant now) {
    const std::string reason = fault.what();
    const bool is_full = dynamic_cast<const store::FullStore *>(&fault) != nullptr;
    if (!failure_) {
        failure_ = Failure{{}, stored_until_us_, 0};
        pause_ = first_pause;
    }
    if (failure_->reason != reason)
        report_(is_full ? Message::disk_full : Message::store_failing,
                "cannot store what is seen: " + reason + "; keeping up to " +
                    std::to_string(most_leases) + " leases in memory and trying again",
                {});
    failure_->reason = reason;
    next_attempt_ = now + pause_;
    pause_ = std::min(2 * pause_, longest_pause);
    keep_bound(now);
}

void Backlog::have_stored(const std::optional<store::Watched> &watched) {
    if (failure_) {
        if (failure_->lost > 0)
            spdlog::warn("what is seen is stored again; {} that found no room are lost, and a gap "
                         "is on record",
                         failure_->lost);
        else
            spdlog::info("what is seen is stored again, and nothing of it was lost");
    }
    failure_.reset();
    leases_.clear();
    gaps_.clear();
    bind_failures_.clear();
    namespace_names_.clear();
    if (watched)
        stored_until_us_ = writer_.row_us(watched->until);
}

// In the place of its first one.
void Backlog::keep_latest() {
    std::map<std::int64_t, std::size_t> place;
    std::vector<model::Lease> latest;
    for (model::Lease &lease : leases_) {
        const auto [known, is_new] = place.try_emplace(lease.serial, latest.size());
        if (is_new)
            latest.push_back(std::move(lease));
        else
            latest[known->second] = std::move(lease);
    }
    leases_ = std::move(latest);
}

void Backlog::keep_bound(model::Instant now) {
    if (leases_.size() > most_leases)
        keep_latest();
    const std::int64_t lost =
        drop_oldest(leases_, most_leases) + drop_oldest(bind_failures_, most_bind_failures);
    drop_oldest(namespace_names_, most_namespace_names);
    if (lost == 0 || !failure_)
        return;
    if (failure_->lost == 0)
        spdlog::warn("the store takes nothing and memory is full: the oldest leases are lost");
    failure_->lost += lost;
    lost_ += lost;
    add_gap({failure_->since_us, writer_.row_us(now), std::string(store::store_failed), lost});
}

void Backlog::log_notices() {
    for (const store::Notice &notice : writer_.take_notices()) {
        switch (notice.kind) {
        case store::Notice::Kind::dropped:
            spdlog::info("{}", notice.text);
            break;
        case store::Notice::Kind::clock_set:
            spdlog::warn("{}", notice.text);
            break;
        case store::Notice::Kind::failure:
        case store::Notice::Kind::loss:
            spdlog::error("{}", notice.text);
            break;
        case store::Notice::Kind::set_aside:
            report_(Message::file_set_aside, notice.text,
                    {{"PORTD_FILE", notice.set_aside_as.string()}});
            break;
        }
    }
}

} // namespace portd
