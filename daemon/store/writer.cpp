#include "store/writer.hpp"

#include "store/current_part.hpp"
#include "store/fault.hpp"
#include "store/retention.hpp"
#include "store/rotation.hpp"
#include "store/upgrade.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

namespace portd::store {
namespace {

// A part that could not be begun is tried again after so many commits.
constexpr int commits_until_retry = 100;

bool passes_by_itself(const std::system_error &fault) {
    return fault.code() == std::errc::no_space_on_device || fault.code() == std::errc::io_error ||
           fault.code().value() == EDQUOT;
}

} // namespace

// Declaration order is lifetime: the lock outlives the files.
struct Writer::State {
    StateDirectory directory;
    Limits limits;
    std::shared_ptr<RecentEnds> recent_ends = std::make_shared<RecentEnds>();
    CurrentPart current;
    Retention retention;
    std::vector<Notice> notices;
    std::shared_ptr<Suspects> suspects = std::make_shared<Suspects>();
    int commits_until_next_part = 0; // after a failure
    Trouble part_trouble;
    Trouble house_trouble;

    // As found at first.
    std::optional<model::Instant> watched_until;
    std::optional<std::int64_t> watched_until_any_boot_us;

    State(const std::filesystem::path &path, const BootInfo &boot, const Limits &kept,
          const TellUpgrade &tell);
    void open_first(const TellUpgrade &tell);
    Recovery recover();
    void give_up(const CurrentPart::GivenUp &part);
    void begin_part();
    void begin_part_if_due();
    void look_at_suspects();
    void keep_house();
};

Writer::State::State(const std::filesystem::path &path, const BootInfo &boot, const Limits &kept,
                     const TellUpgrade &tell)
    : directory(path, boot.boot_id),
      limits(kept),
      current(directory, boot, kept.waiting_leases, *recent_ends),
      retention(directory.path()) {
    open_first(tell);
    if (!current.is_open())
        return;
    const OpenedStore &opened = current.session().opened();
    if (opened.watched_until_us)
        watched_until =
            model::instant_from_us(*opened.watched_until_us - opened.info.base_offset_us);
    watched_until_any_boot_us = opened.watched_until_any_boot_us;
}

void Writer::State::open_first(const TellUpgrade &tell) {
    try {
        remove_unfinished(directory.path());
        notices = upgrade_older_parts(directory.path(), tell);
        recover();
    } catch (const FullStore &fault) {
        notices.push_back({Notice::Kind::failure, fault.what()});
    } catch (const FailedIo &fault) {
        notices.push_back({Notice::Kind::failure, fault.what()});
    } catch (const std::system_error &fault) {
        if (!passes_by_itself(fault))
            throw;
        notices.push_back({Notice::Kind::failure, fault.what()});
    }
}

Recovery Writer::State::recover() {
    const Recovery recovery = current.recover();
    retention.begin_before(current.number(), current.session().opened().part->since_us);
    if (const auto part = current.take_given_up())
        give_up(*part);
    return recovery;
}

void Writer::State::give_up(const CurrentPart::GivenUp &part) {
    retention.give_up(part.number, part.leases, part.until_us);
}

void Writer::State::begin_part() {
    give_up(current.begin_next());
}

void Writer::State::begin_part_if_due() {
    const std::int64_t age_us = current.now_us() - current.began_us();
    const bool is_due = current.leases() > 0 && (current.page_bytes() >= limits.part_bytes() ||
                                                 age_us >= limits.part_age().count());
    if (!is_due || --commits_until_next_part >= 0)
        return;
    try {
        begin_part();
        commits_until_next_part = 0;
        part_trouble.end();
    } catch (const std::exception &fault) {
        part_trouble.meet(std::string("cannot begin another part of the history: ") + fault.what(),
                          notices);
        commits_until_next_part = commits_until_retry;
    }
}

// Of one that was given up nothing is done: it is looked at when it is packed.
void Writer::State::look_at_suspects() {
    for (const auto &[part, reason] : suspects->take()) {
        if (part.is_sealed)
            retention.set_aside(part.number, reason);
        else if (part.number == current.number())
            current.doubt(reason);
    }
}

// The batch is stored: what fails now is not its owner's.
void Writer::State::keep_house() {
    try {
        look_at_suspects();
        if (current.is_open())
            begin_part_if_due();
        current.checkpoint();
        retention.work(limits, current.page_bytes(), current.now_us());
        house_trouble.end();
    } catch (const std::exception &fault) {
        house_trouble.meet(fault.what(), notices);
    }
    for (const proto::Gap &gap : retention.take_gaps())
        current.owe(gap);
}

Writer::Writer(const std::filesystem::path &state_directory, const BootInfo &boot,
               const Limits &limits, const TellUpgrade &tell)
    : state_(std::make_unique<State>(state_directory, boot, limits, tell)) {}

Writer::~Writer() = default;

bool Writer::is_open() const {
    return state_->current.is_open();
}

Recovery Writer::recover() {
    return state_->recover();
}

std::string Writer::why_closed() const {
    return state_->current.why_closed();
}

const std::shared_ptr<Suspects> &Writer::suspects() const {
    return state_->suspects;
}

std::shared_ptr<const RecentEnds> Writer::recent_ends() const {
    return state_->recent_ends;
}

const StoredBoot &Writer::boot() const {
    return state_->current.boot();
}

std::int64_t Writer::row_us(model::Instant at) const {
    return state_->current.row_us(at);
}

std::int64_t Writer::wall_us(model::Instant at) const {
    return state_->current.wall_us(at);
}

std::int64_t Writer::next_serial() const {
    return state_->current.last_serial() + 1;
}

std::vector<model::Lease> Writer::open_leases() const {
    return state_->current.ask([](Session &session) { return session.open_leases(); });
}

std::vector<model::Lease> Writer::leases(std::span<const std::int64_t> serials) const {
    return state_->current.ask([&](Session &session) { return session.leases(serials); });
}

std::optional<model::RingMark> Writer::ring_mark() const {
    return state_->current.ask([](Session &session) { return session.ring_mark(); });
}

std::optional<model::Instant> Writer::watched_until() const {
    return state_->watched_until;
}

std::optional<std::int64_t> Writer::watched_until_row_us() const {
    return state_->watched_until_any_boot_us;
}

void Writer::commit(const Batch &batch) {
    if (batch.leases.empty() && !batch.watched && batch.gaps.empty() &&
        batch.bind_failures.empty() && batch.namespaces.empty() && !batch.ring_mark && !batch.clock)
        return;
    state_->current.commit(batch);
    state_->keep_house();
}

void Writer::set_limits(const Limits &limits) {
    state_->limits = limits;
}

std::int64_t Writer::stored_leases() const {
    return state_->current.leases() + state_->retention.leases();
}

std::int64_t Writer::stored_bytes() const {
    return state_->current.bytes() + state_->retention.bytes();
}

std::vector<Notice> Writer::take_notices() {
    std::vector<Notice> notices = std::exchange(state_->notices, {});
    std::ranges::move(state_->current.take_notices(), std::back_inserter(notices));
    std::ranges::move(state_->retention.take_notices(), std::back_inserter(notices));
    return notices;
}

void Writer::begin_part() {
    if (state_->current.leases() > 0)
        state_->begin_part();
}

void Writer::settle() {
    state_->retention.settle(state_->limits, state_->current.page_bytes(),
                             state_->current.now_us());
}

void Writer::close_cleanly() {
    const bool is_whole = is_open();
    state_->current.close_cleanly();
    if (is_whole)
        state_->directory.record(StateDirectory::PreviousRun::End::clean);
}

} // namespace portd::store
