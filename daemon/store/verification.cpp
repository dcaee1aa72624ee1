#include "store/verification.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace portd::store {

std::vector<std::string> findings_in_record(const std::vector<PartFile> &files,
                                            const std::vector<CheckedFile> &checked) {
    std::vector<std::string> findings;
    for (std::size_t i = 1; i < files.size(); ++i)
        if (files[i].number != files[i - 1].number + 1)
            findings.push_back("the files between " + std::to_string(files[i - 1].number) +
                               " and " + std::to_string(files[i].number) + " are missing");
    for (const CheckedFile &file : checked) {
        const std::string where = file.report.file + ": ";
        for (const proto::CoverageInterval &interval : file.intervals)
            if (interval.since_usec > interval.until_usec)
                findings.push_back(where + "an interval of coverage ends before it begins");
        for (const proto::Gap &gap : file.gaps) {
            if (gap.since_usec && gap.until_usec && *gap.since_usec > *gap.until_usec)
                findings.push_back(where + "a gap ends before it begins");
            if (gap.cause.empty())
                findings.push_back(where + "a gap has no cause");
        }
    }
    return findings;
}

Verification::Verification(std::filesystem::path state_directory, std::shared_ptr<void> place)
    : directory_(std::move(state_directory)),
      place_(std::move(place)),
      thread_([this] { run(); }) {}

// SQLite looks at `stop_` every few thousand steps.
Verification::~Verification() {
    stop_ = true;
    thread_.join();
}

std::optional<proto::VerifyReply> Verification::next() {
    const std::scoped_lock lock(mutex_);
    if (fault_)
        std::rethrow_exception(std::exchange(fault_, nullptr));
    if (!told_.empty()) {
        proto::VerifyReply reply = std::move(told_.front());
        told_.pop_front();
        return reply;
    }
    if (!progress_)
        return std::nullopt;
    proto::VerifyReply reply;
    reply.progress = std::exchange(progress_, std::nullopt);
    return reply;
}

void Verification::run() {
    try {
        check_all();
    } catch (...) {
        const std::scoped_lock lock(mutex_);
        fault_ = std::current_exception();
    }
}

void Verification::check_all() {
    const std::vector<PartFile> files = list_parts(directory_);
    std::vector<CheckedFile> checked;
    std::vector<PartFile> present;
    bool sound = true;
    for (const PartFile &file : files) {
        if (stop_)
            return;
        const std::string name = path_of(directory_, file).filename().string();
        auto one = check_file(
            directory_, file,
            [&](std::int64_t rows) {
                const std::scoped_lock lock(mutex_);
                progress_ = proto::VerifyProgress{name, rows};
            },
            stop_);
        // Meanwhile it may have been sealed under its other name, or dropped as the oldest.
        const auto now = list_parts(directory_);
        if (!std::ranges::binary_search(now, file) && !one.report.findings.empty())
            continue;
        present.push_back(file);
        sound = sound && one.report.findings.empty();
        proto::VerifyReply reply;
        reply.file = one.report;
        checked.push_back(std::move(one));
        tell(std::move(reply));
    }
    proto::VerifyReply last;
    last.record = findings_in_record(present, checked);
    last.sound = sound && last.record.empty();
    tell(std::move(last));
}

void Verification::tell(proto::VerifyReply reply) {
    const std::scoped_lock lock(mutex_);
    progress_.reset();
    told_.push_back(std::move(reply));
}

} // namespace portd::store
