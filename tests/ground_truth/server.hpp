// The far end of a connection in a process of its own, which does one step after another on
// command. Start it before sockets of the scenario exist: a child would inherit them.
#pragma once

#include "sockets.hpp"

#include <cstddef>
#include <string>

#include <sys/types.h>

namespace ground_truth {

class Server {
  public:
    // Listens at an explicit port of the run.
    Server(const char *scenario, const Endpoint &any_port, int backlog = 4096);
    ~Server(); // closes the listener
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;

    const Endpoint &address() const { return address_; }

    // Each returns when it is done. There is one connection at a time.
    void accept() { command('a'); }
    void send(std::size_t bytes) { command('s', bytes); }
    void receive(std::size_t bytes) { command('r', bytes); }
    void receive_until_end() { command('e'); }
    void shut_down() { command('f'); }
    void close() { command('c'); }
    void close_with_reset() { command('R'); }
    // With bytes that nobody read, for which the kernel resets the connection.
    void close_unread() { command('u'); }
    // So many bytes are there that will not be read.
    void expect_unread(std::size_t bytes) { command('U', bytes); }
    void close_listener() { command('l'); }
    // The connection will be found to have been reset by the client.
    void expect_reset() { command('x'); }
    // Begins to close at the given time, CLOCK_REALTIME in microseconds; close() waits for the end.
    void close_at(std::int64_t when_us) { begin('t', static_cast<std::size_t>(when_us)); }
    void finish() { end(); }

  private:
    void command(char what, std::size_t argument = 0);
    void begin(char what, std::size_t argument);
    void end();

    int channel_ = -1;
    pid_t process_ = 0;
    Endpoint address_;
};

} // namespace ground_truth
