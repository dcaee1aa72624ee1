#include "processes.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ground_truth {
namespace {

std::string copies_folder;

void require_success(pid_t child, int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    std::fprintf(stderr, "ground_truth: process %d ended with status %#x\n",
                 static_cast<int>(child), static_cast<unsigned>(status));
    _exit(3);
}

std::vector<char *> argument_vector(const std::string &program,
                                    const std::vector<std::string> &arguments) {
    std::vector<char *> vector{const_cast<char *>(program.c_str())};
    for (const auto &argument : arguments)
        vector.push_back(const_cast<char *>(argument.c_str()));
    vector.push_back(nullptr);
    return vector;
}

} // namespace

pid_t spawn(const std::function<void()> &work) {
    const pid_t child = check(fork(), "fork");
    if (child != 0)
        return child;
    refresh_self();
    work();
    _exit(0);
}

void wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            die("waitpid");
    require_success(child, status);
}

void adopt_orphans() {
    check(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
}

void wait_for_all() {
    int status = 0;
    pid_t child = 0;
    while ((child = waitpid(-1, &status, 0)) >= 0 || errno == EINTR)
        if (child > 0)
            require_success(child, status);
}

void *map_shared(std::size_t bytes) {
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

Event::Event() : fd_(check(eventfd(0, EFD_SEMAPHORE), "eventfd")) {}

Event::~Event() {
    close(fd_);
}

void Event::set() {
    if (eventfd_write(fd_, 1) != 0)
        die("eventfd_write");
}

void Event::wait() {
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    if (check(poll(&ready, 1, 30'000), "poll") == 0) {
        errno = ETIMEDOUT;
        die("waiting for another process");
    }
    eventfd_t count = 0;
    if (eventfd_read(fd_, &count) != 0)
        die("eventfd_read");
}

void execute(const std::string &program, const std::vector<std::string> &arguments) {
    auto vector = argument_vector(program, arguments);
    execv(program.c_str(), vector.data());
    die(program.c_str());
}

pid_t spawn_program(const std::string &program, const std::vector<std::string> &arguments) {
    auto vector = argument_vector(program, arguments);
    pid_t child = 0;
    errno = posix_spawn(&child, program.c_str(), nullptr, nullptr, vector.data(), environ);
    if (errno != 0)
        die(program.c_str());
    return child;
}

std::string own_program() {
    return std::filesystem::read_symlink("/proc/self/exe").string();
}

std::string program_beside(const char *name) {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

std::string copy_of(const std::string &program, const char *name) {
    const auto copy = std::filesystem::path(copies_folder) / name;
    std::error_code error;
    std::filesystem::copy_file(program, copy, std::filesystem::copy_options::skip_existing, error);
    if (error) {
        errno = error.value();
        die(copy.c_str());
    }
    return std::filesystem::canonical(copy).string();
}

void set_copies_folder(std::string folder) {
    copies_folder = std::move(folder);
    std::error_code error;
    std::filesystem::remove_all(copies_folder, error);
    std::filesystem::create_directories(copies_folder, error);
    if (error) {
        errno = error.value();
        die(copies_folder.c_str());
    }
}

} // namespace ground_truth
