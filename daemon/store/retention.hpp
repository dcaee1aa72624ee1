// Private to the store: the parts that are not written any more. They are sealed in a thread of
// their own, and the oldest are dropped when there are too many or they are too old.
#pragma once

#include "store/part_files.hpp"
#include "store/writer.hpp"

#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace portd::store {

class Retention {
  public:
    // Reads what parts there are, but for the current one. Those that can not be read are damaged.
    Retention(std::filesystem::path directory, std::int64_t current);
    // Waits for what is being sealed.
    ~Retention();
    Retention(const Retention &) = delete;
    Retention &operator=(const Retention &) = delete;

    // The part was given up for the next one, at that moment.
    void give_up(std::int64_t number, std::int64_t leases, std::int64_t next_since_us);
    // Goes on with what is to be done. Never waits.
    void work(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us);

    // Works and waits until nothing more is to be done, or can be.
    void settle(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us);

    std::int64_t leases() const;
    std::int64_t bytes() const;
    // Part by part, what was dropped, and what could not be done. Once.
    std::vector<Notice> take_notices();

  private:
    struct Kept {
        PartFile file;
        std::int64_t bytes = 0;
        std::int64_t leases = 0;
        std::optional<std::int64_t> until_us; // the next part begins here
    };

    void read_parts(std::int64_t current);
    void finish_sealing();
    void begin_sealing();
    void drop_oldest(const std::string &why);

    const std::filesystem::path directory_;
    std::map<std::int64_t, Kept> kept_; // by number
    std::vector<Notice> notices_;
    std::optional<std::int64_t> being_sealed_;
    std::optional<std::int64_t> not_before_us_; // after a failure
    std::future<void> sealing_;
};

} // namespace portd::store
