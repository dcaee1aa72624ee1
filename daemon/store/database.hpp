// Private to the store: a thin wrapper of SQLite's C interface (sqlite.org/c3ref) that turns its
// error codes into exceptions and its handles into objects. A Database and its Statements are used
// by one thread at a time, and a Statement dies before its Database.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace portd::store {

class Database {
  public:
    enum class Access {
        write,
        read,
        sealed, // read what nobody writes any more: without locks
    };

    Database(const std::filesystem::path &file, Access access);

    // Any number of statements whose rows do not matter.
    void execute(const std::string &sql);
    // The first column of the first row.
    std::int64_t integer(std::string_view sql);
    std::string text(std::string_view sql);

    // The pages that the write-ahead log had after the last commit. It never goes into the file by
    // itself, because SQLite would hide that this failed, and try it again.
    int logged_pages() const { return *logged_pages_; }
    // Brings the log into the file, as far as no reader needs it. `truncate`: all of it, or throws.
    enum class Checkpoint { passive, truncate };
    void checkpoint(Checkpoint how);

    // Throws DamagedStore if the file is not sound, after having made sure that all of it can be
    // read. `quick` leaves out whether indexes agree with their tables.
    enum class Depth { quick, whole };
    void verify(Depth depth);

    // Whether closing the last connection brings the WAL into the file and removes it.
    enum class OnClose { checkpoint, leave };
    void on_close(OnClose what);

    // Statements fail soon after `stop` becomes true. It lives longer.
    void stop_when(const std::atomic<bool> &stop);

    std::int64_t last_insert_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
    int changed_rows() const { return sqlite3_changes(handle_.get()); }
    bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }
    const std::filesystem::path &file() const { return file_; }

    // Throws what the connection's last error was, as a StoreFault.
    [[noreturn]] void fail(std::string_view doing) const;
    // Throws DamagedStore.
    [[noreturn]] void damaged(const std::string &what) const;

  private:
    friend class Statement;
    struct Close {
        void operator()(sqlite3 *handle) const { sqlite3_close_v2(handle); }
    };
    void read_through(int which_file);

    std::filesystem::path file_;
    std::unique_ptr<int> logged_pages_;
    std::unique_ptr<sqlite3, Close> handle_;
};

class Statement {
  public:
    Statement(Database &database, std::string_view sql);

  private:
    friend class Execution;
    struct Finalize {
        void operator()(sqlite3_stmt *handle) const { sqlite3_finalize(handle); }
    };
    Database *database_;
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

// One execution of a statement: parameters in their order, then rows. Text and blobs are borrowed
// until the end of the execution.
class Execution {
  public:
    explicit Execution(Statement &statement) : statement_(statement) {}
    ~Execution();
    Execution(const Execution &) = delete;
    Execution &operator=(const Execution &) = delete;

    Execution &bind(std::int64_t value);
    Execution &bind(std::optional<std::int64_t> value);
    Execution &bind(std::string_view text);
    Execution &bind(std::span<const std::uint8_t> blob);
    Execution &bind_null();
    // Copies them.
    Execution &bind_copy(std::int64_t value) { return bind(value); }
    Execution &bind_copy(std::string_view text);
    Execution &bind_copy(std::span<const std::uint8_t> blob);

    // The next row, if there is one.
    bool next();
    // For statements without rows.
    void run();

    bool is_null(int column) const;
    std::int64_t integer(int column) const;
    std::optional<std::int64_t> optional_integer(int column) const;
    std::string text(int column) const;
    std::optional<std::string> optional_text(int column) const;
    std::span<const std::uint8_t> blob(int column) const; // until the next row

  private:
    sqlite3_stmt *handle() const { return statement_.handle_.get(); }
    void check(int code);

    Statement &statement_;
    int bound_ = 0;
};

// Rolled back unless committed.
class Transaction {
  public:
    enum class Kind { read, write };

    Transaction(Database &database, Kind kind);
    ~Transaction();
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;
    void commit();

  private:
    Database &database_;
};

} // namespace portd::store
