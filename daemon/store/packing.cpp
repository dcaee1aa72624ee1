#include "store/packing.hpp"

#include "store/fault.hpp"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace portd::store {
namespace {

void sync_path(const std::filesystem::path &path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_by_errno(path, "cannot open it to sync it");
    const bool synced = fsync(fd) == 0;
    const int error = errno;
    close(fd);
    errno = error;
    if (!synced)
        fail_by_errno(path, "cannot sync it");
}

} // namespace

std::filesystem::path unfinished_path(const std::filesystem::path &file) {
    return file.native() + unfinished;
}

std::string quoted(const std::filesystem::path &path) {
    std::string text = "'";
    for (const char c : path.native())
        text.append(c == '\'' ? 2 : 1, c);
    return text + "'";
}

void pack_into(Database &database, const std::filesystem::path &file) {
    database.execute("VACUUM INTO " + quoted(file));
    if (chmod(file.c_str(), database_mode) != 0)
        fail_by_errno(file, "cannot set its mode");
}

void put_in_place(const std::filesystem::path &from, const std::filesystem::path &to) {
    sync_path(from);
    if (rename(from.c_str(), to.c_str()) != 0)
        fail_by_errno(to, "cannot be put in its place");
    sync_path(to.parent_path());
}

} // namespace portd::store
