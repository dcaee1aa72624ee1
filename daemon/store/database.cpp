#include "store/database.hpp"

#include "store/fault.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace portd::store {
namespace {

constexpr int busy_timeout_ms = 5000;

// Without its account of memory, SQLite takes no lock at every allocation. And it shall not
// allocate the first 20 pages of each connection's cache at once: many connections use few. It has
// an effect before the first connection only.
void configure() {
    static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) |
                            sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
    static_cast<void>(once);
}

// sqlite.org/uri.html
std::string immutable_uri(const std::filesystem::path &file) {
    std::string uri = "file://";
    for (const char c : file.native()) {
        const bool is_plain = c != '?' && c != '#' && c != '%';
        constexpr std::string_view digits = "0123456789ABCDEF";
        if (is_plain)
            uri += c;
        else
            uri.append("%")
                .append(1, digits[static_cast<unsigned char>(c) >> 4])
                .append(1, digits[static_cast<unsigned char>(c) & 15]);
    }
    return uri + "?immutable=1";
}

// In place of SQLite's own, which checkpoints.
int note_logged_pages(void *pages, sqlite3 *, const char *, int count) {
    *static_cast<int *>(pages) = count;
    return SQLITE_OK;
}

bool is_out_of_room(int code, int system_error) {
    const int kind = code & 0xff;
    return kind == SQLITE_FULL || ((kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN) &&
                                   (system_error == ENOSPC || system_error == EDQUOT));
}

} // namespace

Database::Database(const std::filesystem::path &file, Access access)
    // An absolute path is never taken for a "file:" URI.
    : file_(std::filesystem::absolute(file)), logged_pages_(std::make_unique<int>(0)) {
    configure();
    const int flags =
        SQLITE_OPEN_NOMUTEX | (access == Access::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                               : access == Access::sealed ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
                                                          : SQLITE_OPEN_READONLY);
    const std::string name = access == Access::sealed ? immutable_uri(file_) : file_.string();
    sqlite3 *handle = nullptr;
    const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
    handle_.reset(handle);
    if (!handle)
        throw std::bad_alloc();
    if (code != SQLITE_OK)
        fail("cannot open");
    sqlite3_extended_result_codes(handle, 1);
    if (access == Access::sealed) // there can be many: 48 KiB each, to allocate faster
        sqlite3_db_config(handle, SQLITE_DBCONFIG_LOOKASIDE, nullptr, 0, 0);
    sqlite3_busy_timeout(handle, busy_timeout_ms);
    sqlite3_wal_hook(handle, note_logged_pages, logged_pages_.get());
}

void Database::execute(const std::string &sql) {
    if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        fail("cannot execute \"" + sql.substr(0, 60) + "\"");
}

std::int64_t Database::integer(std::string_view sql) {
    Statement statement(*this, sql);
    Execution row(statement);
    if (!row.next())
        throw std::logic_error("no row: " + std::string(sql));
    return row.integer(0);
}

std::string Database::text(std::string_view sql) {
    Statement statement(*this, sql);
    Execution row(statement);
    if (!row.next())
        throw std::logic_error("no row: " + std::string(sql));
    return row.text(0);
}

void Database::on_close(OnClose what) {
    sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                      what == OnClose::leave ? 1 : 0, nullptr);
}

void Database::checkpoint(Checkpoint how) {
    const bool all = how == Checkpoint::truncate;
    const int code = sqlite3_wal_checkpoint_v2(
        handle_.get(), "main", all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
        nullptr, nullptr);
    if (code != SQLITE_OK && (all || code != SQLITE_BUSY))
        fail("cannot bring the write-ahead log into the file");
}

// SQLite tells of a page that it cannot read as if it were damaged. So it is believed only when all
// can be read, and it says so again.
void Database::verify(Depth depth) {
    const char *const check =
        depth == Depth::quick ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)";
    if (text(check) == "ok")
        return;
    read_through(SQLITE_FCNTL_FILE_POINTER);
    read_through(SQLITE_FCNTL_JOURNAL_POINTER);
    if (const std::string verdict = text(check); verdict != "ok")
        damaged(verdict);
}

void Database::read_through(int which_file) {
    sqlite3_file *file = nullptr;
    if (sqlite3_file_control(handle_.get(), "main", which_file, &file) != SQLITE_OK || !file ||
        !file->pMethods)
        return;
    sqlite3_int64 size = 0;
    int code = file->pMethods->xFileSize(file, &size);
    std::vector<char> buffer(1 << 16);
    for (sqlite3_int64 at = 0; at < size && code == SQLITE_OK;) {
        const auto count = std::min<sqlite3_int64>(size - at, 1 << 16);
        code = file->pMethods->xRead(file, buffer.data(), static_cast<int>(count), at);
        at += count;
    }
    if (code != SQLITE_OK)
        throw FailedIo(file_, "cannot be read: " + std::string(sqlite3_errstr(code)));
}

void Database::fail(std::string_view doing) const {
    const int code = sqlite3_extended_errcode(handle_.get());
    const int kind = code & 0xff;
    const std::string reason = sqlite3_errmsg(handle_.get());
    if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB)
        damaged(reason);
    std::string message = std::string(doing) + ": " + reason;
    const int system_error = sqlite3_system_errno(handle_.get());
    if (system_error != 0 &&
        (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN || kind == SQLITE_FULL))
        message += std::string(" (") + std::strerror(system_error) + ")";
    if (is_out_of_room(code, system_error))
        throw FullStore(file_, message);
    if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
        throw FailedSync(file_, message);
    if (kind == SQLITE_IOERR)
        throw FailedIo(file_, message);
    throw StoreFault(file_, message);
}

void Database::damaged(const std::string &what) const {
    throw DamagedStore(file_, what);
}

void Database::stop_when(const std::atomic<bool> &stop) {
    constexpr int steps = 10'000; // of SQLite's virtual machine: a few milliseconds
    const auto is_due = [](void *flag) -> int {
        return static_cast<const std::atomic<bool> *>(flag)->load() ? 1 : 0;
    };
    sqlite3_progress_handler(handle_.get(), steps, is_due, const_cast<std::atomic<bool> *>(&stop));
}

Statement::Statement(Database &database, std::string_view sql) : database_(&database) {
    sqlite3_stmt *handle = nullptr;
    const int code =
        sqlite3_prepare_v3(database.handle_.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    handle_.reset(handle);
    // What portd asks for is in its tables, unless somebody has changed them.
    if ((code & 0xff) == SQLITE_ERROR)
        database.damaged("its tables are not as portd made them: " +
                         std::string(sqlite3_errmsg(database.handle_.get())));
    if (code != SQLITE_OK)
        database.fail("cannot prepare \"" + std::string(sql.substr(0, 60)) + "\"");
}

Execution::~Execution() {
    sqlite3_reset(handle());
    sqlite3_clear_bindings(handle());
}

void Execution::check(int code) {
    if (code != SQLITE_OK)
        statement_.database_->fail("cannot bind a value");
}

Execution &Execution::bind(std::int64_t value) {
    check(sqlite3_bind_int64(handle(), ++bound_, value));
    return *this;
}

Execution &Execution::bind(std::optional<std::int64_t> value) {
    return value ? bind(*value) : bind_null();
}

Execution &Execution::bind(std::string_view text) {
    const char *data = text.data() ? text.data() : "";
    check(sqlite3_bind_text64(handle(), ++bound_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
    return *this;
}

Execution &Execution::bind(std::span<const std::uint8_t> blob) {
    check(sqlite3_bind_blob64(handle(), ++bound_, blob.data(), blob.size(), SQLITE_STATIC));
    return *this;
}

Execution &Execution::bind_copy(std::string_view text) {
    const char *data = text.data() ? text.data() : "";
    check(
        sqlite3_bind_text64(handle(), ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    return *this;
}

Execution &Execution::bind_copy(std::span<const std::uint8_t> blob) {
    check(sqlite3_bind_blob64(handle(), ++bound_, blob.data(), blob.size(), SQLITE_TRANSIENT));
    return *this;
}

Execution &Execution::bind_null() {
    check(sqlite3_bind_null(handle(), ++bound_));
    return *this;
}

bool Execution::next() {
    const int code = sqlite3_step(handle());
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        statement_.database_->fail("cannot read or write");
    return false;
}

void Execution::run() {
    while (next())
        continue;
}

bool Execution::is_null(int column) const {
    return sqlite3_column_type(handle(), column) == SQLITE_NULL;
}

std::int64_t Execution::integer(int column) const {
    return sqlite3_column_int64(handle(), column);
}

std::optional<std::int64_t> Execution::optional_integer(int column) const {
    if (is_null(column))
        return std::nullopt;
    return integer(column);
}

std::string Execution::text(int column) const {
    const unsigned char *data = sqlite3_column_text(handle(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle(), column));
    return data ? std::string(data, data + size) : std::string();
}

std::optional<std::string> Execution::optional_text(int column) const {
    if (is_null(column))
        return std::nullopt;
    return text(column);
}

std::span<const std::uint8_t> Execution::blob(int column) const {
    const void *data = sqlite3_column_blob(handle(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle(), column));
    return {static_cast<const std::uint8_t *>(data), data ? size : 0};
}

Transaction::Transaction(Database &database, Kind kind) : database_(database) {
    // A write transaction takes the lock at once: it never has to be upgraded half-way.
    database_.execute(kind == Kind::write ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
    if (!database_.in_transaction())
        return; // committed, or rolled back by SQLite itself after an I/O error
    try {
        database_.execute("ROLLBACK");
    } catch (const std::exception &) {
        // What made the transaction fail is on its way to the owner; SQLite rolls back when the
        // connection is closed.
        return;
    }
}

void Transaction::commit() {
    database_.execute("COMMIT");
}

} // namespace portd::store
