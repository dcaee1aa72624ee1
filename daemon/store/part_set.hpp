// Private to the store: the parts of a directory that can be read, as they come, go and fail.
#pragma once

#include "store/fault.hpp"
#include "store/part_files.hpp"
#include "store/part_listing.hpp"
#include "store/part_reader.hpp"
#include "store/suspects.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace portd::store {

class PartSet {
  public:
    using Parts = std::map<PartFile, PartReader>; // by number

    // Whether a directory without a part is a fault. `suspects` may be null.
    enum class Empty { allowed, fault };
    PartSet(std::filesystem::path directory, Empty empty, std::shared_ptr<Suspects> suspects);

    // Calls `ask` while the parts are as they are at one moment. If one of them fails, it is opened
    // anew, and if it fails again, left out; then everything is asked again. Other faults go
    // through.
    template <typename Ask>
    auto answer(Ask ask);

    // In an answer: those that can be read.
    Parts &parts() { return parts_; }
    const std::filesystem::path &directory() const { return directory_; }
    // All that are there.
    const std::vector<PartFile> &files() const { return files_; }
    bool is_current(const PartReader &part) const { return part.file() == files_.back(); }

    void open();

  private:
    using Clock = std::chrono::steady_clock;

    class Snapshot;
    bool have_changed();
    void trim_if_due();
    void leave_out(const PartFile &file, const StoreFault &fault);
    // False if it is not about a part.
    bool cope(const StoreFault &fault, std::set<PartFile> &reopened);

    const std::filesystem::path directory_;
    const Empty empty_;
    const std::shared_ptr<Suspects> suspects_;
    PartListing listing_;
    std::vector<PartFile> files_; // as last opened
    Parts parts_;
    std::map<PartFile, Clock::time_point> left_out_; // until when
    bool has_freed_much_ = false;
    Clock::time_point trimmed_at_{};
};

class PartSet::Snapshot {
  public:
    explicit Snapshot(PartSet &set);
    ~Snapshot();
    Snapshot(const Snapshot &) = delete;
    Snapshot &operator=(const Snapshot &) = delete;

  private:
    bool begin();
    void end();

    PartSet &set_;
};

template <typename Ask>
auto PartSet::answer(Ask ask) {
    std::set<PartFile> reopened;
    for (;;) {
        try {
            const Snapshot snapshot(*this);
            return ask();
        } catch (const StoreFault &fault) {
            if (!cope(fault, reopened))
                throw;
        }
    }
}

} // namespace portd::store
