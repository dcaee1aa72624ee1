#include "client/line_source.hpp"

#include "client/text.hpp"
#include "client/usage_error.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace portd::client {
namespace {

[[noreturn]] void fail(const char *doing, const std::string &name) {
    throw std::system_error(errno, std::generic_category(),
                            std::string(doing) + " " + escape_text(name, Charset::utf8));
}

} // namespace

LineSource::LineSource(const std::string &file) : name_(file == "-" ? "the standard input" : file) {
    if (file == "-")
        return;
    fd_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0)
        throw UsageError{"cannot open " + escape_text(name_, Charset::utf8) + ": " +
                         std::strerror(errno)};
}

LineSource::~LineSource() {
    if (fd_ > 0)
        ::close(fd_);
}

bool LineSource::take(std::string &line) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end == std::string::npos && buffer_.size() - begin_ < longest_line) {
        scanned_ = buffer_.size();
        return false;
    }
    const std::size_t length =
        std::min(end == std::string::npos ? longest_line : end - begin_, longest_line);
    line.assign(buffer_, begin_, length);
    begin_ += length + (begin_ + length == end ? 1 : 0);
    scanned_ = begin_;
    return true;
}

bool LineSource::next(std::string &line) {
    for (;;) {
        if (take(line))
            return true;
        buffer_.erase(0, begin_);
        scanned_ -= begin_;
        begin_ = 0;
        if (is_at_end_) {
            line = std::move(buffer_);
            buffer_.clear();
            scanned_ = 0;
            return !line.empty();
        }
        std::array<char, 64 * 1024> bytes;
        const ssize_t count = ::read(fd_, bytes.data(), bytes.size());
        if (count < 0 && errno != EINTR)
            fail("cannot read", name_);
        if (count > 0)
            buffer_.append(bytes.data(), static_cast<std::size_t>(count));
        is_at_end_ = count == 0;
    }
}

bool LineSource::would_wait() const {
    if (is_at_end_ || buffer_.find('\n', scanned_) != std::string::npos)
        return false;
    pollfd input{fd_, POLLIN, 0};
    return ::poll(&input, 1, 0) == 0;
}

} // namespace portd::client
