#include "recorder.hpp"

#include "capture/namespace_ports.hpp"
#include "store/fault.hpp"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

namespace portd {
namespace {

// Leases kept for the next commit while the store refuses them; the oldest are counted as lost
// beyond it.
constexpr std::size_t most_pending = 100'000;

// How soon a change of the namespace's port settings is noticed.
constexpr auto ports_interval = std::chrono::seconds(5);

} // namespace

Recorder::Recorder(const Settings &settings, const model::Clock &clock,
                   const capture::Opened &opened, store::Writer &writer, LiveStatus &live)
    : settings_(settings),
      clock_(clock),
      source_(*opened.source),
      keeps_notes_(!source_.descriptors_to_keep().empty()),
      writer_(writer),
      live_(live),
      tier_reasons_(opened.reasons),
      not_watching_(opened.not_kept ? "changeover" : "notRunning"),
      ledger_(writer.next_serial()),
      sink_([this](const model::Observation &observation) {
          ledger_.apply(observation);
          has_news_ = true;
      }),
      network_namespace_(capture::own_network_namespace()),
      started_(clock.now()),
      counted_(source_.events().value_or(capture::EventAccount{})),
      counted_at_(started_) {
    ledger_.set_own_namespace(network_namespace_);
    ledger_.file_by_time(writer_.boot().base_offset_us);
    take_over();
    open_at_start_ = static_cast<std::int64_t>(ledger_.open_leases());
}

// From the run before, what it stored. If the source goes on where that ended, nothing is missing
// in between: coverage goes on, and leases that are over may still be told of.
void Recorder::take_over() {
    const auto until = writer_.watched_until();
    if (!until)
        return;
    auto leases = writer_.open_leases();
    const auto notes = source_.take_resumed_notes();
    if (!notes) {
        ledger_.restore(std::move(leases), *until);
        return;
    }
    std::vector<std::int64_t> others;
    for (const auto &note : notes->changed)
        if (!std::ranges::binary_search(leases, note.serial, {}, &model::Lease::serial))
            others.push_back(note.serial);
    auto ended = writer_.leases(others);
    leases.insert(leases.end(), std::make_move_iterator(ended.begin()),
                  std::make_move_iterator(ended.end()));
    ledger_.resume(std::move(leases), *notes, *until);
    watching_since_ = watched_until_ = *until;
}

void Recorder::read_events(capture::Promptness promptness) {
    source_.read_events(promptness, sink_);
}

void Recorder::sample() {
    follow_namespace_ports();
    ++samples_;
    account(source_.sample(sink_));
    if (auto limitations = source_.limitations(); limitations != limitations_) {
        limitations_ = std::move(limitations);
        for (const auto &limitation : limitations_)
            spdlog::warn("{}", limitation);
    }
    has_news_ = true;
}

// They hardly ever change.
void Recorder::follow_namespace_ports() {
    const auto now = clock_.now();
    if (now < next_ports_at_)
        return;
    next_ports_at_ = now + ports_interval;
    pools_ = ledger_.pools();
    log_.pass(now);
    for (const auto &pool : pools_)
        if (pool.automatic_ports && pool.open_automatic_ports)
            log_.counted_pool(pool.protocol, static_cast<std::size_t>(*pool.open_automatic_ports),
                              static_cast<std::size_t>(*pool.automatic_ports));
    if (const auto ports = capture::read_namespace_ports(); ports != ports_) {
        ports_ = ports;
        ledger_.set_namespace_ports(ports_);
        live_.publish(ports_);
    }
}

// Between two complete samples everything that was is known: what a sample shows, and what was
// destroyed meanwhile. So coverage reaches from the first complete sample to the last.
void Recorder::account(const capture::Sample &sample) {
    const bool was_failing = !failure_.empty();
    failure_ = sample.failure;
    log_.sampled(failure_);
    if (!sample.failure.empty()) {
        ++losses_["scanFailed"];
        return;
    }
    if (!watching_since_) {
        watching_since_ = sample.began;
        if (const auto before = writer_.watched_until_row_us()) {
            gaps_.push_back({*before, std::max(*before, writer_.row_us(sample.began)),
                             not_watching_, std::nullopt});
            ++gaps_recorded_;
            log_.was_not_watching(gaps_.back());
        }
    } else if (was_failing) {
        close_gap("scanFailed", *watched_until_, sample.began, std::nullopt);
    }
    watched_until_ = sample.began;
}

void Recorder::take_losses() {
    for (const auto &loss : source_.take_losses()) {
        losses_[loss.cause] += loss.events.value_or(1);
        close_gap(loss.cause, loss.since, loss.until, loss.events);
        log_.lost(loss.cause, loss.events.value_or(1), clock_.now());
    }
}

void Recorder::close_gap(const std::string &cause, model::Instant since, model::Instant until,
                         std::optional<std::int64_t> lost) {
    gaps_.push_back({writer_.row_us(since), writer_.row_us(until), cause, lost});
    ++gaps_recorded_;
}

void Recorder::commit() {
    model::LedgerNotes notes;
    auto changes = ledger_.take_changes(keeps_notes_ ? &notes : nullptr);
    pending_.insert(pending_.end(), std::make_move_iterator(changes.begin()),
                    std::make_move_iterator(changes.end()));
    has_news_ = false;
    take_losses();
    const std::size_t failures_before = bind_failures_.size();
    for (auto &failure : source_.take_bind_failures())
        bind_failures_.push_back(std::move(failure));
    bind_failures_told_ += static_cast<std::int64_t>(bind_failures_.size() - failures_before);
    for (auto &[inode, name, since] : source_.take_namespace_names())
        namespace_names_.push_back({inode, std::move(name), since});
    store::Batch batch{.leases = pending_,
                       .watched = std::nullopt,
                       .gaps = gaps_,
                       .bind_failures = bind_failures_,
                       .namespaces = namespace_names_,
                       .ring_mark = source_.note(notes),
                       .clock = store::ClockReading{clock_.now(), clock_.wall_offset_us()}};
    if (watching_since_)
        batch.watched = store::Watched{source_.tier(), *watching_since_, *watched_until_};
    store(batch);
    publish();
}

void Recorder::store(const store::Batch &batch) {
    try {
        writer_.commit(batch);
    } catch (const store::DamagedStore &) {
        throw;
    } catch (const std::exception &error) {
        if (commit_failure_ != error.what()) {
            commit_failure_ = error.what();
            system::report(system::Message::store_failing,
                           "cannot store leases: " + commit_failure_ + "; keeping up to " +
                               std::to_string(most_pending) + " in memory and trying again");
        }
        if (pending_.size() > most_pending) {
            const auto lost = static_cast<std::int64_t>(pending_.size() - most_pending);
            pending_.erase(pending_.begin(), pending_.begin() + lost);
            losses_["storeFailed"] += lost;
            close_gap("storeFailed", watched_until_.value_or(started_), clock_.now(), lost);
        }
        return;
    }
    if (!commit_failure_.empty()) {
        spdlog::info("leases are stored again");
        commit_failure_.clear();
    }
    pending_.clear();
    gaps_.clear();
    bind_failures_.clear();
    namespace_names_.clear();
    source_.acknowledge();
    for (const store::Notice &notice : writer_.take_notices())
        notice.kind == store::Notice::Kind::failure ? spdlog::error("{}", notice.text)
                                                    : spdlog::info("{}", notice.text);
    if (source_.wants_all_notes())
        source_.note_all(ledger_.notes());
}

void Recorder::publish() {
    proto::Status status;
    status.version = PORTD_VERSION;
    status.tier = source_.tier();
    status.tier_reasons = tier_reasons_;
    status.tier_reasons.insert(status.tier_reasons.end(), limitations_.begin(), limitations_.end());
    status.started_usec = writer_.wall_us(started_);
    if (watching_since_ && commit_failure_.empty()) {
        status.watching_since_usec = writer_.wall_us(*watching_since_);
        status.last_snapshot_usec = writer_.wall_us(*watched_until_);
    }
    status.samples = samples_;
    status.unseen_sockets = static_cast<std::int64_t>(ledger_.unseen_sockets());
    status.interval_usec = settings_.interval.count();
    status.ports = settings_.ports.to_string();
    status.range_low = ports_.local_range.low;
    status.range_high = ports_.local_range.high;
    status.network_namespace = network_namespace_;
    status.open_leases = static_cast<std::int64_t>(ledger_.open_leases());
    status.leases_opened = static_cast<std::int64_t>(ledger_.found_leases());
    status.leases_ended = open_at_start_ + status.leases_opened - status.open_leases;
    status.bind_failures = bind_failures_told_;
    status.gaps_recorded = gaps_recorded_;
    status.pools = pools_;
    status.stored_leases = writer_.stored_leases();
    status.stored_bytes = writer_.stored_bytes();
    for (const auto &[cause, events] : losses_)
        if (events > 0)
            status.losses.push_back({cause, events});
    publish_events(status);
    live_.publish(std::move(status));
}

void Recorder::publish_events(proto::Status &status) {
    const auto events = source_.events();
    if (!events)
        return;
    const auto now = clock_.now();
    const auto passed = now - counted_at_;
    if (passed >= std::chrono::seconds(1)) {
        events_per_second_ = static_cast<std::int64_t>(events->issued - counted_.issued) *
                             1'000'000 / passed.count();
        counted_ = *events;
        counted_at_ = now;
    }
    status.events_per_second = events_per_second_;
    status.events_issued = static_cast<std::int64_t>(events->issued);
    status.events_received = static_cast<std::int64_t>(events->received);
    status.events_lost = static_cast<std::int64_t>(events->lost);
    status.witness_misses = static_cast<std::int64_t>(ledger_.unseen_sockets());
    status.witness_overflows = static_cast<std::int64_t>(events->witness_overflows);
    const auto check = source_.self_check();
    log_.checked(check);
    if (check)
        status.self_check = {writer_.wall_us(check->at), check->passed, check->detail};
}

} // namespace portd
