#include "capture/ebpf_source.hpp"

#include "capture/namespace_ports.hpp"

#include <algorithm>
#include <utility>

namespace portd::capture {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The ring is read this often, and when it is a quarter full.
constexpr milliseconds period{200};

// A snapshot takes one part in this many of the time at most, unless something was lost; to look at
// what lingers, one in that many.
constexpr int snapshot_share = 100;
constexpr int lingering_share = 2000;

// Descriptors that are passed on or inherited are noticed this soon.
constexpr seconds longest_without_snapshot{30};

constexpr seconds self_check_interval{3600};

} // namespace

EbpfSource::EbpfSource(const model::PortPolicy &ports, PortFilter records, ArgumentPolicy arguments,
                       std::size_t ring_bytes, const model::Clock &clock)
    : ports_(ports),
      records_(std::move(records)),
      clock_(clock),
      network_namespace_(own_network_namespace()),
      program_(ports, ring_bytes),
      wakeups_(program_.ring_fd()),
      ring_(program_.ring_fd(), program_.ring_bytes()),
      images_(arguments),
      events_(images_),
      snapshot_(images_, events_, network_namespace_),
      names_(network_namespace_),
      drained_at_(clock.now()),
      witness_read_at_(drained_at_) {
    witness_.filter(program_.destroyed_filter_fd());
}

model::Duration EbpfSource::reading_period() const {
    return period;
}

std::vector<std::string> EbpfSource::limitations() const {
    std::vector<std::string> limitations;
    if (self_check_ && !self_check_->passed)
        limitations.push_back("self-check failed: " + self_check_->detail);
    return limitations;
}

void EbpfSource::read_events(Promptness, const Sink &sink) {
    wakeups_.clear();
    hear_witness(sink);
}

void EbpfSource::drain(const Sink &sink, SelfCheckTraffic *checked) {
    const auto now = clock_.now();
    const Sink noticing = [&](const model::Observation &observation) {
        names_.notice(observation);
        sink(observation);
    };
    ring_.read([&](std::span<const std::byte> record) {
        const auto event = decode_record(record);
        if (!event) {
            ++malformed_;
            return;
        }
        if (checked)
            checked->meet(*event);
        events_.translate(*event, noticing);
    });
    account_losses(now);
    drained_at_ = now;
}

void EbpfSource::account_losses(model::Instant drained_at) {
    const auto counters = program_.counters();
    note_loss("ringFull", counters.ring_full - counted_.ring_full, drained_at);
    note_loss("noMemory", counters.no_memory - counted_.no_memory, drained_at);
    note_loss("malformed", std::exchange(malformed_, 0), drained_at);
    counted_ = counters;
}

// Losses of one cause between two samples are one loss.
void EbpfSource::note_loss(const char *cause, std::uint64_t events, model::Instant drained_at) {
    if (events == 0)
        return;
    has_lost_ = true;
    const auto known = std::ranges::find(losses_, cause, &Loss::cause);
    if (known == losses_.end()) {
        losses_.push_back({cause, drained_at_, drained_at, static_cast<std::int64_t>(events)});
    } else {
        known->until = drained_at;
        *known->events += static_cast<std::int64_t>(events);
    }
}

// The ends that the witness tells of are in the ring already when it tells of them. It may miss
// some (its queue is bounded): it is not what history is made of.
void EbpfSource::hear_witness(const Sink &sink) {
    std::vector<DiagSocket> destroyed;
    const auto keep = [&](const DiagSocket &socket) { destroyed.push_back(socket); };
    while (witness_.read_all(keep) == DestroyEvents::End::overflow)
        ;
    const auto now = clock_.now();
    drain(sink);
    const auto at = model::When::sampled(witness_read_at_, now);
    for (const auto &socket : destroyed) {
        if (socket.local.port == 0 || !records_(socket.local.port))
            continue;
        sink(model::SocketDestroyed{
            .key = {socket.cookie, network_namespace_, model::SocketKey::Kind::cookie},
            .protocol = socket.protocol,
            .local = socket.local,
            .peer = socket.peer,
            .at = at,
            .tcp = socket.tcp,
        });
    }
    witness_read_at_ = now;
}

bool EbpfSource::wants_snapshot(model::Instant now) const {
    if (has_lost_ || !snapshot_at_)
        return true;
    if (now < next_snapshot_at_)
        return false;
    return events_.lacks_holders() || now - *snapshot_at_ >= longest_without_snapshot ||
           (snapshot_.has_kernel_sockets() && now >= next_lingering_at_);
}

bool EbpfSource::wants_lingering(model::Instant now) const {
    return now >= next_lingering_at_ && (events_.has_left_time_wait() || snapshot_.has_lingering());
}

void EbpfSource::look_at_lingering(const Sink &sink) {
    const auto began = clock_.now();
    tables_.clear();
    program_.read(BpfProgram::Table::tcp, BpfProgram::Rows::fileless, tables_);
    drain(sink);
    snapshot_.tell_lingering(tables_, began, clock_.now(), sink);
    events_.have_looked_at_lingering();
    next_lingering_at_ = clock_.now() + lingering_share * (clock_.now() - began);
}

void EbpfSource::snapshot(const Sink &sink) {
    const auto began = clock_.now();
    const bool is_whole = std::exchange(has_lost_, false);
    tables_.clear();
    held_.clear();
    // An iterator may pass over a row while its table changes: twice in a row is most unlikely.
    // What has a file without being held (its descriptor is in a message, say) ends with an event,
    // unless that was lost.
    const auto rows = is_whole ? BpfProgram::Rows::all : BpfProgram::Rows::fileless;
    for (int reading = 0; reading < (is_whole ? 2 : 1); ++reading) {
        program_.read(BpfProgram::Table::tcp, rows, tables_);
        program_.read(BpfProgram::Table::udp, rows, tables_);
    }
    program_.read(BpfProgram::Table::held, BpfProgram::Rows::all, held_);
    snapshot_.begin(tables_, held_, began, sink);
    drain(sink);
    snapshot_.finish(clock_.now(), is_whole, sink);
    events_.have_looked(began);
    names_.look(snapshot_at_.value_or(began));
    snapshot_at_ = began;
    const auto now = clock_.now();
    next_snapshot_at_ = now + snapshot_share * (now - began);
    next_lingering_at_ = now + lingering_share * (now - began);
}

Sample EbpfSource::sample(const Sink &sink) {
    Sample sample{.began = clock_.now(), .failure = {}};
    hear_witness(sink);
    try {
        if (wants_snapshot(sample.began))
            snapshot(sink);
        else if (wants_lingering(sample.began))
            look_at_lingering(sink);
    } catch (const std::system_error &error) {
        has_lost_ = true;
        sample.failure = error.what();
    }
    if (!self_check_ || sample.began - self_check_->at >= self_check_interval)
        check_self(sink);
    images_.tidy(sample.began);
    sink(model::TimePassed{sample.began});
    return sample;
}

void EbpfSource::check_self(const Sink &sink) {
    SelfCheckTraffic traffic(ports_);
    drain(sink, &traffic);
    self_check_ = traffic.verdict(clock_.now());
}

bool EbpfSource::needs_acknowledgement() const {
    return ring_.unacknowledged_bytes() >= program_.ring_bytes() / 4;
}

std::vector<Loss> EbpfSource::take_losses() {
    return std::exchange(losses_, {});
}

std::vector<model::BindFailure> EbpfSource::take_bind_failures() {
    return events_.take_bind_failures();
}

std::optional<EventAccount> EbpfSource::events() const {
    const auto counters = program_.counters();
    return EventAccount{counters.issued, ring_.received(), counters.ring_full + counters.no_memory};
}

} // namespace portd::capture
