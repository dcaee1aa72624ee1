#include "store/set_aside.hpp"

#include "store/checksum.hpp"
#include "store/fault.hpp"
#include "store/part_files.hpp"
#include "store/schema.hpp"
#include "store/state_directory.hpp"
#include "store/upgrade.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include <unistd.h>

namespace portd::store {
namespace {

using End = StateDirectory::PreviousRun::End;

constexpr const char *damaged = ".damaged-";

// Reading every page of a large file costs seconds. What the kernel was given survives the death of
// a process, so only a run that ended with its machine, or of which nothing is known, leaves a
// doubt.
bool doubtful(const StateDirectory &directory, const std::string &boot_id) {
    const auto &previous = directory.previous_run();
    if (!previous)
        return true;
    return previous->end != End::clean && previous->boot_id != boot_id;
}

std::string utc_stamp() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
    return text.data();
}

void move_file(const std::filesystem::path &from, const std::filesystem::path &to) {
    if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
        fail_by_errno(from, "cannot be set aside");
}

} // namespace

std::unique_ptr<Database> open_sound(const StateDirectory &directory,
                                     const std::filesystem::path &file, const std::string &boot_id,
                                     std::optional<Database::Depth> depth) {
    const auto &previous = directory.previous_run();
    if (previous && previous->end == End::damaged)
        throw DamagedStore(file, previous->reason);

    auto database = std::make_unique<Database>(file, Database::Access::write);
    database->on_close(Database::OnClose::leave);
    check_ownership(*database, Versions::can_be_upgraded);
    if (!depth && doubtful(directory, boot_id))
        depth = Database::Depth::quick;
    if (depth)
        database->verify(*depth);
    if (database->text("PRAGMA journal_mode = WAL") != "wal")
        throw StoreFault(file, "SQLite cannot keep a write-ahead log here; the state directory "
                               "must be on a local file system");
    database->execute("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864; "
                      "PRAGMA cache_size = -4096; "
                      "PRAGMA temp_store = MEMORY");
    upgrade(*database);
    return database;
}

SetAside set_aside(const std::filesystem::path &file, const std::string &reason) {
    const std::string base = file.string() + damaged + utc_stamp();
    std::string target = base;
    for (int copy = 2; std::filesystem::exists(std::filesystem::symlink_status(target)); ++copy)
        target = base + "-" + std::to_string(copy);
    move_file(file, target);
    move_file(file.string() + "-wal", target + "-wal");
    move_file(file.string() + "-shm", target + "-shm");
    move_file(checksum_path(file), checksum_path(target));
    return {target, reason};
}

std::int64_t last_number_set_aside(const std::filesystem::path &directory) {
    std::int64_t last = 0;
    for (const auto &entry : std::filesystem::directory_iterator(directory)) {
        const std::string name = entry.path().filename();
        const auto part = parse_part_name(name.substr(0, name.find(damaged)));
        if (part)
            last = std::max(last, part->number);
    }
    return last;
}

} // namespace portd::store
