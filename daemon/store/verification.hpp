// Checks every file of a store, in a thread of its own: SQLite's own check of a file cannot be done
// in pieces, and nobody else is to wait for it. Reads only, on connections of its own.
#pragma once

#include "model/history.hpp"
#include "store/file_check.hpp"

#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace portd::store {

// What does not fit together in the record of coverage of all files; and a part that is missing
// between others. Pure.
std::vector<std::string> findings_in_record(const std::vector<PartFile> &files,
                                            const std::vector<CheckedFile> &checked);

class Verification final : public model::Verification {
  public:
    // `place` is held as long as this lives.
    Verification(std::filesystem::path state_directory, std::shared_ptr<void> place);
    // Does not wait for the end of the check.
    ~Verification() override;

    std::optional<proto::VerifyReply> next() override;

  private:
    void run();
    void check_all();
    void tell(proto::VerifyReply reply);

    const std::filesystem::path directory_;
    const std::shared_ptr<void> place_;
    std::atomic<bool> stop_ = false;
    std::mutex mutex_;
    std::deque<proto::VerifyReply> told_;           // not taken yet
    std::optional<proto::VerifyProgress> progress_; // the newest
    std::exception_ptr fault_;
    std::thread thread_;
};

} // namespace portd::store
