// Replies that come for as long as the user wants them.
#pragma once

#include "client/connection.hpp"
#include "client/session.hpp"

#include <csignal>
#include <optional>
#include <string>

namespace portd::client {

// While it lives, SIGINT and SIGTERM are a wish to stop.
class Follow {
  public:
    // The call was made. All live longer.
    Follow(Connection &connection, Session &session);
    ~Follow();
    Follow(const Follow &) = delete;
    Follow &operator=(const Follow &) = delete;

    // The message of the next reply; nothing once the user wants to stop. What was printed is out
    // before it waits. Throws OutputClosed if nobody reads it any more, also while there is nothing
    // to print.
    std::optional<std::string> next();
    // Whether next() has to wait.
    bool would_wait();

  private:
    bool wants_to_stop() const;
    void wait();

    Connection &connection_;
    Session &session_;
    std::optional<std::string> received_;
    sigset_t signals_{};
    sigset_t before_{};
    int signal_fd_ = -1;
};

} // namespace portd::client
