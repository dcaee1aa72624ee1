// Real processes and directories for tests.
#pragma once

#include "system/fd.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace portd::capture::testing {

inline void require(bool condition, const char *what) {
    if (!condition)
        throw std::system_error(errno, std::generic_category(), what);
}

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        auto name = (std::filesystem::temp_directory_path() / "portd-test-XXXXXX").string();
        require(::mkdtemp(name.data()) != nullptr, "mkdtemp");
        path_ = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory &) = delete;
    TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

    const std::filesystem::path &path() const { return path_; }
    void write(const std::filesystem::path &file, const std::string &text) const {
        std::filesystem::create_directories((path_ / file).parent_path());
        std::ofstream out(path_ / file, std::ios::binary | std::ios::trunc);
        out << text;
        if (!out.flush())
            throw std::runtime_error("cannot write " + file.string());
    }
    void link(const std::filesystem::path &file, const std::string &target) const {
        std::filesystem::create_directories((path_ / file).parent_path());
        std::filesystem::remove(path_ / file);
        std::filesystem::create_symlink(target, path_ / file);
    }

  private:
    std::filesystem::path path_;
};

// One byte at a time between two processes.
class Signal {
  public:
    Signal() {
        std::array<int, 2> ends{};
        require(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe2");
        read_ = system::Fd(ends[0]);
        write_ = system::Fd(ends[1]);
    }
    void raise() const { require(::write(write_.get(), "!", 1) == 1, "write"); }
    // False: everybody who could raise it is gone.
    bool await() const {
        char byte = 0;
        ssize_t got = 0;
        do
            got = ::read(read_.get(), &byte, 1);
        while (got < 0 && errno == EINTR);
        return got == 1;
    }
    void close_write() { write_.reset(); }
    int read_end() const { return read_.get(); }

  private:
    system::Fd read_;
    system::Fd write_;
};

// A child that runs `body` and then ends. It dies with the test, and is killed and reaped by the
// destructor.
class Child {
  public:
    explicit Child(const std::function<void()> &body) : pid_(::fork()) {
        require(pid_ >= 0, "fork");
        if (pid_ > 0)
            return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
            body();
        } catch (...) {
            ::_exit(99);
        }
        ::_exit(0);
    }
    ~Child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
    }
    Child(Child &&other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;
    Child &operator=(Child &&) = delete;

    std::int32_t pid() const { return pid_; }
    void kill() const { require(::kill(pid_, SIGKILL) == 0, "kill"); }
    // The exit code, or -1 for a signal.
    int wait() {
        int status = 0;
        pid_t got = 0;
        do
            got = ::waitpid(pid_, &status, 0);
        while (got < 0 && errno == EINTR);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

  private:
    pid_t pid_;
};

inline void sleep_until_killed() {
    for (;;)
        ::pause();
}

enum class OnExec { keep, close };

inline system::Fd open_socket(OnExec on_exec = OnExec::close) {
    system::Fd fd(::socket(
        AF_INET, SOCK_DGRAM | (on_exec == OnExec::close ? static_cast<int>(SOCK_CLOEXEC) : 0), 0));
    require(static_cast<bool>(fd), "socket");
    return fd;
}

inline std::uint32_t inode_of(const system::Fd &fd) {
    struct stat status {};
    require(::fstat(fd.get(), &status) == 0, "fstat");
    return static_cast<std::uint32_t>(status.st_ino);
}

} // namespace portd::capture::testing
