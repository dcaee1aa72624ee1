// A line on a terminal that says how far long work has come. It appears once the work has taken a
// while, is written over by the next, and is gone at the end.
#pragma once

#include "proto/messages.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace portd::client {

class Progress {
  public:
    // Shows nothing unless `shown`: the descriptor must then be a terminal.
    Progress(int fd, bool shown);
    ~Progress();
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;

    // Often called, seldom written. The text is escaped.
    void show(std::string_view text);
    // Before anything else is written to the terminal.
    void clear();

  private:
    int fd_;
    bool shown_;
    bool visible_ = false;
    std::chrono::steady_clock::time_point next_at_;
};

// How far a stream of rows has come, as long as the terminal does not show it by the rows
// themselves.
enum class Rows { printed, held };
class RowProgress {
  public:
    // `Rows::held`: none is printed before the last has come. `on_terminal`: where they are
    // printed.
    RowProgress(Progress &line, Rows rows, bool on_terminal)
        : line_(line), is_seen_(rows == Rows::printed && on_terminal) {}

    void add_row();
    // Somebody is looking, and has found nothing new.
    void still_looking();

  private:
    Progress &line_;
    bool is_seen_;
    std::size_t rows_ = 0;
};

// "looked at 1024 leases, up to 2026-11-22 03:12:05".
std::string describe_progress(const proto::AuditProgress &progress);

} // namespace portd::client
