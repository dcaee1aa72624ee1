// Faults of the store, by what an owner does about them. All others are std::runtime_error or
// std::system_error as they come. Every message names the file.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <sys/types.h>

namespace portd::store {

// A file of the store cannot be read or written.
class StoreFault : public std::runtime_error {
  public:
    StoreFault(std::filesystem::path file, const std::string &reason)
        : std::runtime_error(file.string() + ": " + reason),
          file_(std::move(file)),
          reason_(reason) {}
    const std::filesystem::path &file() const { return file_; }
    const std::string &reason() const { return reason_; }

  private:
    std::filesystem::path file_;
    std::string reason_;
};

// There is no room. What is stored is as it was, and the connection can be used.
class FullStore : public StoreFault {
  public:
    using StoreFault::StoreFault;
};

// The device refused to read or write. What the connection knows of the file is in doubt.
class FailedIo : public StoreFault {
  public:
    using StoreFault::StoreFault;
};

// What was written may not be on the device, and the kernel may have forgotten that it is not: a
// second sync that succeeds says nothing (fsync(2), NOTES).
class FailedSync : public FailedIo {
  public:
    using FailedIo::FailedIo;
};

// SQLite found the file damaged (SQLITE_CORRUPT, SQLITE_NOTADB), or a row says what no portd wrote.
class DamagedStore : public StoreFault {
  public:
    using StoreFault::StoreFault;
};

// The file is another application's, or of a version that this portd does not know. It is not
// touched.
class ForeignStore : public StoreFault {
  public:
    using StoreFault::StoreFault;
};

// The file is of an earlier version of portd, and could not be carried over to this one. It is as
// it was.
class FailedUpgrade : public StoreFault {
  public:
    using StoreFault::StoreFault;
};

// Throws what errno means.
[[noreturn]] void fail_by_errno(const std::filesystem::path &file, const std::string &doing);

// The state directory can be neither made nor written where it is meant to be: a path that does not
// lead there, no permission, a file system that is read-only. No later start can do better.
class NoStateDirectory : public std::system_error {
  public:
    using std::system_error::system_error;
};

// Another process holds the lock of the state directory. `owner` is 0 where its pid could not be
// read.
class StateDirectoryInUse : public std::runtime_error {
  public:
    StateDirectoryInUse(const std::string &message, pid_t owner)
        : std::runtime_error(message), owner_(owner) {}
    pid_t owner() const { return owner_; }

  private:
    pid_t owner_;
};

} // namespace portd::store
