// Faults of the store that an owner may want to tell apart; all others are std::runtime_error or
// std::system_error as they come. Every message names the file.
#pragma once

#include <stdexcept>
#include <string>

#include <sys/types.h>

namespace portd::store {

// SQLite found the file damaged (SQLITE_CORRUPT, SQLITE_NOTADB), or a row says what no portd wrote.
// A Writer that is opened after a Writer threw this sets the file aside.
class DamagedStore : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
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
