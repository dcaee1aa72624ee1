#include "capture/ebpf_source.hpp"

#include "capture/namespace_ports.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <sys/random.h>
#include <sys/stat.h>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <variant>

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

// A bind that was refused is told this soon, however long the look takes or is kept from running.
constexpr seconds longest_without_bind_look{5};

// Descriptors that are passed on or inherited are noticed this soon.
constexpr seconds longest_without_snapshot{30};

constexpr seconds self_check_interval{3600};

// That are remembered as without settings. Namespaces come and go.
constexpr std::size_t most_namespaces_without_ports = 4096;

// Ends that wait for what was told of them.
constexpr std::size_t most_heard = 10'000;

// Whatever makes that a kept program, or its journal, is not what this build would make.
std::uint64_t build_of(const model::PortPolicy &ports, ArgumentPolicy arguments,
                       std::size_t ring_bytes) {
    const auto own_range = read_namespace_ports().local_range;
    const auto settings = ports.to_string() + ' ' + std::to_string(own_range.low) + '-' +
                          std::to_string(own_range.high) + ' ' +
                          std::to_string(static_cast<int>(arguments)) + ' ' +
                          std::to_string(ring_bytes);
    std::uint64_t build = BpfProgram::build();
    for (const std::uint64_t part :
         {std::uint64_t{std::hash<std::string>{}(settings)}, checkpoint_form,
          std::uint64_t{sizeof(model::LedgerNote)}, std::uint64_t{sizeof(SocketEvent)},
          std::uint64_t{sizeof(Checkpoint::Account)}})
        build = (build ^ part) * 0x100000001b3ULL;
    return build;
}

// Of the first PID namespace: PROC_PID_INIT_INO in include/linux/proc_ns.h.
constexpr ino_t first_pid_namespace = 0xEFFFFFFC;

// The programs tell of processes by their numbers in the first PID namespace. In another one /proc
// has those numbers, too, of other processes.
void refuse_other_numbers_of_processes() {
    struct stat status {};
    if (::stat("/proc/self/ns/pid", &status) == 0 && status.st_ino != first_pid_namespace)
        throw std::system_error(EPERM, std::generic_category(),
                                "portd is in a PID namespace of its own, where processes have "
                                "other numbers than the kernel tells; run it in the host's (as "
                                "with --pid=host)");
}

std::uint64_t random_generation() {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number)
        throw std::system_error(errno, std::generic_category(), "cannot get a random number");
    return number >> 1;
}

} // namespace

EbpfSource::EbpfSource(const model::PortPolicy &ports, PortFilter records, ArgumentPolicy arguments,
                       std::size_t ring_bytes, Kept kept, const model::Clock &clock)
    : ports_(ports),
      records_(std::move(records)),
      clock_(clock),
      network_namespace_(own_network_namespace()),
      capture_(begin(ports, arguments, ring_bytes, std::move(kept))),
      wakeups_(capture_.program->ring_fd()),
      ring_(capture_.program->ring_fd(), ring_bytes),
      images_(arguments),
      events_(images_),
      snapshot_(images_, events_, network_namespace_),
      names_(network_namespace_),
      drained_at_(clock.now()),
      witness_read_at_(drained_at_) {
    witness_.filter(capture_.program->destroyed_filter_fd());
    // What ended before every hook was attached is no miss of theirs.
    while (witness_.read_all([](const DiagSocket &) {}) == DestroyEvents::End::missed)
        continue;
    resume();
}

EbpfSource::Capture EbpfSource::begin(const model::PortPolicy &ports, ArgumentPolicy arguments,
                                      std::size_t ring_bytes, Kept kept) {
    refuse_other_numbers_of_processes();
    const auto build = build_of(ports, arguments, ring_bytes);
    Capture capture;
    if (!kept.descriptors.empty()) {
        auto taken = take_over(std::move(kept), build, ring_bytes);
        if (auto *takeover = std::get_if<Takeover>(&taken))
            return {std::move(takeover->program), std::move(takeover->journal),
                    std::move(takeover->frames), takeover->position, std::nullopt};
        capture.not_kept = std::get<std::string>(taken);
    }
    capture.program = std::make_unique<BpfProgram>(ports, ring_bytes);
    capture.journal.emplace(
        Journal::Identity{build, random_generation(), capture.program->numbers()});
    return capture;
}

// What the frames tell is what this would know if it had been there. What follows is in the ring.
void EbpfSource::resume() {
    if (capture_.frames.empty())
        return;
    std::unordered_map<std::int64_t, model::LedgerNote> notes;
    resumed_notes_.emplace();
    for (const auto &frame : std::exchange(capture_.frames, {})) {
        const auto [checkpoint, news] = decode_checkpoint(frame.payload);
        for (const auto &note : news.changed)
            notes.insert_or_assign(note.serial, note);
        for (const auto serial : news.forgotten)
            notes.erase(serial);
        resumed_notes_->claims = news.claims;
        images_.recall(checkpoint.images);
        events_.await(checkpoint.waiting);
        counted_ = checkpoint.account.counted;
        drained_at_ = checkpoint.account.drained_at;
        ring_.resume(capture_.position, checkpoint.account.received);
        frame_ = frame.number;
    }
    for (const auto &[_, note] : notes)
        resumed_notes_->changed.push_back(note);
    has_lost_ = lacks_rows_ = false;
    is_resumed_ = true;
    snapshot_at_ = drained_at_;
    snapshot_.expect_lingering();
}

std::optional<model::LedgerNotes> EbpfSource::take_resumed_notes() {
    return std::exchange(resumed_notes_, std::nullopt);
}

std::vector<std::pair<std::string, int>> EbpfSource::descriptors_to_keep() const {
    auto all = capture_.program->objects().named();
    if (capture_.journal)
        all.emplace_back(journal_name, capture_.journal->fd());
    return all;
}

// Without a journal the events go on to be stored, but nobody else can go on with them.
template <typename Write>
void EbpfSource::write_journal(Write write) {
    if (!capture_.journal)
        return;
    try {
        write(*capture_.journal);
    } catch (const std::system_error &error) {
        journal_fault_ = error.what();
        capture_.journal.reset();
    }
}

Checkpoint EbpfSource::checkpoint() const {
    Checkpoint checkpoint;
    checkpoint.account = {ring_.received(), counted_, drained_at_};
    checkpoint.waiting = events_.waiting();
    return checkpoint;
}

std::optional<model::RingMark> EbpfSource::note(const model::LedgerNotes &notes) {
    auto frame = checkpoint();
    frame.images = images_.take_news();
    write_journal([&](Journal &journal) {
        frame_bytes_.clear();
        encode(frame, notes, frame_bytes_);
        journal.append(++frame_, frame_bytes_.bytes());
    });
    if (!capture_.journal)
        return std::nullopt;
    return model::RingMark{capture_.journal->identity().generation, ring_.position(), frame_};
}

bool EbpfSource::wants_all_notes() const {
    return capture_.journal && capture_.journal->is_overgrown();
}

void EbpfSource::note_all(const model::LedgerNotes &notes) {
    auto frame = checkpoint();
    frame.images = images_.everything();
    write_journal([&](Journal &journal) {
        ByteWriter bytes;
        encode(frame, notes, bytes);
        journal.replace(frame_, bytes.bytes());
    });
}

model::Duration EbpfSource::reading_period() const {
    return period;
}

std::vector<std::string> EbpfSource::limitations() const {
    std::vector<std::string> limitations;
    if (self_check_ && !self_check_->passed)
        limitations.push_back("self-check failed: " + self_check_->detail);
    if (!journal_fault_.empty())
        limitations.push_back("a restart will leave a gap: " + journal_fault_);
    return limitations;
}

void EbpfSource::read_events(Promptness, const Sink &sink) {
    wakeups_.clear();
    hear_witness(sink);
}

// A look tells the settings of a namespace. It is worth one once, where it is in time to find a
// socket there; after that the namespace waits for the next as all do.
void EbpfSource::notice(const model::Observation &observation) {
    names_.notice(observation);
    const auto *const taken = std::get_if<model::PortTaken>(&observation);
    if (!taken)
        return;
    const auto inode = taken->key.network_namespace;
    if (inode == network_namespace_ || snapshot_.foreign_ports().contains(inode))
        return;
    if (namespaces_without_ports_.size() >= most_namespaces_without_ports)
        namespaces_without_ports_.clear();
    seeks_ports_ = namespaces_without_ports_.insert(inode).second || seeks_ports_;
}

// False where a record that is being written holds up others.
bool EbpfSource::drain(const Sink &sink, SelfCheckTraffic *checked) {
    const auto now = clock_.now();
    const auto before = capture_.program->counters();
    events_.expect_older_sockets(lacks_rows_ || before.ring_full != counted_.ring_full ||
                                 before.no_memory != counted_.no_memory);
    const Sink noticing = [&](const model::Observation &observation) {
        notice(observation);
        sink(observation);
    };
    const bool is_all = ring_.read([&](std::span<const std::byte> record) {
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
    return is_all;
}

void EbpfSource::account_losses(model::Instant drained_at) {
    const auto counters = capture_.program->counters();
    note_loss("ringFull", counters.ring_full - counted_.ring_full, drained_at);
    note_loss("noMemory", counters.no_memory - counted_.no_memory, drained_at);
    note_loss("malformed", std::exchange(malformed_, 0), drained_at);
    counted_ = counters;
}

// Losses of one cause between two samples are one loss.
void EbpfSource::note_loss(const char *cause, std::uint64_t events, model::Instant drained_at) {
    if (events == 0)
        return;
    has_lost_ = lacks_rows_ = true;
    const auto known = std::ranges::find(losses_, cause, &Loss::cause);
    if (known == losses_.end()) {
        losses_.push_back({cause, drained_at_, drained_at, static_cast<std::int64_t>(events)});
    } else {
        known->until = drained_at;
        *known->events += static_cast<std::int64_t>(events);
    }
}

// The ends that the witness tells of are in the ring already when it tells of them, but perhaps
// behind a record whose processor was stopped amid it: they wait until that is read. It may miss
// some (its queue is bounded): it is not what history is made of.
void EbpfSource::hear_witness(const Sink &sink) {
    const auto keep = [&](const DiagSocket &socket) { heard_.push_back(socket); };
    while (witness_.read_all(keep) == DestroyEvents::End::missed)
        ++witness_overflows_;
    const auto now = clock_.now();
    if (!drain(sink) && heard_.size() < most_heard)
        return;
    const auto at = model::When::sampled(witness_read_at_, now);
    const bool may_be_older = lacks_rows_ || witness_read_at_ < knows_all_since_;
    for (const auto &socket : std::exchange(heard_, {})) {
        if (socket.local.port == 0 || !records_(socket.local.port))
            continue;
        sink(model::SocketDestroyed{
            .key = {socket.cookie, network_namespace_, model::SocketKey::Kind::cookie},
            .protocol = socket.protocol,
            .local = socket.local,
            .peer = socket.peer,
            .at = at,
            .tcp = socket.tcp,
            .may_be_older = may_be_older,
        });
    }
    witness_read_at_ = now;
}

bool EbpfSource::wants_snapshot(model::Instant now) const {
    if (has_lost_ || is_resumed_ || !snapshot_at_)
        return true;
    if (now < next_snapshot_at_)
        return false;
    return events_.lacks_holders() || seeks_ports_ ||
           now - *snapshot_at_ >= longest_without_snapshot ||
           (snapshot_.has_kernel_sockets() && now >= next_lingering_at_);
}

bool EbpfSource::wants_lingering(model::Instant now) const {
    return now >= next_lingering_at_ && (events_.has_left_time_wait() || snapshot_.has_lingering());
}

void EbpfSource::look_at_lingering(const Sink &sink) {
    const auto began = clock_.now();
    snapshot_.begin();
    capture_.program->read(BpfProgram::Table::tcp, BpfProgram::Rows::fileless,
                           [&](auto records) { snapshot_.meet_tables(records); });
    drain(sink);
    snapshot_.tell_lingering(began, clock_.now(), sink);
    events_.have_looked_at_lingering();
    next_lingering_at_ = clock_.now() + lingering_share * (clock_.now() - began);
}

void EbpfSource::snapshot(const Sink &sink) {
    const auto began = clock_.now();
    const bool is_whole = std::exchange(has_lost_, false);
    is_resumed_ = seeks_ports_ = false;
    const auto meet_tables = [&](auto records) { snapshot_.meet_tables(records); };
    snapshot_.begin();
    // An iterator may pass over a row while its table changes: twice in a row is most unlikely.
    // What has a file without being held (its descriptor is in a message, say) ends with an event,
    // unless that was lost.
    const auto rows = is_whole ? BpfProgram::Rows::all : BpfProgram::Rows::fileless;
    for (int reading = 0; reading < (is_whole ? 2 : 1); ++reading) {
        capture_.program->read(BpfProgram::Table::tcp, rows, meet_tables);
        capture_.program->read(BpfProgram::Table::udp, rows, meet_tables);
    }
    capture_.program->read(BpfProgram::Table::held, BpfProgram::Rows::all,
                           [&](auto records) { snapshot_.meet_held(records); });
    snapshot_.start(began, sink);
    drain(sink);
    snapshot_.finish(clock_.now(), is_whole, sink);
    lacks_rows_ = has_lost_;
    events_.have_looked(began);
    std::erase_if(namespaces_without_ports_, [this](std::uint32_t inode) {
        return snapshot_.foreign_ports().contains(inode);
    });
    snapshot_at_ = began;
    const auto now = clock_.now();
    if (is_whole)
        knows_all_since_ = now;
    next_snapshot_at_ = now + snapshot_share * (now - began);
    next_lingering_at_ = now + lingering_share * (now - began);
}

void EbpfSource::look_at_binds(const Sink &sink) {
    const auto began = clock_.now();
    const auto before = capture_.program->bind_counts();
    if (!bind_looks_.wants_one(before, began) || began < next_bind_look_at_)
        return;
    const auto under_way = capture_.program->tell_refused_binds();
    bind_looks_.have_looked(before, capture_.program->bind_counts(), under_way, began);
    const auto now = clock_.now();
    next_bind_look_at_ =
        now + std::min<model::Duration>(snapshot_share * (now - began), longest_without_bind_look);
    drain(sink);
}

Sample EbpfSource::sample(const Sink &sink) {
    Sample sample{.began = clock_.now(), .failure = {}};
    hear_witness(sink);
    try {
        look_at_binds(sink);
        if (wants_snapshot(sample.began))
            snapshot(sink);
        else if (wants_lingering(sample.began))
            look_at_lingering(sink);
        names_.watch(sample.began);
    } catch (const std::system_error &error) {
        has_lost_ = true;
        sample.failure = error.what();
    }
    if (wants_self_check(sample.began))
        check_self(sink);
    images_.tidy(sample.began);
    sink(model::TimePassed{sample.began});
    return sample;
}

bool EbpfSource::wants_self_check(model::Instant now) const {
    return is_in_doubt_ || !self_check_ || now - self_check_->at >= self_check_interval;
}

void EbpfSource::check_self(const Sink &sink) {
    is_in_doubt_ = false;
    SelfCheckTraffic traffic(ports_);
    drain(sink, &traffic);
    self_check_ = traffic.verdict(clock_.now());
}

bool EbpfSource::needs_acknowledgement() const {
    return ring_.unacknowledged_bytes() >= capture_.program->ring_bytes() / 4;
}

std::vector<Loss> EbpfSource::take_losses() {
    return std::exchange(losses_, {});
}

std::vector<model::BindFailure> EbpfSource::take_bind_failures() {
    return events_.take_bind_failures();
}

std::optional<EventAccount> EbpfSource::events() const {
    const auto counters = capture_.program->counters();
    return EventAccount{counters.issued, ring_.received(), counters.ring_full + counters.no_memory,
                        witness_overflows_};
}

} // namespace portd::capture
