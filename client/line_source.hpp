// Lines of a file or a pipe, of which no more is kept than one of them and what was read with it.
#pragma once

#include <cstddef>
#include <string>

namespace portd::client {

class LineSource {
  public:
    // A longer line comes in pieces of this length: no log has one.
    static constexpr std::size_t longest_line = 1 << 20;

    // "-" is the standard input. Throws UsageError if the file cannot be opened; what reads throws
    // std::system_error.
    explicit LineSource(const std::string &file);
    ~LineSource();
    LineSource(const LineSource &) = delete;
    LineSource &operator=(const LineSource &) = delete;

    // False at the end. Without its newline.
    bool next(std::string &line);
    // Whether next() would have to wait for somebody to write.
    bool would_wait() const;

  private:
    bool take(std::string &line);

    std::string name_;
    int fd_ = 0;
    std::string buffer_;
    std::size_t begin_ = 0;   // of what was not taken
    std::size_t scanned_ = 0; // no newline before
    bool is_at_end_ = false;
};

} // namespace portd::client
