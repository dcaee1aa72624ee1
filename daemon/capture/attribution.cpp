#include "capture/attribution.hpp"

#include <system_error>
#include <utility>
#include <variant>

namespace portd::capture {

Attribution::Attribution(ArgumentPolicy arguments, std::string proc_root)
    : reader_(std::make_unique<ProcessReader>(arguments, std::move(proc_root))) {
    try {
        events_ = std::make_unique<ProcessEvents>();
    } catch (const std::system_error &error) {
        no_events_reason_ = error.what();
    }
    index_ = std::make_unique<HolderIndex>(*reader_, events_ ? HolderIndex::News::events
                                                             : HolderIndex::News::listing);
}

std::vector<std::string> Attribution::limitations() const {
    std::vector<std::string> limitations;
    if (!no_events_reason_.empty())
        limitations.push_back("no process events (" + no_events_reason_ +
                              "): new processes are found by listing /proc, which costs more");
    if (index_->refused_processes() > 0)
        limitations.emplace_back("some processes do not show their descriptors: whoever holds "
                                 "their sockets stays unknown");
    if (!search_fault_.empty())
        limitations.push_back("holders of new sockets stay unknown: " + search_fault_);
    return limitations;
}

std::vector<int> Attribution::descriptors() const {
    if (!events_)
        return {};
    return {events_->fd()};
}

void Attribution::read_process_events() {
    if (!events_)
        return;
    const auto read = events_->read_all([this](const ProcessEvent &event) {
        if (const auto *forked = std::get_if<ProcessForked>(&event))
            index_->process_forked(forked->parent, forked->child, forked->at);
        else if (const auto *executed = std::get_if<ProcessExecuted>(&event))
            index_->process_executed(executed->pid, executed->at);
        else if (const auto *exited = std::get_if<ProcessExited>(&event))
            index_->process_exited(exited->pid, exited->at);
    });
    if (read.losses > 0 || read.malformed > 0)
        index_->process_events_lost();
}

void Attribution::present(std::uint32_t inode, const model::SocketKey &key) {
    inodes_.push_back(inode);
    keys_.push_back(key);
}

void Attribution::resolve(model::Instant now, const Sink &sink) {
    std::vector<HolderIndex::Change> changes;
    try {
        changes = index_->resolve(inodes_, now);
        search_fault_.clear();
    } catch (const std::system_error &error) {
        search_fault_ = error.what();
    }
    if (!changes.empty()) {
        std::unordered_map<std::uint32_t, model::SocketKey> key_of;
        for (std::size_t i = 0; i < previous_inodes_.size(); ++i)
            key_of.insert_or_assign(previous_inodes_[i], previous_keys_[i]);
        for (std::size_t i = 0; i < inodes_.size(); ++i)
            key_of.insert_or_assign(inodes_[i], keys_[i]);
        for (const auto &change : changes) {
            const auto key = key_of.find(change.inode);
            if (key == key_of.end())
                continue;
            switch (change.kind) {
            case HolderIndex::Change::Kind::seen:
                sink(model::HolderSeen{key->second, change.process, now});
                break;
            case HolderIndex::Change::Kind::gone:
                sink(model::HolderGone{key->second, change.process->key, change.at});
                break;
            }
        }
    }
    previous_inodes_.swap(inodes_);
    previous_keys_.swap(keys_);
    inodes_.clear();
    keys_.clear();
}

} // namespace portd::capture
