#include "store/retention.hpp"

#include "store/checksum.hpp"
#include "store/coverage.hpp"
#include "store/fault.hpp"
#include "store/part.hpp"
#include "store/rotation.hpp"
#include "store/schema.hpp"
#include "store/set_aside.hpp"

#include <chrono>
#include <exception>
#include <iterator>
#include <utility>

namespace portd::store {
namespace {

constexpr std::int64_t retry_after_us = 60'000'000;
constexpr std::int64_t verify_every_us = 60'000'000;

} // namespace

Retention::Retention(std::filesystem::path directory) : directory_(std::move(directory)) {}

Retention::~Retention() {
    if (working_.valid())
        working_.wait();
}

void Retention::begin_before(std::int64_t current, std::optional<std::int64_t> since_us) {
    if (std::exchange(is_read_, true))
        return;
    std::map<std::int64_t, std::string> damaged;
    for (const PartFile &file : list_parts(directory_))
        if (file.number < current)
            if (const auto damage = read_part(file))
                damaged.emplace(file.number, *damage);
    end_last_at(since_us);
    for (const auto &[number, damage] : damaged)
        set_aside(number, damage);
}

void Retention::end_last_at(std::optional<std::int64_t> us) {
    if (!kept_.empty())
        std::prev(kept_.end())->second.until_us = us;
}

std::optional<std::string> Retention::read_part(const PartFile &file) {
    const auto path = path_of(directory_, file);
    Kept kept{.file = file, .bytes = bytes_of(path), .leases = 0, .since_us = {}, .until_us = {}};
    std::optional<std::string> damage;
    try {
        Database database(path, file.is_sealed ? Database::Access::sealed : Database::Access::read);
        database.on_close(Database::OnClose::leave);
        check_ownership(database);
        const Part part = store::read_part(database);
        kept.leases = part.leases.value_or(0);
        kept.since_us = part.since_us;
        end_last_at(part.since_us);
    } catch (const DamagedStore &fault) {
        damage = fault.reason();
    } catch (const std::exception &fault) {
        notices_.push_back({Notice::Kind::failure, fault.what()});
    }
    kept_.emplace(file.number, kept);
    if (file.is_sealed && !damage)
        unverified_.insert(file.number);
    return damage;
}

void Retention::give_up(std::int64_t number, std::int64_t leases, std::int64_t next_since_us) {
    const auto previous = kept_.empty() ? kept_.end() : std::prev(kept_.end());
    const PartFile file{number, false};
    std::optional<std::int64_t> since_us;
    if (previous != kept_.end())
        since_us = previous->second.until_us;
    kept_[number] = {file, bytes_of(path_of(directory_, file)), leases, since_us, next_since_us};
}

void Retention::work(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us) {
    finish_work(now_us);
    if (!task_)
        begin_work(now_us);
    while (now_us >= drop_not_before_us_ && !kept_.empty() && !is_busy_with(kept_.begin()->first)) {
        const Kept &oldest = kept_.begin()->second;
        bool is_dropped = false;
        if (bytes() + current_bytes > limits.max_bytes)
            is_dropped = drop_oldest("history takes more than max_size");
        else if (oldest.until_us && *oldest.until_us < now_us - limits.max_age.count())
            is_dropped = drop_oldest("it is older than max_age");
        else
            break;
        if (!is_dropped)
            drop_not_before_us_ = now_us + retry_after_us;
    }
}

void Retention::settle(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us) {
    do {
        if (working_.valid())
            working_.wait();
        verify_not_before_us_ = 0;
        work(limits, current_bytes, now_us);
    } while (task_);
}

void Retention::begin_work(std::int64_t now_us) {
    for (const auto &[number, kept] : kept_) {
        if (kept.file.is_sealed || now_us < seal_not_before_us_)
            continue;
        task_ = {Task::Kind::seal, number};
        working_ = std::async(std::launch::async, seal, directory_, number);
        return;
    }
    if (unverified_.empty() || now_us < verify_not_before_us_)
        return;
    task_ = {Task::Kind::verify, *unverified_.begin()};
    unverified_.erase(unverified_.begin());
    verify_not_before_us_ = now_us + verify_every_us;
    working_ = std::async(std::launch::async, [file = path_of(directory_, {task_->number, true})] {
        if (const auto difference = difference_to_checksum(file))
            throw DamagedStore(file, *difference);
        Database(file, Database::Access::sealed).verify(Database::Depth::whole);
    });
}

void Retention::finish_work(std::int64_t now_us) {
    if (!task_ || working_.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
        return;
    const Task task = *std::exchange(task_, std::nullopt);
    if (task.kind == Task::Kind::seal)
        finish_sealing(task.number, now_us);
    else
        finish_verifying(task.number);
}

void Retention::finish_sealing(std::int64_t number, std::int64_t now_us) {
    Kept &kept = kept_.at(number);
    try {
        working_.get();
        sealing_trouble_.end();
        kept.file.is_sealed = true;
        kept.bytes = bytes_of(path_of(directory_, kept.file));
    } catch (const std::exception &fault) {
        const auto *damage = dynamic_cast<const DamagedStore *>(&fault);
        if (damage && damage->file() == path_of(directory_, kept.file)) {
            set_aside(number, damage->reason());
            return;
        }
        sealing_trouble_.meet(std::string("cannot pack a part of the history that is full: ") +
                                  fault.what(),
                              notices_);
        seal_not_before_us_ = now_us + retry_after_us;
    }
}

void Retention::finish_verifying(std::int64_t number) {
    try {
        working_.get();
    } catch (const DamagedStore &damage) {
        set_aside(number, damage.reason());
    } catch (const std::exception &fault) {
        notices_.push_back({Notice::Kind::failure, fault.what()});
    }
}

bool Retention::drop_oldest(const std::string &why) {
    const auto oldest = kept_.begin();
    const auto path = path_of(directory_, oldest->second.file);
    try {
        remove_database(path);
    } catch (const std::exception &fault) {
        dropping_trouble_.meet(fault.what(), notices_);
        return false;
    }
    dropping_trouble_.end();
    notices_.push_back({Notice::Kind::dropped, path.string() + " was dropped: " + why});
    kept_.erase(oldest);
    return true;
}

// Without the file's name in its place, readers do not meet it again.
void Retention::set_aside(std::int64_t number, const std::string &reason) {
    const auto found = kept_.find(number);
    if (found == kept_.end() || is_busy_with(number))
        return;
    const Kept &kept = found->second;
    try {
        const SetAside aside = store::set_aside(path_of(directory_, kept.file), reason);
        notices_.push_back({Notice::Kind::set_aside,
                            "a part of the history was damaged (" + reason +
                                "); it was set aside as " + aside.path.string(),
                            aside.path});
        setting_aside_trouble_.end();
    } catch (const std::exception &fault) {
        setting_aside_trouble_.meet(fault.what(), notices_);
        return;
    }
    if (kept.until_us)
        gaps_.push_back({kept.since_us, kept.until_us, std::string(unreadable), std::nullopt});
    kept_.erase(found);
}

std::int64_t Retention::leases() const {
    std::int64_t sum = 0;
    for (const auto &[number, kept] : kept_)
        sum += kept.leases;
    return sum;
}

std::int64_t Retention::bytes() const {
    std::int64_t sum = 0;
    for (const auto &[number, kept] : kept_)
        sum += kept.bytes;
    return sum;
}

std::vector<proto::Gap> Retention::take_gaps() {
    return std::exchange(gaps_, {});
}

std::vector<Notice> Retention::take_notices() {
    return std::exchange(notices_, {});
}

} // namespace portd::store
