// Processes of a scenario, and what they wait for.
#pragma once

#include "truth_log.hpp"

#include <cstddef>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include <sys/types.h>

namespace ground_truth {

// Runs `work` in a process of its own, which then exits with status 0.
pid_t spawn(const std::function<void()> &work);
// Waits for the process; dies unless it exited with status 0.
void wait_for(pid_t child);
// Descendants whose parent exits become children of the caller.
void adopt_orphans();
// Waits for all children; dies unless each exited with status 0.
void wait_for_all();

// Zeroed memory that processes forked later share; it is never given back.
void *map_shared(std::size_t bytes);

// Counts up and down over processes; inherited by fork(2) and across execve(2).
class Event {
  public:
    Event();
    ~Event();
    Event(const Event &) = delete;
    Event &operator=(const Event &) = delete;

    void set();  // one waiter may go on
    void wait(); // dies after 30 s

  private:
    int fd_;
};

// A value that all processes forked later share.
template <typename Value>
class Shared {
  public:
    Shared() : value_(new (map_shared(sizeof(Value))) Value{}) {}
    Shared(const Shared &) = delete;
    Shared &operator=(const Shared &) = delete;

    Value &operator*() const { return *value_; }

  private:
    Value *value_;
};

// Replaces the program of this process. Descriptors without FD_CLOEXEC stay open; the log is one.
[[noreturn]] void execute(const std::string &program, const std::vector<std::string> &arguments);
// fork(2) and execute(), as vfork(2) would.
pid_t spawn_program(const std::string &program, const std::vector<std::string> &arguments);

std::string own_program();
// A program of the build that lies beside this one.
std::string program_beside(const char *name);
// A copy of a program under another name, in the folder of copies of this run.
std::string copy_of(const std::string &program, const char *name);
// Where copies go, and what is there is removed: another build may have left it. The folder must
// outlive every look at the programs of this run.
void set_copies_folder(std::string folder);

} // namespace ground_truth
