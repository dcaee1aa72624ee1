// Private to the store: the part that is written, through all that can happen to it.
//
//  * No room: the transaction is rolled back, nothing else is touched, and the next commit is as
//    good as this one.
//  * Anything else that fails may have left SQLite's idea of the file wrong, so the connection is
//    closed, without writing, and nothing is stored until recover() has opened the file again and
//    found it sound.
//  * After a failed sync the kernel may hold pages for written that are not on the device, and no
//    later sync tells. So the file is not gone on with: another part is begun, and packing this one
//    writes all of it anew.
//  * A damaged file is set aside under another name, and a new part is begun. So is a file that
//    somebody else put in the place of ours.
//
// What was committed and is in the store no more is a gap, which is stored with the next commit.
#pragma once

#include "store/batch.hpp"
#include "store/boot.hpp"
#include "store/database.hpp"
#include "store/fault.hpp"
#include "store/file_marks.hpp"
#include "store/notice.hpp"
#include "store/part_files.hpp"
#include "store/session.hpp"
#include "store/state_directory.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portd::store {

class CurrentPart {
  public:
    // `directory` and `recent_ends` live longer. Opens nothing.
    CurrentPart(StateDirectory &directory, const BootInfo &boot, std::int64_t waiting_leases,
                RecentEnds &recent_ends);

    bool is_open() const { return session_ != nullptr; }
    // Opens what is there, or begins the first part. Does nothing if it is open.
    Recovery recover();
    // Throws StoreFault if it is not open.
    Session &session() const;
    // What the session says, or nothing, if it is not open or fails. Then what an earlier run left
    // open is not known to the owner, and ends with it.
    template <typename Ask>
    auto ask(Ask ask) -> decltype(ask(session()));

    // All faults but FullStore close it. After any, nothing of the batch counts as stored.
    void commit(const Batch &batch);
    // As far as it can; a fault closes it.
    void checkpoint();
    const std::string &why_closed() const { return why_closed_; }
    // Closes the file to look at all of it in recover().
    void doubt(const std::string &why);
    void close_cleanly();

    // The part that was given up for the next one, and when.
    struct GivenUp {
        std::int64_t number = 0;
        std::int64_t leases = 0; // without those that go on
        std::int64_t until_us = 0;
    };
    // Begins the next part. After a fault the current one goes on, if it is open.
    GivenUp begin_next();
    // Of recover(), which had to.
    std::optional<GivenUp> take_given_up();

    // To be stored with the next commit.
    void owe(const proto::Gap &gap) { owed_gaps_.push_back(gap); }

    // As they are, or were when it was closed.
    const StoredBoot &boot() const { return stored_boot_; }
    std::int64_t row_us(model::Instant at) const { return to_us(at) + stored_boot_.base_offset_us; }
    std::int64_t wall_us(model::Instant at) const {
        return session_ ? session_->wall_us(at) : last_.walls.wall_us(row_us(at));
    }
    std::int64_t number() const { return file_.number; }
    std::int64_t now_us() const { return session_ ? session_->now_us() : last_.now_us; }
    std::int64_t last_serial() const { return session_ ? session_->last_serial() : last_.serial; }
    std::int64_t leases() const { return session_ ? session_->leases() : last_.leases; }
    std::int64_t bytes() const;      // with its log
    std::int64_t page_bytes() const; // without; 0 while it is closed
    std::int64_t began_us() const { return began_us_; }

    std::vector<Notice> take_notices();

  private:
    std::filesystem::path path() const;
    void open();
    void open_file();
    void set_aside_and_open(const std::string &reason);
    void lose_file();
    void have_opened();
    std::unique_ptr<Session> make_session(const PartFile &file, OwnOpen own) const;
    void close(const std::string &why);
    void close_after(const StoreFault &fault);
    void note_damage(const std::string &reason);
    void look_for_changes();
    std::vector<proto::Gap> gaps_to_store(const Batch &batch) const;

    StateDirectory &directory_;
    BootInfo boot_; // as the clock is now
    StoredBoot stored_boot_;
    const std::int64_t waiting_leases_;
    RecentEnds &recent_ends_;
    PartFile file_;
    std::unique_ptr<Session> session_;
    FileMarks marks_;
    std::string why_closed_;
    std::int64_t began_us_ = 0;

    // When it was closed.
    struct Last {
        std::int64_t now_us = 0;
        std::int64_t serial = 0;
        std::int64_t leases = 0;
        WallTimes walls;
    } last_;
    bool was_open_ = false;

    // What recover() has to do.
    std::optional<std::string> damage_;
    bool is_replaced_ = false;
    bool is_distrusted_ = false;
    std::optional<Database::Depth> depth_;
    NewPart new_part_;
    bool has_begun_anew_ = false;

    std::optional<GivenUp> given_up_;
    std::vector<proto::Gap> owed_gaps_;
    std::vector<Notice> notices_;
    Trouble checkpoint_trouble_;
};

template <typename Ask>
auto CurrentPart::ask(Ask ask) -> decltype(ask(session())) {
    if (!session_)
        return {};
    try {
        return ask(*session_);
    } catch (const StoreFault &fault) {
        notices_.push_back({Notice::Kind::failure, fault.what()});
        close_after(fault);
        was_open_ = false;
        return {};
    }
}

} // namespace portd::store
