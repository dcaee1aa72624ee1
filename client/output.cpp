#include "client/output.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <utility>

extern char **environ;

namespace portd::client {
namespace {

constexpr std::size_t flush_at = 64 * 1024;
constexpr int command_not_found = 127; // sh(1)

void set_default(const char *name, const char *value) {
    ::setenv(name, value, 0);
}

// Started as root through sudo, less must not become a way to a root shell (less(1), SECURITY).
void prepare_environment() {
    set_default("LESS", "FRSXMK"); // as systemctl(1) has it
    set_default("LESSCHARSET", "utf-8");
    if (std::getenv("SUDO_UID"))
        ::setenv("LESSSECURE", "1", 1);
}

// Starts `sh -c command` that reads from `input`, with the signals that we ignore while it runs
// back at their defaults.
pid_t spawn_shell(const std::string &command, int input) {
    sigset_t defaults;
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);
    ::sigaddset(&defaults, SIGINT);
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);

    std::string shell = "sh";
    std::string option = "-c";
    std::string text = command;
    std::array<char *, 4> arguments{shell.data(), option.data(), text.data(), nullptr};
    pid_t pid = 0;
    const int error =
        ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0)
        throw std::system_error(error, std::generic_category(), "cannot start /bin/sh");
    return pid;
}

} // namespace

Output::Output(int fd, std::optional<Pager> pager) : fd_(fd), pager_(std::move(pager)) {}

Output::~Output() {
    wait_for_pager();
}

void Output::line(std::string_view text) {
    buffer_.append(text).append("\n");
    lines_ += 1 + static_cast<std::size_t>(std::ranges::count(text, '\n'));
    const bool may_fit_the_screen = pager_ && !has_pager();
    if (may_fit_the_screen && lines_ >= pager_->rows)
        start_pager();
    if (!may_fit_the_screen && buffer_.size() >= flush_at)
        write_all();
}

void Output::start_pager() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
    prepare_environment();
    // The pager has the terminal: an interrupt is for it, and its end shows when we write.
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGINT, SIG_IGN);
    fd_ = ends[1];
    try {
        pager_pid_ = spawn_shell(pager_->command, ends[0]);
    } catch (...) {
        ::close(ends[0]);
        ::close(ends[1]);
        throw;
    }
    ::close(ends[0]);
    write_all();
}

void Output::write_all() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t written = ::write(fd_, rest.data(), rest.size());
        if (written >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(written));
            continue;
        }
        if (errno == EINTR)
            continue;
        const int error = errno;
        buffer_.clear();
        if (error == EPIPE)
            throw OutputClosed{};
        throw std::system_error(error, std::generic_category(), "cannot write the answer");
    }
    buffer_.clear();
}

void Output::flush() {
    write_all();
}

void Output::wait_for_pager() {
    if (!has_pager())
        return;
    ::close(fd_);
    while (::waitpid(pager_pid_, &pager_status_, 0) < 0 && errno == EINTR)
        continue;
    pager_pid_ = 0;
}

void Output::finish() {
    write_all();
    if (!has_pager())
        return;
    wait_for_pager();
    if (WIFEXITED(pager_status_) && WEXITSTATUS(pager_status_) == command_not_found)
        throw std::runtime_error("cannot run the pager '" + pager_->command +
                                 "'; correct PORTD_PAGER or PAGER, or use --no-pager");
}

} // namespace portd::client
