#include "capture/image_table.hpp"

#include "capture/control_group.hpp"
#include "capture/process_bytes.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <ranges>
#include <unistd.h>

namespace portd::capture {
namespace {

// As in /proc/PID/stat: in whole clock ticks.
model::ProcessKey key_of(const ImageId &id) {
    static const auto tick_ns =
        std::uint64_t{1'000'000'000} / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    const auto started_at_us = id.started_at_ns / tick_ns * tick_ns / 1000;
    return {static_cast<std::int32_t>(id.pid),
            model::instant_from_us(static_cast<std::int64_t>(started_at_us))};
}

bool is_bare(const model::Process &process) {
    return process.command.empty() && !process.executable && !process.arguments;
}

// The kinds of news.
enum class News : std::uint8_t { told, forked, ended };

void write_told(ByteWriter &news, const ImageId &id, const model::Process &process) {
    news.put(News::told);
    news.put(id);
    put_process(news, process);
}

// Of the parent, what a child may need.
void write_forked(ByteWriter &news, const ImageId &child, const model::Process &parent) {
    news.put(News::forked);
    news.put(child);
    news.put_text(parent.executable);
    news.put_text(parent.arguments);
}

void write_ended(ByteWriter &news, const ImageId &id, model::Instant at) {
    news.put(News::ended);
    news.put(id);
    news.put(at);
}

} // namespace

ImageTable::ImageTable(ArgumentPolicy arguments, std::string proc_root)
    : reader_(arguments, std::move(proc_root)), policy_(arguments) {}

const model::ProcessRef &ImageTable::kernel() {
    static const model::ProcessRef kernel = [] {
        model::Process process;
        process.command = "kernel";
        return std::make_shared<const model::Process>(process);
    }();
    return kernel;
}

ImageTable::Told ImageTable::told(const ImageTold &facts) {
    const auto known = images_.find(facts.image);
    if (known != images_.end() && !is_bare(*known->second))
        return {known->second, nullptr};
    Told told;
    told.image = std::make_shared<const model::Process>(make(facts));
    write_told(news_, facts.image, *told.image);
    if (const auto replaced = learn(facts.image, told.image)) {
        told.replaced = find(*replaced);
        write_ended(news_, *replaced, facts.at);
        retire(*replaced, facts.at);
    }
    return told;
}

// The image that it replaced, if that is known.
std::optional<ImageId> ImageTable::learn(const ImageId &id, model::ProcessRef process) {
    std::optional<ImageId> replaced;
    const auto [latest, is_first] = latest_.try_emplace(id.pid, id);
    if (!is_first && latest->second.started_at_ns == id.started_at_ns &&
        latest->second.exec_id < id.exec_id)
        replaced = latest->second;
    latest->second = id;
    images_.insert_or_assign(id, std::move(process));
    parents_.erase(id);
    parents_.erase({id.started_at_ns, id.pid, id.exec_id - 1});
    return replaced;
}

void ImageTable::forked(const ImageForked &forked) {
    const auto parent = images_.find(forked.parent);
    if (parent == images_.end())
        return;
    write_forked(news_, forked.child, *parent->second);
    parents_.insert_or_assign(forked.child, parent->second);
}

model::ProcessRef ImageTable::ended(const ImageEnded &end) {
    const auto known = images_.find(end.image);
    if (known == images_.end())
        return nullptr;
    write_ended(news_, end.image, end.at);
    retire(end.image, end.at);
    return known->second;
}

model::ProcessRef ImageTable::find(const ImageId &id) {
    const auto known = images_.find(id);
    if (known != images_.end())
        return known->second;
    model::Process bare;
    bare.key = key_of(id);
    return images_.emplace(id, std::make_shared<const model::Process>(bare)).first->second;
}

model::ProcessRef ImageTable::before_exec(const ImageId &id) const {
    const auto known = images_.find({id.started_at_ns, id.pid, id.exec_id - 1});
    return known == images_.end() ? nullptr : known->second;
}

model::Process ImageTable::make(const ImageTold &facts) {
    model::Process process;
    process.key = key_of(facts.image);
    process.executable = facts.executable;
    process.command = facts.command;
    if (!facts.arguments.empty())
        process.arguments = reader_.kept(facts.arguments);
    process.uid = facts.uid;
    process.gid = facts.gid;
    process.login_uid = facts.login_uid;
    process.control_group = facts.control_group;
    process.ancestors = facts.ancestors;
    if (!process.executable && facts.was_forked)
        complete_from_parent(process, facts.image);
    if (!process.executable || (!process.arguments && policy_ != ArgumentPolicy::off) ||
        process.control_group == "/")
        complete_from_proc(process);
    name_group(process);
    return process;
}

// A process that was forked and has executed nothing runs what its parent ran then.
void ImageTable::complete_from_parent(model::Process &process, const ImageId &id) const {
    const auto parent = parents_.find(id);
    if (parent == parents_.end())
        return;
    process.executable = parent->second->executable;
    process.arguments = parent->second->arguments;
}

// If it is still there, and still this image: the command's name and the program tell.
void ImageTable::complete_from_proc(model::Process &process) const {
    const auto now = reader_.read(process.key.pid);
    if (!now || now->key != process.key || now->command != process.command ||
        (process.executable && now->executable && *process.executable != *now->executable))
        return;
    if (!process.executable)
        process.executable = now->executable;
    if (!process.arguments)
        process.arguments = now->arguments;
    if (now->control_group && process.control_group == "/")
        process.control_group = now->control_group; // of a hybrid hierarchy, cgroups(7)
}

// Images of one process in the order in which they replaced each other.
std::vector<std::byte> ImageTable::everything() const {
    std::vector<ImageId> ids;
    for (const auto &[id, _] : images_)
        ids.push_back(id);
    std::ranges::sort(ids);
    ByteWriter all;
    for (const auto &id : ids)
        write_told(all, id, *images_.at(id));
    for (const auto &[child, parent] : parents_)
        write_forked(all, child, *parent);
    for (const auto &[at, id] : retired_)
        write_ended(all, id, at);
    return all.take();
}

void ImageTable::recall(std::span<const std::byte> news) {
    for (ByteReader reader(news); !reader.is_at_end();) {
        const auto kind = reader.get<News>();
        const auto id = reader.get<ImageId>();
        if (kind == News::told) {
            learn(id, std::make_shared<const model::Process>(get_process(reader)));
        } else if (kind == News::forked) {
            model::Process parent;
            parent.executable = reader.get_optional_text();
            parent.arguments = reader.get_optional_text();
            parents_.insert_or_assign(id, std::make_shared<const model::Process>(parent));
        } else {
            retire(id, reader.get<model::Instant>());
        }
    }
}

void ImageTable::retire(const ImageId &id, model::Instant at) {
    retired_.emplace_back(at, id);
}

void ImageTable::tidy(model::Instant now) {
    while (!retired_.empty() && now - retired_.front().first > kept_after_end) {
        const auto id = retired_.front().second;
        retired_.pop_front();
        images_.erase(id);
        const auto latest = latest_.find(id.pid);
        if (latest != latest_.end() && latest->second == id)
            latest_.erase(latest);
    }
    if (images_.size() + parents_.size() > tidy_beyond_) {
        drop_vanished();
        tidy_beyond_ = std::max<std::size_t>(4096, 2 * (images_.size() + parents_.size()));
    }
}

// Ends are not told of images that the BPF program has forgotten, nor where the ring was full.
void ImageTable::drop_vanished() {
    const auto is_gone = [](const auto &entry) {
        return ::kill(static_cast<pid_t>(entry.first.pid), 0) != 0 && errno == ESRCH;
    };
    std::erase_if(images_, is_gone);
    std::erase_if(parents_, is_gone);
    std::erase_if(latest_, [this](const auto &entry) { return !images_.contains(entry.second); });
}

} // namespace portd::capture
