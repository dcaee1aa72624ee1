#include "victim.hpp"

#include <array>
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace ground_truth {

Victim::Victim(std::function<Socket()> open_socket) {
    std::array<int, 2> ends{};
    check(pipe(ends.data()), "pipe");
    process_ = spawn([&] {
        go_.wait();
        const auto socket = open_socket();
        socket.lease->last_holder = self();
        const auto index = index_of(*socket.lease);
        if (write(ends[1], &index, sizeof index) != sizeof index)
            die("write");
        for (;;)
            pause();
    });
    ::close(ends[1]);
    index_end_ = ends[0];
}

Victim::~Victim() {
    ::close(index_end_);
}

void Victim::open() {
    go_.set();
    std::size_t index = 0;
    if (read(index_end_, &index, sizeof index) != sizeof index)
        die("the victim opened nothing");
    lease_ = &lease_at(index);
}

void Victim::kill() {
    lease_->closed.before = now_us();
    check(::kill(process_, SIGKILL), "kill");
    int status = 0;
    check(waitpid(process_, &status, 0), "waitpid");
    lease_->closed.after = now_us();
}

} // namespace ground_truth
