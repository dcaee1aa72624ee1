#include "recorder.hpp"

#include "capture/namespace_ports.hpp"
#include "store/coverage.hpp"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

namespace portd {
namespace {

// A sample and its commit take less than this on any machine that is not stuck, in microseconds.
constexpr std::int64_t slow_sample_us = 1'000'000;

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
      backlog_(writer_, started_),
      counted_(source_.events().value_or(capture::EventAccount{})),
      counted_at_(started_) {
    ledger_.set_own_namespace(network_namespace_);
    ledger_.file_by_time(writer_.boot().base_offset_us);
    know_ports({});
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
    if (!writer_.is_open())
        return; // it could not be read: this run begins without
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
    unseen_sockets_ = ledger_.unseen_sockets();
    watching_since_ = watched_until_ = *until;
}

void Recorder::read_events(capture::Promptness promptness) {
    source_.read_events(promptness, sink_);
}

void Recorder::sample() {
    follow_namespace_ports();
    ++samples_;
    const auto watched_before = watched_until_;
    account(source_.sample(sink_));
    account_misses(watched_before);
    if (auto foreign = source_.take_foreign_ports())
        know_ports(*std::move(foreign));
    if (ledger_.take_lack_of_holders())
        source_.seek_holders();
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
    if (const auto ports = capture::read_namespace_ports(); ports != ports_) {
        ports_ = ports;
        ledger_.set_namespace_ports(ports_);
        know_ports(*known_ports_);
    }
    pools_ = ledger_.pools(*known_ports_);
    log_.pass(now);
    for (const auto &pool : pools_)
        if (pool.network_namespace == network_namespace_ && pool.automatic_ports &&
            pool.open_automatic_ports)
            log_.counted_pool(pool.protocol, static_cast<std::size_t>(*pool.open_automatic_ports),
                              static_cast<std::size_t>(*pool.automatic_ports));
}

void Recorder::know_ports(model::KnownPorts foreign) {
    foreign.insert_or_assign(network_namespace_, ports_);
    known_ports_ = std::make_shared<const model::KnownPorts>(std::move(foreign));
    live_.publish(network_namespace_, known_ports_);
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
            const proto::Gap gap{*before, std::max(*before, writer_.row_us(sample.began)),
                                 not_watching_, std::nullopt};
            backlog_.add_gap(gap);
            ++gaps_recorded_;
            log_.was_not_watching(gap);
        }
    } else if (was_failing) {
        close_gap("scanFailed", *watched_until_, sample.began, std::nullopt);
    }
    watched_until_ = sample.began;
}

// Hooks tell of every socket before its end is told of. Where one was not told of, another that is
// still there may have been missed as well.
void Recorder::account_misses(std::optional<model::Instant> since) {
    const auto before = std::exchange(unseen_sockets_, ledger_.unseen_sockets());
    if (!source_.events() || !since || unseen_sockets_ <= before)
        return;
    record({.cause = "unseen",
            .since = *since,
            .until = *watched_until_,
            .events = static_cast<std::int64_t>(unseen_sockets_ - before)});
    source_.doubt();
}

void Recorder::take_losses() {
    for (auto &loss : source_.take_losses()) {
        if (backlog_.failure() && loss.cause == "ringFull")
            loss.cause = store::store_failed;
        record(loss);
    }
}

void Recorder::record(const capture::Loss &loss) {
    losses_[loss.cause] += loss.events.value_or(1);
    close_gap(loss.cause, loss.since, loss.until, loss.events);
    log_.lost(loss.cause, loss.events.value_or(1), clock_.now());
}

void Recorder::close_gap(const std::string &cause, model::Instant since, model::Instant until,
                         std::optional<std::int64_t> lost) {
    backlog_.add_gap({writer_.row_us(since), writer_.row_us(until), cause, lost});
    ++gaps_recorded_;
}

void Recorder::commit() {
    notes_.clear();
    backlog_.take_changes(ledger_, keeps_notes_ ? &notes_ : nullptr);
    has_news_ = false;
    take_losses();
    for (auto &failure : source_.take_bind_failures()) {
        backlog_.add_bind_failure(std::move(failure));
        ++bind_failures_told_;
    }
    for (auto &[inode, name, since] : source_.take_namespace_names())
        backlog_.add_namespace_name({inode, std::move(name), since});
    std::optional<store::Watched> watched;
    if (watching_since_)
        watched = store::Watched{source_.tier(), *watching_since_, *watched_until_};
    const bool was_failing = backlog_.failure().has_value();
    if (backlog_.store(ledger_, watched, source_.note(notes_),
                       {clock_.now(), clock_.wall_offset_us()})) {
        source_.acknowledge();
        if (was_failing)
            ledger_.file_by_time(writer_.boot().base_offset_us);
        if (source_.wants_all_notes())
            source_.note_all(ledger_.notes());
    }
    publish();
}

void Recorder::finish() {
    backlog_.hurry();
    commit();
    if (backlog_.failure())
        spdlog::error("stopping although {} leases and failed binds could not be stored",
                      backlog_.waiting());
}

void Recorder::publish() {
    proto::Status status;
    status.version = PORTD_VERSION;
    status.tier = source_.tier();
    status.tier_reasons = tier_reasons_;
    status.tier_reasons.insert(status.tier_reasons.end(), limitations_.begin(), limitations_.end());
    status.started_usec = writer_.wall_us(started_);
    store::Present present{.run_since_us = writer_.row_us(started_),
                           .longest_lag_us = 2 * settings_.interval.count() + slow_sample_us,
                           .unstored_since_us = {},
                           .lost_events = {},
                           .now_us = [&clock = clock_, base_us = writer_.boot().base_offset_us] {
                               return to_us(clock.now()) + base_us;
                           }};
    if (const auto &failure = backlog_.failure()) {
        status.tier_reasons.push_back("nothing can be stored: " + failure->reason + "; " +
                                      std::to_string(backlog_.waiting()) +
                                      " leases and failed binds wait in memory, " +
                                      std::to_string(failure->lost) + " were lost");
        present.unstored_since_us = failure->since_us;
        if (failure->lost > 0)
            present.lost_events = failure->lost;
    }
    if (watching_since_) {
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
    status.state_directory = settings_.state_dir.string();
    status.stored_leases = writer_.stored_leases();
    status.stored_bytes = writer_.stored_bytes();
    auto losses = losses_;
    losses[std::string(store::store_failed)] += backlog_.lost();
    for (const auto &[cause, events] : losses)
        if (events > 0)
            status.losses.push_back({cause, events});
    publish_events(status);
    live_.publish(std::move(status), present);
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
