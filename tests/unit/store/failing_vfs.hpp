// SQLite's files with a fault in them: a VFS (sqlite.org/vfs.html) that hands everything on to the
// default one, but fails the Nth operation, or all from the Nth on, until it is mended.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace portd::store::test {

class FailingVfs {
  public:
    // Registers itself as the default, until the end of its life. One at a time.
    FailingVfs();
    ~FailingVfs();
    FailingVfs(const FailingVfs &) = delete;
    FailingVfs &operator=(const FailingVfs &) = delete;

    enum class How { once, from_then_on };
    enum class What { io_error, no_room };
    // The count begins anew with 1.
    void fail(std::int64_t nth, How how, What what);
    void mend() { nth_ = 0; }

    std::int64_t operations() const { return operations_; }
    std::int64_t failed() const { return failed_; }
    // The kind of the first one that failed.
    std::string first() const { return first_.load(); }

    enum class Operation { open, remove, read, write, truncate, sync, map };
    // SQLITE_OK, or what is to be returned.
    int attempt(Operation operation);
    int last_error() const { return last_error_; }
    sqlite3_vfs &real() const { return *real_; }

  private:
    sqlite3_vfs *const real_;
    sqlite3_vfs vfs_;
    std::atomic<std::int64_t> nth_{0};
    std::atomic<How> how_{How::once};
    std::atomic<What> what_{What::io_error};
    std::atomic<std::int64_t> operations_{0};
    std::atomic<std::int64_t> failed_{0};
    std::atomic<const char *> first_{""};
    std::atomic<int> last_error_{0};
};

} // namespace portd::store::test
