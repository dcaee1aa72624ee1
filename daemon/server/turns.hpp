// Whose turn it is to have work done. The server's thread does one piece at a time, an answer or a
// page of one, and users take turns in it: one who asks a great deal, on however many connections,
// waits for its own work and lets others pass after each piece. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

namespace portd::server {

class Turns {
  public:
    using Work = std::function<void()>;

    // `run_soon` makes sure that run_one() is called once, later and not from within.
    explicit Turns(std::function<void()> run_soon) : run_soon_(std::move(run_soon)) {}

    // What one user adds is done in the order in which it was added.
    void add(std::uint32_t uid, Work work);
    void run_one();

  private:
    struct User {
        std::uint32_t uid = 0;
        std::deque<Work> waiting; // never empty
    };

    std::function<void()> run_soon_;
    std::deque<User> users_; // whose turn is next comes first
};

} // namespace portd::server
