// One pid, one program after another: the kernel is told which pid to give next
// (ns_last_pid, proc_sys_kernel(5)).
#include "churn.hpp"
#include "processes.hpp"
#include "scenarios.hpp"

#include <array>
#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ground_truth {
namespace {

constexpr std::size_t generations = 3;
constexpr int most_tries = 500;

bool set_last_pid(pid_t pid) {
    const int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const auto text = std::to_string(pid);
    const bool written = write(fd, text.data(), text.size()) > 0;
    close(fd);
    return written;
}

std::array<std::string, 2> programs() {
    const auto once = program_beside("ground_truth_once");
    return {copy_of(once, "alpha"), copy_of(once, "beta")};
}

// Runs the program in a process with the wanted pid (0: any); the pid, or 0 if it was another.
pid_t run_with_pid(pid_t wanted, const std::string &program, Lease &lease, std::uint16_t port,
                   std::size_t number) {
    const pid_t child = check(fork(), "fork");
    if (child == 0) {
        if (wanted != 0 && getpid() != wanted)
            _exit(1);
        execute(program, {std::to_string(log_fd()), std::to_string(index_of(lease)),
                          std::to_string(port), std::to_string(number)});
    }
    if (wanted != 0 && child != wanted) {
        check(waitpid(child, nullptr, 0), "waitpid");
        return 0;
    }
    wait_for(child);
    if (lease.closed.after == 0)
        lease.closed.after = now_us();
    return child;
}

// Somebody else may be given the pid first, as long as nobody keeps it.
void run_again(pid_t pid, const std::string &program, Lease &lease, std::uint16_t port,
               std::size_t number) {
    for (int i = 0; i < most_tries; ++i) {
        if (!set_last_pid(pid - 1))
            die("write of ns_last_pid");
        if (run_with_pid(pid, program, lease, port, number) != 0)
            return;
        usleep(1000);
    }
    errno = EAGAIN;
    die("the pid was not to be had again");
}

void run_generations(const char *scenario, std::uint16_t port) {
    const auto both = programs();
    const auto first = run_with_pid(0, both[0], add_lease(scenario), port, 0);
    for (std::size_t i = 1; i < generations; ++i)
        run_again(first, both[i % 2], add_lease(scenario), port, i);
}

bool may_choose_pids() {
    const pid_t child = check(fork(), "fork");
    if (child == 0)
        _exit(set_last_pid(getpid()) ? 0 : 1);
    int status = 0;
    check(waitpid(child, &status, 0), "waitpid");
    return status == 0;
}

void play_in_this_namespace() {
    if (!may_choose_pids()) {
        skip("pidReuse", "ns_last_pid cannot be written");
        return;
    }
    const auto server = start_answering("pidReuse", generations, true);
    run_generations("pidReuse", server.port);
    wait_for(server.process);
}

// The pids of a new namespace begin at 1; /proc is still that of the daemon, so that the log has
// its pids.
void play_in_new_namespace() {
    if (unshare(CLONE_NEWPID) != 0) {
        skip("pidReuseInNamespace", "a pid namespace is refused");
        return;
    }
    wait_for(spawn([] {
        const auto server = start_answering("pidReuseInNamespace", generations, true);
        run_generations("pidReuseInNamespace", server.port);
        wait_for(server.process);
    }));
}

} // namespace

void play_pid_reuse(const Options &) {
    play_in_this_namespace();
    wait_for(spawn(play_in_new_namespace));
}

} // namespace ground_truth
