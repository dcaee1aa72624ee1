#include "store/state_directory.hpp"

#include "store/fault.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace portd::store {
namespace {

using End = StateDirectory::PreviousRun::End;

constexpr mode_t directory_mode = 0750;
constexpr mode_t lock_mode = 0640;

[[noreturn]] void fail(const std::string &message) {
    constexpr std::array lasting{EACCES, EPERM, ENOENT, ENOTDIR, EROFS, ELOOP, ENAMETOOLONG};
    if (std::ranges::find(lasting, errno) != lasting.end())
        throw NoStateDirectory(errno, std::generic_category(), message);
    throw std::system_error(errno, std::generic_category(), message);
}

std::string word(End end) {
    switch (end) {
    case End::clean:
        return "clean";
    case End::crashed:
        return "running";
    case End::damaged:
        return "damaged";
    }
    return "running";
}

std::optional<StateDirectory::PreviousRun> parse_previous(const std::string &text) {
    std::istringstream lines(text);
    std::string pid, boot_id, state;
    if (!std::getline(lines, pid) || !std::getline(lines, boot_id) || !std::getline(lines, state))
        return std::nullopt;
    StateDirectory::PreviousRun run{boot_id, End::crashed, {}};
    if (state == word(End::clean)) {
        run.end = End::clean;
    } else if (state.starts_with(word(End::damaged))) {
        run.end = End::damaged;
        run.reason = state.substr(std::min(state.size(), word(End::damaged).size() + 1));
    }
    return run;
}

pid_t parse_owner(const std::string &text) {
    pid_t pid = 0;
    std::from_chars(text.data(), text.data() + text.size(), pid);
    return pid;
}

} // namespace

StateDirectory::StateDirectory(std::filesystem::path path, const std::string &boot_id)
    : path_(std::filesystem::absolute(std::move(path))), boot_id_(boot_id) {
    if (mkdir(path_.c_str(), directory_mode) != 0 && errno != EEXIST)
        fail("cannot create the state directory " + path_.string() +
             "; create the directory above it or choose another");
    acquire();
    previous_ = parse_previous(read_lock());
    note(End::crashed); // until the owner says otherwise
}

StateDirectory::~StateDirectory() {
    ::close(lock_);
}

void StateDirectory::acquire() {
    const std::string file = (path_ / "lock").string();
    lock_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, lock_mode);
    if (lock_ < 0)
        fail("cannot open " + file +
             (errno == EROFS
                  ? "; the state directory must be on a file system that can be written, and "
                    "for portd.service be named by ReadWritePaths= (portd.toml(5))"
                  : "; the state directory must be writable by this user"));
    if (flock(lock_, LOCK_EX | LOCK_NB) == 0)
        return;
    const int error = errno;
    const std::string text = read_lock();
    ::close(lock_);
    errno = error;
    if (error != EWOULDBLOCK)
        fail("cannot lock " + file);
    const pid_t owner = parse_owner(text);
    throw StateDirectoryInUse("the state directory " + path_.string() +
                                  " is in use by another portd" +
                                  (owner > 0 ? " (pid " + std::to_string(owner) + ")" : "") +
                                  "; stop that one or choose another state directory",
                              owner);
}

std::string StateDirectory::read_lock() const {
    std::array<char, 1024> buffer;
    const ssize_t size = pread(lock_, buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

void StateDirectory::record(PreviousRun::End end, const std::string &reason) {
    std::string line = word(end);
    if (!reason.empty())
        line.append(" ").append(reason, 0, 512);
    std::ranges::replace(line, '\n', ' ');
    const std::string text = std::to_string(getpid()) + "\n" + boot_id_ + "\n" + line + "\n";
    const auto size = static_cast<ssize_t>(text.size());
    if (pwrite(lock_, text.data(), text.size(), 0) != size || ftruncate(lock_, size) != 0 ||
        fdatasync(lock_) != 0)
        fail_by_errno(path_ / "lock", "cannot write it");
}

void StateDirectory::note(PreviousRun::End end, const std::string &reason) {
    try {
        record(end, reason);
    } catch (const StoreFault &) {
        return;
    }
}

} // namespace portd::store
