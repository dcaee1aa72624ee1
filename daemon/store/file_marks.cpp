#include "store/file_marks.hpp"

#include <sys/stat.h>

namespace portd::store {

FileMarks::Mark FileMarks::mark_of(const std::filesystem::path &file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0)
        return {};
    return {status.st_dev, status.st_ino, status.st_size,
            std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

FileMarks FileMarks::of(const std::filesystem::path &database_file) {
    FileMarks marks;
    marks.database_ = mark_of(database_file);
    marks.log_ = mark_of(database_file.native() + "-wal");
    marks.index_ = mark_of(database_file.native() + "-shm");
    return marks;
}

FileMarks::Change FileMarks::since(const FileMarks &before) const {
    if (!database_.is_same_file(before.database_))
        return Change::replaced;
    const bool is_same =
        database_ == before.database_ && log_ == before.log_ && index_.is_same_file(before.index_);
    return is_same ? Change::none : Change::changed;
}

} // namespace portd::store
