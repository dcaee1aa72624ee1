#include "unit/store/failing_vfs.hpp"

#include <cerrno>
#include <new>

namespace portd::store::test {
namespace {

using Operation = FailingVfs::Operation;

// The real file stands behind it, in the room that xOpen was given.
struct File {
    sqlite3_file base;
    FailingVfs *vfs;

    sqlite3_file *real() { return reinterpret_cast<sqlite3_file *>(this + 1); }
};

FailingVfs &of(sqlite3_vfs *vfs) {
    return *static_cast<FailingVfs *>(vfs->pAppData);
}
File &of(sqlite3_file *file) {
    return *reinterpret_cast<File *>(file);
}
sqlite3_file *real(sqlite3_file *file) {
    return of(file).real();
}
const sqlite3_io_methods &methods(sqlite3_file *file) {
    return *real(file)->pMethods;
}

template <typename Go>
int attempt(sqlite3_file *file, Operation operation, Go go) {
    const int code = of(file).vfs->attempt(operation);
    return code != SQLITE_OK ? code : go();
}

int close_file(sqlite3_file *file) {
    return methods(file).xClose(real(file));
}
int read_file(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at) {
    return attempt(file, Operation::read,
                   [&] { return methods(file).xRead(real(file), to, bytes, at); });
}
int write_file(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at) {
    return attempt(file, Operation::write,
                   [&] { return methods(file).xWrite(real(file), from, bytes, at); });
}
int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    return attempt(file, Operation::truncate,
                   [&] { return methods(file).xTruncate(real(file), size); });
}
// No machine goes down here: there is nothing to wait for.
int sync_file(sqlite3_file *file, int) {
    return attempt(file, Operation::sync, [] { return SQLITE_OK; });
}
int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return methods(file).xFileSize(real(file), size);
}
int lock(sqlite3_file *file, int level) {
    return methods(file).xLock(real(file), level);
}
int unlock(sqlite3_file *file, int level) {
    return methods(file).xUnlock(real(file), level);
}
int check_reserved(sqlite3_file *file, int *result) {
    return methods(file).xCheckReservedLock(real(file), result);
}
int file_control(sqlite3_file *file, int operation, void *argument) {
    return methods(file).xFileControl(real(file), operation, argument);
}
int sector_size(sqlite3_file *file) {
    return methods(file).xSectorSize(real(file));
}
int characteristics(sqlite3_file *file) {
    return methods(file).xDeviceCharacteristics(real(file));
}
int map(sqlite3_file *file, int region, int bytes, int extend, void volatile **memory) {
    return attempt(file, Operation::map, [&] {
        return methods(file).xShmMap(real(file), region, bytes, extend, memory);
    });
}
int map_lock(sqlite3_file *file, int offset, int count, int flags) {
    return methods(file).xShmLock(real(file), offset, count, flags);
}
void barrier(sqlite3_file *file) {
    methods(file).xShmBarrier(real(file));
}
int unmap(sqlite3_file *file, int remove) {
    return methods(file).xShmUnmap(real(file), remove);
}

constexpr sqlite3_io_methods io_methods{
    2,        close_file, read_file,      write_file,   truncate_file, sync_file,       file_size,
    lock,     unlock,     check_reserved, file_control, sector_size,   characteristics, map,
    map_lock, barrier,    unmap,          nullptr,      nullptr};

int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *given) {
    File &opened = of(file);
    opened.base.pMethods = nullptr;
    opened.vfs = &of(vfs);
    if (const int code = of(vfs).attempt(Operation::open); code != SQLITE_OK)
        return code;
    const int code = of(vfs).real().xOpen(&of(vfs).real(), name, opened.real(), flags, given);
    if (opened.real()->pMethods)
        opened.base.pMethods = &io_methods;
    return code;
}
int remove_file(sqlite3_vfs *vfs, const char *name, int sync) {
    if (const int code = of(vfs).attempt(Operation::remove); code != SQLITE_OK)
        return code;
    return of(vfs).real().xDelete(&of(vfs).real(), name, sync);
}
int give_last_error(sqlite3_vfs *vfs, int bytes, char *text) {
    if (const int error = of(vfs).last_error())
        return error;
    return of(vfs).real().xGetLastError(&of(vfs).real(), bytes, text);
}

} // namespace

FailingVfs::FailingVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    vfs_.zName = "failing";
    vfs_.pAppData = this;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.pNext = nullptr;
    vfs_.xOpen = open_file;
    vfs_.xDelete = remove_file;
    vfs_.xGetLastError = give_last_error;
    sqlite3_vfs_register(&vfs_, 1);
}

FailingVfs::~FailingVfs() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
}

void FailingVfs::fail(std::int64_t nth, How how, What what) {
    operations_ = failed_ = 0;
    first_ = "";
    last_error_ = 0;
    how_ = how;
    what_ = what;
    nth_ = nth;
}

int FailingVfs::attempt(Operation operation) {
    struct Name {
        const char *text;
        int code;
        bool takes_room;
    };
    static constexpr Name names[] = {
        {"open", SQLITE_CANTOPEN, true},
        {"remove", SQLITE_IOERR_DELETE, false},
        {"read", SQLITE_IOERR_READ, false},
        {"write", SQLITE_IOERR_WRITE, true},
        {"truncate", SQLITE_IOERR_TRUNCATE, false},
        {"sync", SQLITE_IOERR_FSYNC, false},
        {"map", SQLITE_IOERR_SHMMAP, true},
    };
    const Name &name = names[static_cast<std::size_t>(operation)];
    const bool no_room = what_ == What::no_room;
    if (no_room && !name.takes_room)
        return SQLITE_OK;
    const std::int64_t number = ++operations_;
    const std::int64_t nth = nth_;
    if (nth == 0 || number < nth || (number > nth && how_ == How::once))
        return SQLITE_OK;
    if (failed_++ == 0)
        first_ = name.text;
    last_error_ = no_room ? ENOSPC : EIO;
    return no_room && operation == Operation::write ? SQLITE_FULL : name.code;
}

} // namespace portd::store::test
