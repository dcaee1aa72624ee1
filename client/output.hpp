// The way out for answers: a buffered descriptor, or a pager that is started once there is more
// than fits on the screen.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace portd::client {

// Nobody reads any more: the pager was left, or the other end of the pipe was closed. An ordinary
// end.
struct OutputClosed {};

class Output {
  public:
    struct Pager {
        std::string command;  // for sh -c
        std::size_t rows = 0; // of the screen: with fewer lines than this no pager is started
    };

    Output(int fd, std::optional<Pager> pager);
    // Waits for the pager. What was not flushed is lost.
    ~Output();
    Output(const Output &) = delete;
    Output &operator=(const Output &) = delete;

    // Writes the text and the end of a line. Throws OutputClosed, and std::system_error for other
    // failures to write.
    void line(std::string_view text);
    void flush();
    // Flushes, then waits until the pager was left. Throws as line(), and std::runtime_error if the
    // pager could not be run.
    void finish();

    bool has_pager() const { return pager_pid_ > 0; }
    // Before the first line.
    void use_no_pager() { pager_.reset(); }
    int descriptor() const { return fd_; }

  private:
    void start_pager();
    void wait_for_pager();
    void write_all();

    int fd_;
    std::optional<Pager> pager_;
    std::string buffer_;
    std::size_t lines_ = 0;
    pid_t pager_pid_ = 0;
    int pager_status_ = 0;
};

} // namespace portd::client
