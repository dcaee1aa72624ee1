// Private to the store: the parts that are not written any more. In a thread of their own they are
// sealed, and those that were sealed by earlier runs are looked through, one a minute, because
// bytes rot. The oldest are dropped when there are too many or they are too old.
#pragma once

#include "proto/messages.hpp"
#include "store/limits.hpp"
#include "store/notice.hpp"
#include "store/part_files.hpp"

#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace portd::store {

class Retention {
  public:
    explicit Retention(std::filesystem::path directory);
    // Waits for what is being sealed.
    ~Retention();
    Retention(const Retention &) = delete;
    Retention &operator=(const Retention &) = delete;

    // Reads what parts there are before the current one, which begins at that moment, the first
    // time. Damaged ones are set aside.
    void begin_before(std::int64_t current, std::optional<std::int64_t> since_us);
    // The part was given up for the next one, at that moment.
    void give_up(std::int64_t number, std::int64_t leases, std::int64_t next_since_us);
    // Goes on with what is to be done. Never waits.
    void work(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us);

    // Works and waits until nothing more is to be done, or can be.
    void settle(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us);

    std::int64_t leases() const;
    std::int64_t bytes() const;
    // A sealed part that cannot be read: set aside under another name.
    void set_aside(std::int64_t number, const std::string &reason);

    // Part by part, what was dropped, set aside, or could not be done. Once.
    std::vector<Notice> take_notices();
    // What the parts that were set aside told of. Once.
    std::vector<proto::Gap> take_gaps();

  private:
    struct Kept {
        PartFile file;
        std::int64_t bytes = 0;
        std::int64_t leases = 0;
        std::optional<std::int64_t> since_us; // of the first part it is not known
        std::optional<std::int64_t> until_us; // the next part begins here
    };

    // What is wrong with it, if it is damaged.
    std::optional<std::string> read_part(const PartFile &file);
    void end_last_at(std::optional<std::int64_t> us);
    void finish_work(std::int64_t now_us);
    void finish_sealing(std::int64_t number, std::int64_t now_us);
    void finish_verifying(std::int64_t number);
    void begin_work(std::int64_t now_us);
    bool is_busy_with(std::int64_t number) const { return task_ && task_->number == number; }
    bool drop_oldest(const std::string &why);

    const std::filesystem::path directory_;
    std::map<std::int64_t, Kept> kept_; // by number
    std::vector<Notice> notices_;
    std::vector<proto::Gap> gaps_;
    bool is_read_ = false;
    struct Task {
        enum class Kind { seal, verify };
        Kind kind;
        std::int64_t number;
    };
    std::optional<Task> task_;
    std::set<std::int64_t> unverified_;
    std::int64_t verify_not_before_us_ = 0;
    // After a failure.
    std::int64_t seal_not_before_us_ = 0;
    std::int64_t drop_not_before_us_ = 0;
    Trouble sealing_trouble_;
    Trouble dropping_trouble_;
    Trouble setting_aside_trouble_;
    std::future<void> working_;
};

} // namespace portd::store
