#include "store/retention.hpp"

#include "store/part.hpp"
#include "store/rotation.hpp"
#include "store/schema.hpp"

#include <chrono>
#include <exception>
#include <utility>

namespace portd::store {
namespace {

constexpr std::int64_t retry_after_us = 60'000'000;

} // namespace

Retention::Retention(std::filesystem::path directory, std::int64_t current)
    : directory_(std::move(directory)) {
    read_parts(current);
}

Retention::~Retention() {
    if (sealing_.valid())
        sealing_.wait();
}

void Retention::read_parts(std::int64_t current) {
    Kept *previous = nullptr;
    for (const PartFile &file : list_parts(directory_)) {
        if (file.number >= current)
            break;
        const auto path = path_of(directory_, file);
        Kept kept{file, bytes_of(path), 0, {}};
        try {
            Database database(path,
                              file.is_sealed ? Database::Access::sealed : Database::Access::read);
            database.on_close(Database::OnClose::leave);
            check_ownership(database);
            const Part part = read_part(database);
            kept.leases = part.leases.value_or(0);
            if (previous)
                previous->until_us = part.since_us;
        } catch (const std::exception &fault) {
            notices_.push_back({Notice::Kind::failure, fault.what()});
        }
        previous = &kept_.insert_or_assign(file.number, kept).first->second;
    }
}

void Retention::give_up(std::int64_t number, std::int64_t leases, std::int64_t next_since_us) {
    const PartFile file{number, false};
    kept_[number] = {file, bytes_of(path_of(directory_, file)), leases, next_since_us};
}

void Retention::work(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us) {
    finish_sealing();
    if (!being_sealed_ && (!not_before_us_ || now_us >= *not_before_us_))
        begin_sealing();
    while (!kept_.empty() && kept_.begin()->first != being_sealed_) {
        const Kept &oldest = kept_.begin()->second;
        if (bytes() + current_bytes > limits.max_bytes)
            drop_oldest("history takes more than max_size");
        else if (oldest.until_us && *oldest.until_us < now_us - limits.max_age.count())
            drop_oldest("it is older than max_age");
        else
            break;
    }
    if (not_before_us_ == 0)
        not_before_us_ = now_us + retry_after_us;
}

void Retention::settle(const Limits &limits, std::int64_t current_bytes, std::int64_t now_us) {
    do {
        if (sealing_.valid())
            sealing_.wait();
        work(limits, current_bytes, now_us);
    } while (being_sealed_);
}

void Retention::begin_sealing() {
    for (auto &[number, kept] : kept_) {
        if (kept.file.is_sealed)
            continue;
        being_sealed_ = number;
        sealing_ = std::async(std::launch::async,
                              [directory = directory_, number] { seal(directory, number); });
        return;
    }
}

void Retention::finish_sealing() {
    if (!being_sealed_ || sealing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
        return;
    const std::int64_t number = *std::exchange(being_sealed_, std::nullopt);
    try {
        sealing_.get();
        not_before_us_.reset();
        Kept &kept = kept_.at(number);
        kept.file.is_sealed = true;
        kept.bytes = bytes_of(path_of(directory_, kept.file));
    } catch (const std::exception &fault) {
        notices_.push_back({Notice::Kind::failure, std::string("cannot pack a part of the history "
                                                               "that is full: ") +
                                                       fault.what()});
        not_before_us_ = 0; // work() knows the time
    }
}

void Retention::drop_oldest(const std::string &why) {
    const auto oldest = kept_.begin();
    const auto path = path_of(directory_, oldest->second.file);
    try {
        remove_database(path);
        notices_.push_back({Notice::Kind::dropped, path.string() + " was dropped: " + why});
    } catch (const std::exception &fault) {
        notices_.push_back({Notice::Kind::failure, fault.what()});
    }
    kept_.erase(oldest);
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

std::vector<Notice> Retention::take_notices() {
    return std::exchange(notices_, {});
}

} // namespace portd::store
