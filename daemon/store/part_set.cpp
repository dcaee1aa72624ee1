#include "store/part_set.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <malloc.h>

namespace portd::store {
namespace {

// How long a part is left out. What is damaged stays so, until it is set aside; the current part is
// looked at by its writer meanwhile.
constexpr auto while_damaged = std::chrono::hours(24);
constexpr auto while_unreadable = std::chrono::minutes(10);
constexpr auto while_current_fails = std::chrono::seconds(5);

constexpr auto between_trims = std::chrono::seconds(2); // each takes some milliseconds

} // namespace

PartSet::PartSet(std::filesystem::path directory, Empty empty, std::shared_ptr<Suspects> suspects)
    : directory_(std::move(directory)),
      empty_(empty),
      suspects_(std::move(suspects)),
      listing_(directory_) {}

void PartSet::open() {
    files_ = listing_.now();
    if (files_.empty() && empty_ == Empty::fault)
        throw std::runtime_error(directory_.string() + ": no history is kept here");
    const auto is_gone = [&](const auto &one) {
        return !std::ranges::binary_search(files_, one.first);
    };
    std::erase_if(parts_, is_gone);
    const auto now = Clock::now();
    std::erase_if(left_out_, [&](const auto &one) { return is_gone(one) || one.second <= now; });
    for (const PartFile &file : files_)
        if (!parts_.contains(file) && !left_out_.contains(file))
            parts_.try_emplace(file, directory_, file);
}

// The writer can begin another part at any time, seal one, drop one, or set one aside.
bool PartSet::have_changed() {
    return listing_.now() != files_;
}

bool PartSet::cope(const StoreFault &fault, std::set<PartFile> &reopened) {
    const auto failed = std::ranges::find_if(files_, [&](const PartFile &file) {
        return std::filesystem::absolute(path_of(directory_, file)) == fault.file();
    });
    if (failed == files_.end())
        return false;
    if (have_changed())
        return true;
    // That the current part is another version's is for whoever started this one to mend.
    if (!failed->is_sealed && dynamic_cast<const ForeignStore *>(&fault))
        return false;
    parts_.erase(*failed);
    if (!reopened.insert(*failed).second)
        leave_out(*failed, fault);
    return true;
}

// What is freed lies between what is kept: unasked, the allocator gives back nothing of it.
void PartSet::trim_if_due() {
    const auto now = Clock::now();
    if (!has_freed_much_ || now < trimmed_at_ + between_trims)
        return;
    for (auto &[file, part] : parts_)
        part.shrink();
    malloc_trim(0);
    has_freed_much_ = false;
    trimmed_at_ = now;
}

void PartSet::leave_out(const PartFile &file, const StoreFault &fault) {
    const bool is_damaged = dynamic_cast<const DamagedStore *>(&fault) != nullptr;
    auto time = Clock::now();
    if (!file.is_sealed)
        time += while_current_fails;
    else if (is_damaged)
        time += while_damaged;
    else
        time += while_unreadable;
    left_out_.insert_or_assign(file, time);
    if (suspects_ && is_damaged)
        suspects_->add(file, fault.reason());
}

PartSet::Snapshot::Snapshot(PartSet &set) : set_(set) {
    try {
        while (!begin())
            continue;
    } catch (...) {
        end();
        throw;
    }
}

PartSet::Snapshot::~Snapshot() {
    end();
}

void PartSet::Snapshot::end() {
    for (auto &[file, part] : set_.parts_)
        set_.has_freed_much_ |= part.end();
    try {
        set_.trim_if_due();
    } catch (const StoreFault &) {
        return; // whoever asks that part next meets it
    }
}

// False if files came or went meanwhile: nothing that was read then means anything.
bool PartSet::Snapshot::begin() {
    end();
    try {
        set_.open();
        for (auto &[file, part] : set_.parts_)
            part.begin();
    } catch (const std::exception &) {
        if (!set_.have_changed())
            throw;
        return false;
    }
    return !set_.have_changed();
}

} // namespace portd::store
