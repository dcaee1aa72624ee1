#include "client/follow.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace portd::client {

Follow::Follow(Connection &connection, Session &session)
    : connection_(connection), session_(session) {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGINT);
    ::sigaddset(&signals_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    signal_fd_ = ::signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "cannot wait for signals");
}

// A signal that came was the wish to stop: it ends nothing afterwards.
Follow::~Follow() {
    signalfd_siginfo taken{};
    while (::read(signal_fd_, &taken, sizeof taken) > 0)
        continue;
    ::close(signal_fd_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Follow::wants_to_stop() const {
    pollfd signals{signal_fd_, POLLIN, 0};
    return ::poll(&signals, 1, 0) == 1;
}

bool Follow::would_wait() {
    if (!received_)
        received_ = connection_.received_message();
    return !received_;
}

std::optional<std::string> Follow::next() {
    while (!wants_to_stop()) {
        if (!would_wait())
            return std::exchange(received_, std::nullopt);
        session_.output().flush();
        wait();
    }
    return std::nullopt;
}

void Follow::wait() {
    // Of the output only its errors are waited for.
    std::array<pollfd, 3> descriptors{{{connection_.descriptor(), POLLIN, 0},
                                       {signal_fd_, POLLIN, 0},
                                       {session_.output().descriptor(), 0, 0}}};
    if (::poll(descriptors.data(), descriptors.size(), -1) < 0) {
        if (errno == EINTR)
            return;
        throw std::system_error(errno, std::generic_category(), "cannot wait for portd");
    }
    if ((descriptors[2].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        throw OutputClosed{};
    if (descriptors[0].revents != 0)
        connection_.receive();
}

} // namespace portd::client
