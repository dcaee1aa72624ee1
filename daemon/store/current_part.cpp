#include "store/current_part.hpp"

#include "store/coverage.hpp"
#include "store/fault.hpp"
#include "store/set_aside.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace portd::store {
namespace {

using End = StateDirectory::PreviousRun::End;

} // namespace

CurrentPart::CurrentPart(StateDirectory &directory, const BootInfo &boot,
                         std::int64_t waiting_leases, RecentEnds &recent_ends)
    : directory_(directory),
      boot_(boot),
      stored_boot_{boot.boot_id, boot.wall_offset_us},
      waiting_leases_(waiting_leases),
      recent_ends_(recent_ends) {}

std::unique_ptr<Session> CurrentPart::make_session(const PartFile &file, OwnOpen own) const {
    return std::make_unique<Session>(open_store(directory_, file, boot_, depth_, own),
                                     waiting_leases_, recent_ends_);
}

std::filesystem::path CurrentPart::path() const {
    return path_of(directory_.path(), file_);
}

Session &CurrentPart::session() const {
    if (!session_)
        throw StoreFault(path(), why_closed_.empty() ? "it is not open" : why_closed_);
    return *session_;
}

std::int64_t CurrentPart::bytes() const {
    return file_.number > 0 ? bytes_of(path()) : 0;
}

std::int64_t CurrentPart::page_bytes() const {
    return session_ ? session_->bytes() : 0;
}

std::vector<Notice> CurrentPart::take_notices() {
    return std::exchange(notices_, {});
}

std::optional<CurrentPart::GivenUp> CurrentPart::take_given_up() {
    return std::exchange(given_up_, std::nullopt);
}

Recovery CurrentPart::recover() {
    if (session_)
        return Recovery::unchanged;
    recent_ends_.forget(); // opening can end leases
    try {
        if (is_replaced_)
            lose_file();
        if (damage_)
            set_aside_and_open(*damage_);
        else
            open();
    } catch (const std::exception &fault) {
        why_closed_ = fault.what();
        throw;
    }
    have_opened();
    return std::exchange(has_begun_anew_, false) ? Recovery::anew : Recovery::unchanged;
}

void CurrentPart::open() {
    try {
        open_file();
    } catch (const DamagedStore &damage) {
        if (damage.file() != path())
            throw;
        note_damage(damage.reason());
        set_aside_and_open(damage.reason());
    }
}

void CurrentPart::open_file() {
    file_ = find_current_part(directory_, new_part_);
    const bool is_late = !was_open_ && !why_closed_.empty();
    session_ = make_session(file_, is_late ? OwnOpen::end : OwnOpen::go_on);
}

// What a name stands for that was ours is another's file, or nothing. It is set aside as well: the
// newest part is the one that is written.
void CurrentPart::lose_file() {
    if (std::filesystem::exists(path())) {
        const SetAside aside = store::set_aside(path(), "it was put in the place of portd's own");
        notices_.push_back(
            {Notice::Kind::set_aside,
             path().string() + ": " + aside.reason + "; set aside as " + aside.path.string(),
             aside.path});
    }
    notices_.push_back(
        {Notice::Kind::loss, path().string() + ": " + why_closed_ +
                                 "; a new part is begun, and what was in it is a gap"});
    new_part_ = {file_.number + 1, last_.now_us, stored_boot_};
    owe({began_us_, last_.now_us, std::string(unreadable), std::nullopt});
    is_replaced_ = false;
    has_begun_anew_ = true;
}

void CurrentPart::set_aside_and_open(const std::string &reason) {
    const SetAside aside = store::set_aside(path(), reason);
    notices_.push_back({Notice::Kind::set_aside,
                        "the store was damaged (" + reason + "); it was set aside as " +
                            aside.path.string() + " and a new part begun",
                        aside.path});
    damage_.reset();
    new_part_ = {file_.number + 1, std::nullopt, std::nullopt};
    if (was_open_) {
        new_part_.since_us = last_.now_us;
        new_part_.boot = stored_boot_;
        owe({began_us_, last_.now_us, std::string(unreadable), std::nullopt});
    } else if (list_parts(directory_.path()).empty()) {
        owe({std::nullopt, std::nullopt, std::string(unreadable), std::nullopt});
    } // otherwise what is missing between two parts tells
    has_begun_anew_ = true;
    directory_.forget_previous_run(); // it was about the file that is gone
    directory_.note(End::crashed);
    open_file();
}

void CurrentPart::have_opened() {
    const std::int64_t now_us = session_->now_us();
    if (was_open_ && !has_begun_anew_ && now_us < last_.now_us) {
        notices_.push_back(
            {Notice::Kind::loss, path().string() + ": not all that was stored is there any more"});
        owe({now_us, last_.now_us, std::string(unreadable), std::nullopt});
        has_begun_anew_ = true;
    }
    stored_boot_ = session_->opened().info;
    began_us_ = session_->opened().part->since_us.value_or(now_us);
    marks_ = FileMarks::of(path());
    was_open_ = true;
    depth_.reset();
    new_part_ = {};
    why_closed_.clear();
    if (std::exchange(is_distrusted_, false) && session_->leases() > 0)
        given_up_ = begin_next();
}

void CurrentPart::close(const std::string &why) {
    last_ = {session_->now_us(), session_->last_serial(), session_->leases(),
             session_->opened().walls};
    why_closed_ = why;
    session_.reset();
}

void CurrentPart::close_after(const StoreFault &fault) {
    if (const auto *damage = dynamic_cast<const DamagedStore *>(&fault);
        damage && damage->file() == path())
        note_damage(damage->reason());
    if (dynamic_cast<const FailedSync *>(&fault))
        is_distrusted_ = true;
    depth_ = Database::Depth::quick;
    close(fault.what());
}

// For the next run, too, which sets the file aside if this one cannot.
void CurrentPart::note_damage(const std::string &reason) {
    damage_ = reason;
    directory_.note(End::damaged, reason);
}

void CurrentPart::doubt(const std::string &why) {
    if (!session_)
        return;
    depth_ = Database::Depth::whole;
    is_distrusted_ = true;
    notices_.push_back({Notice::Kind::failure, why + "; all of the file is looked at"});
    close(why);
}

void CurrentPart::look_for_changes() {
    const FileMarks::Change change = FileMarks::of(path()).since(marks_);
    if (change == FileMarks::Change::none)
        return;
    is_replaced_ = change == FileMarks::Change::replaced;
    depth_ = Database::Depth::whole;
    close(is_replaced_ ? "it was removed or replaced by another program"
                       : "it was changed by another program");
    throw StoreFault(path(), why_closed_);
}

// One without an end lasts until what is watched now.
std::vector<proto::Gap> CurrentPart::gaps_to_store(const Batch &batch) const {
    std::vector<proto::Gap> gaps(batch.gaps.begin(), batch.gaps.end());
    for (proto::Gap gap : owed_gaps_) {
        if (!gap.until_usec && batch.watched)
            gap.until_usec = row_us(batch.watched->since);
        if (gap.until_usec)
            gaps.push_back(std::move(gap));
    }
    return gaps;
}

void CurrentPart::commit(const Batch &batch) {
    session();
    look_for_changes();
    const std::vector<proto::Gap> gaps = gaps_to_store(batch);
    Batch all = batch;
    all.gaps = gaps;
    try {
        if (const auto set = session_->commit(all))
            notices_.push_back({Notice::Kind::clock_set, session_->describe(*set)});
    } catch (const FullStore &) {
        marks_ = FileMarks::of(path());
        throw;
    } catch (const StoreFault &fault) {
        close_after(fault);
        throw;
    }
    if (batch.clock)
        boot_.wall_offset_us = batch.clock->wall_offset_us;
    std::erase_if(owed_gaps_,
                  [&](const proto::Gap &gap) { return gap.until_usec || batch.watched; });
    marks_ = FileMarks::of(path());
}

void CurrentPart::checkpoint() {
    if (!session_)
        return;
    try {
        session_->checkpoint_if_due();
        checkpoint_trouble_.end();
    } catch (const FullStore &full) {
        checkpoint_trouble_.meet(full.what(), notices_);
    } catch (const StoreFault &fault) {
        notices_.push_back({Notice::Kind::failure, fault.what()});
        close_after(fault);
        return;
    }
    marks_ = FileMarks::of(path());
}

CurrentPart::GivenUp CurrentPart::begin_next() {
    const std::int64_t leases = session().leases();
    const std::int64_t number = file_.number;
    PartFile next;
    try {
        next = session_->make_next();
        auto opened = make_session(next, OwnOpen::go_on);
        session_->give_up_files();
        session_ = std::move(opened);
    } catch (const StoreFault &fault) {
        std::error_code may_stay;
        if (next.number > 0) // this one is still the newest
            std::filesystem::remove(path_of(directory_.path(), next), may_stay);
        close_after(fault);
        throw;
    }
    file_ = next;
    marks_ = FileMarks::of(path());
    began_us_ = session_->opened().part->since_us.value_or(session_->now_us());
    return {number, leases - session_->leases(), began_us_};
}

void CurrentPart::close_cleanly() {
    if (!session_)
        return;
    try {
        session_->checkpoint_and_close_files();
    } catch (const StoreFault &fault) {
        close_after(fault);
        throw;
    }
    close("it was closed");
}

} // namespace portd::store
