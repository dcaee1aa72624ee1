// Private to the store: whether somebody else has changed, replaced or removed a database file that
// this process has open for writing. It alone writes the file and its log, so what they look like
// after a commit is what they look like before the next.
#pragma once

#include <cstdint>
#include <filesystem>

#include <sys/types.h>

namespace portd::store {

class FileMarks {
  public:
    // As they are now; all zero where there is none.
    static FileMarks of(const std::filesystem::path &database_file);

    enum class Change { none, changed, replaced };
    // `replaced`: the name stands for another file, or for none.
    Change since(const FileMarks &before) const;

  private:
    struct Mark {
        dev_t device = 0;
        ino_t inode = 0;
        std::int64_t bytes = 0;
        std::int64_t changed_ns = 0;

        bool operator==(const Mark &) const = default;
        bool is_same_file(const Mark &other) const {
            return device == other.device && inode == other.inode;
        }
    };
    static Mark mark_of(const std::filesystem::path &file);

    Mark database_;
    Mark log_;
    Mark index_; // of the log; every reader writes to it
};

} // namespace portd::store
