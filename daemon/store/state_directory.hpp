// The directory of the store and the lock that admits one portd to it.
//
// The file `lock` holds an flock(2) as long as the owner lives, and three lines: the owner's pid,
// its boot id, and how its run stands. The lines outlive the owner, so that the next one knows how
// it ended.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace portd::store {

class StateDirectory {
  public:
    // How the run before this one ended.
    struct PreviousRun {
        enum class End {
            clean,   // it closed the store
            crashed, // it was killed, or the machine went down
            damaged, // it met damage in the store
        };
        std::string boot_id;
        End end = End::crashed;
        std::string reason; // of `damaged`
    };

    // Creates the directory (mode 0750) if it is missing. If that fails, or the lock cannot be opened,
    // throws NoStateDirectory, or std::system_error where it may do another time (no room, too many
    // files); StateDirectoryInUse if another process has it.
    StateDirectory(std::filesystem::path path, const std::string &boot_id);
    ~StateDirectory();
    StateDirectory(const StateDirectory &) = delete;
    StateDirectory &operator=(const StateDirectory &) = delete;

    // Absent where there was none, or it left no legible word.
    const std::optional<PreviousRun> &previous_run() const { return previous_; }
    void forget_previous_run() { previous_.reset(); }
    const std::filesystem::path &path() const { return path_; }

    // What the next owner shall know of this run. Throws StoreFault.
    void record(PreviousRun::End end, const std::string &reason = {});
    // The same, but without a fault: there may be no room for it. What then follows is that the
    // next run looks through more than it has to.
    void note(PreviousRun::End end, const std::string &reason = {});

  private:
    void acquire();
    std::string read_lock() const;

    std::filesystem::path path_;
    std::string boot_id_;
    int lock_ = -1;
    std::optional<PreviousRun> previous_;
};

} // namespace portd::store
