// A process that opens a socket when it is told to, and is killed with it. Start it before sockets
// of the scenario exist: it would inherit them.
#pragma once

#include "processes.hpp"
#include "sockets.hpp"

#include <functional>

namespace ground_truth {

class Victim {
  public:
    explicit Victim(std::function<Socket()> open_socket);
    ~Victim();
    Victim(const Victim &) = delete;
    Victim &operator=(const Victim &) = delete;

    void open(); // returns when it is done
    void kill(); // SIGKILL; the end of the process is the end of the lease

  private:
    Event go_;
    int index_end_ = -1; // tells the index of the lease
    pid_t process_ = 0;
    Lease *lease_ = nullptr;
};

} // namespace ground_truth
