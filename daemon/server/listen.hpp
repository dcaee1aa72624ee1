// The socket in the file system that clients connect to.
#pragma once

#include "system/fd.hpp"

#include <filesystem>
#include <sys/types.h>
#include <utility>

namespace portd::server {

// A listening socket. If it was made here, its name in the file system goes with it, unless
// something else has taken the name meanwhile.
class Listener {
  public:
    Listener(Listener &&other) noexcept;
    Listener &operator=(Listener &&) = delete;
    ~Listener();

    int fd() const { return fd_.get(); }

  private:
    friend Listener listen(const std::filesystem::path &path);
    friend Listener take_over(system::Fd fd);
    explicit Listener(system::Fd fd) : fd_(std::move(fd)) {}
    Listener(system::Fd fd, std::filesystem::path path);

    system::Fd fd_;
    std::filesystem::path path_; // empty: it is somebody else's
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

// Makes a stream socket at `path` that everybody may connect to, and the directory of `path` if
// only that is missing. A socket on which nobody listens any more is replaced. Throws
// std::system_error, with a text that names the path:
//   address_in_use  somebody listens there
//   file_exists     something is there that is not a socket
//   others          of the system call that failed
Listener listen(const std::filesystem::path &path);

// The listening Unix stream socket that the service manager made (systemd.socket(5)), and keeps.
// Throws std::system_error, invalid_argument if it is anything else.
Listener take_over(system::Fd fd);

} // namespace portd::server
