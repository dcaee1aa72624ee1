#include "capture/holder_index.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace portd::capture {
namespace {

using model::When;

// Of a visit to a process, in the cost of one link.
constexpr double visit_cost = 8;

struct CloseDirectory {
    void operator()(DIR *directory) const { ::closedir(directory); }
};

// The processes in a proc file system, in ascending order.
std::vector<std::int32_t> list_processes(const std::string &proc_root) {
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(proc_root.c_str()));
    if (!directory)
        throw std::system_error(errno, std::generic_category(), proc_root);
    std::vector<std::int32_t> pids;
    for (;;) {
        errno = 0;
        const auto *entry = ::readdir(directory.get());
        if (!entry && errno != 0)
            throw std::system_error(errno, std::generic_category(), proc_root);
        if (!entry)
            break;
        std::int32_t pid = 0;
        const auto *end = entry->d_name + std::strlen(entry->d_name);
        const auto [stop, error] = std::from_chars(entry->d_name, end, pid);
        if (error == std::errc{} && stop == end && pid > 0)
            pids.push_back(pid);
    }
    std::ranges::sort(pids);
    return pids;
}

// 1, 2, 4... ticks, and not much more than a number can hold.
std::uint64_t backoff_ticks(std::uint32_t attempts) {
    return std::uint64_t{1} << std::min(attempts, 20U);
}

} // namespace

HolderIndex::HolderIndex(const ProcessReader &reader, News news)
    : HolderIndex(reader, news, Settings{}) {}

HolderIndex::HolderIndex(const ProcessReader &reader, News news, Settings settings)
    : reader_(reader), news_(news), settings_(settings) {}

void HolderIndex::expect(Pid pid, Reason reason) {
    auto &expected = expected_.try_emplace(pid, reason).first->second;
    expected = std::max(expected, reason);
    if (expected_.size() > settings_.max_unscanned) {
        expected_.clear();
        events_lost_ = true; // in effect
    }
}

void HolderIndex::process_forked(Pid parent, Pid child, model::Instant at) {
    retire(child, When::sampled(std::nullopt, at)); // its end was missed
    refused_.erase(child);
    const auto holder = processes_.find(parent);
    const auto expected = expected_.find(parent);
    const bool inherits = (holder != processes_.end() && !holder->second.sockets.empty()) ||
                          (expected != expected_.end() && expected->second == Reason::suspect);
    expect(child, inherits ? Reason::suspect : Reason::unscanned);
}

void HolderIndex::process_executed(Pid pid, model::Instant at) {
    refused_.erase(pid);
    const auto known = processes_.find(pid);
    if (known == processes_.end())
        return expect(pid, Reason::unscanned);
    if (at < known->second.read_at)
        return; // that image is the new one
    const bool held = !known->second.sockets.empty();
    retire(pid, When::observed(at));
    expect(pid, held ? Reason::suspect : Reason::unscanned);
}

void HolderIndex::process_exited(Pid pid, const When &at) {
    const auto known = processes_.find(pid);
    if (known != processes_.end() && at.latest && *at.latest < known->second.image->key.started_at)
        return; // an earlier process of this pid
    retire(pid, at);
    expected_.erase(pid);
    refused_.erase(pid);
}

void HolderIndex::process_events_lost() {
    events_lost_ = true;
}

std::vector<HolderIndex::Change> HolderIndex::resolve(std::span<const Inode> inodes_present,
                                                      model::Instant now) {
    ++tick_;
    now_ = now;
    examined_.clear();
    mark_present(inodes_present);
    drop_absent();
    if (events_lost_)
        catch_up();
    examine_suspects();
    if (!unfound_.empty())
        search();
    examine_parents();
    sweep();
    examine_parents();
    previous_tick_at_ = now;
    return std::exchange(changes_, {});
}

bool HolderIndex::is_due(const Socket &socket) const {
    return tick_ >= socket.search_in_tick || !socket.searched_at ||
           now_ - *socket.searched_at >= settings_.longest_backoff;
}

void HolderIndex::mark_present(std::span<const Inode> inodes) {
    unfound_.clear();
    for (const auto inode : inodes) {
        if (inode == 0)
            continue;
        auto &socket = sockets_[inode];
        socket.present_in_tick = tick_;
        if (socket.holders.empty() && is_due(socket))
            unfound_.insert(inode);
    }
}

void HolderIndex::drop_absent() {
    std::erase_if(sockets_, [&](const auto &entry) {
        const auto &[inode, socket] = entry;
        if (socket.present_in_tick == tick_)
            return false;
        for (const auto pid : socket.holders)
            processes_.at(pid).sockets.erase(inode);
        return true;
    });
}

// After news were lost.
void HolderIndex::catch_up() {
    refresh_listing();
    events_lost_ = false;
    std::vector<Pid> holders;
    for (const auto &[pid, known] : processes_)
        holders.push_back(pid);
    for (const auto pid : holders)
        examine(pid, Reading::all);
}

void HolderIndex::examine_suspects() {
    std::vector<Pid> suspects;
    std::erase_if(expected_, [&](const auto &entry) {
        if (entry.second != Reason::suspect)
            return false;
        suspects.push_back(entry.first);
        return true;
    });
    for (const auto pid : suspects)
        examine(pid, Reading::all);
}

// Who opened a socket before he forked is found even if the search ended with his child.
void HolderIndex::examine_parents() {
    while (!parents_.empty()) {
        const auto pid = parents_.back();
        parents_.pop_back();
        examine(pid, Reading::fresh);
    }
}

void HolderIndex::search() {
    if (news_ == News::listing)
        refresh_listing();
    for (const auto &[pid, reason] : std::exchange(expected_, {}))
        examine(pid, Reading::all);

    std::vector<std::pair<model::Instant, Pid>> holders;
    if (!unfound_.empty())
        for (const auto &[pid, known] : processes_)
            holders.emplace_back(known.productive_at, pid);
    std::ranges::sort(holders, std::greater{});
    for (const auto &[productive_at, pid] : holders) {
        if (unfound_.empty())
            break;
        examine(pid, Reading::fresh);
    }
    if (!unfound_.empty() && (tick_ >= next_whole_search_ || !fruitless_at_ ||
                              now_ - *fruitless_at_ >= settings_.longest_backoff))
        search_everybody();
    postpone_unfound();
}

void HolderIndex::search_everybody() {
    const auto sought = unfound_.size();
    if (news_ == News::events || !searched_everybody_)
        refresh_listing();
    const auto pids = listing_;
    for (auto pid = pids.rbegin(); pid != pids.rend(); ++pid) {
        if (unfound_.empty() && searched_everybody_)
            break;
        if (!refused_.contains(*pid))
            examine(*pid, Reading::all);
    }
    searched_everybody_ = true;
    fruitless_searches_ = unfound_.size() < sought ? 0 : fruitless_searches_ + 1;
    // A single one that finds nothing is no reason to doubt the next; a streak is.
    constexpr std::uint32_t patience = 3;
    if (fruitless_searches_ < patience)
        return;
    next_whole_search_ = tick_ + backoff_ticks(fruitless_searches_ - patience + 1);
    fruitless_at_ = now_;
}

void HolderIndex::postpone_unfound() {
    for (const auto inode : unfound_) {
        auto &socket = sockets_.at(inode);
        socket.search_in_tick = tick_ + backoff_ticks(socket.searches++);
        socket.searched_at = now_;
    }
}

// Lists /proc, forgets what is no longer there, and expects who is new where no events tell.
void HolderIndex::refresh_listing() {
    auto listing = list_processes(reader_.proc_root());
    ++counters_.listings;
    if (!listing_.empty() && (news_ == News::listing || events_lost_))
        for (const auto pid : listing)
            if (!std::ranges::binary_search(listing_, pid)) {
                refused_.erase(pid);
                expected_.try_emplace(pid, events_lost_ ? Reason::suspect : Reason::unscanned);
            }
    listing_ = std::move(listing);
    const auto is_gone = [&](Pid pid) { return !std::ranges::binary_search(listing_, pid); };
    std::vector<Pid> ended;
    for (const auto &[pid, known] : processes_)
        if (is_gone(pid))
            ended.push_back(pid);
    for (const auto pid : ended)
        retire(pid, std::nullopt);
    std::erase_if(expected_, [&](const auto &entry) { return is_gone(entry.first); });
    std::erase_if(refused_, is_gone);
}

void HolderIndex::sweep() {
    if (!previous_tick_at_ || now_ <= *previous_tick_at_ || sockets_.empty())
        return;
    const auto start_round = [&] {
        refresh_listing();
        sweep_queue_ = listing_;
        constexpr double guess = 2 * visit_cost;
        round_cost_ =
            round_spent_ > 0 ? round_spent_ : static_cast<double>(listing_.size()) * guess;
        round_spent_ = 0;
    };
    bool may_start = true;
    if (round_cost_ == 0) {
        start_round();
        may_start = false;
    }
    const std::chrono::duration<double> elapsed = now_ - *previous_tick_at_;
    const std::chrono::duration<double> round = settings_.revisit_every;
    sweep_credit_ = std::min(sweep_credit_ + round_cost_ * (elapsed / round), round_cost_);
    while (sweep_credit_ > 0) {
        if (sweep_queue_.empty()) {
            if (!std::exchange(may_start, false))
                return;
            start_round();
        }
        if (sweep_queue_.empty())
            return;
        const auto pid = sweep_queue_.back();
        sweep_queue_.pop_back();
        const auto before = counters_.links_read;
        examine(pid, Reading::all);
        const auto spent = visit_cost + static_cast<double>(counters_.links_read - before);
        sweep_credit_ -= spent;
        round_spent_ += spent;
        round_cost_ = std::max(round_cost_, round_spent_); // the guess was too low
    }
}

SocketLinks HolderIndex::walk(const OpenProcess &process, const Known *known) {
    const auto skip = [&](std::int32_t descriptor) {
        if (!known)
            return false;
        const auto found = std::ranges::lower_bound(known->descriptors, descriptor, std::less{},
                                                    &SocketDescriptor::descriptor);
        if (found == known->descriptors.end() || found->descriptor != descriptor ||
            !known->sockets.contains(found->inode))
            return false;
        // What another process holds too may have been closed here, and its descriptor taken anew:
        // so does a server that forks for each connection.
        return sockets_.at(found->inode).holders.size() == 1;
    };
    auto links = read_socket_links(process, skip);
    ++counters_.directories_walked;
    counters_.links_read += links.links_read;
    return links;
}

void HolderIndex::examine(Pid pid, Reading reading) {
    if (!examined_.insert(pid).second)
        return;
    ++counters_.processes_examined;
    const auto process = reader_.open(pid);
    const auto stamp = process ? reader_.read_stamp(*process) : std::nullopt;
    if (!stamp || stamp->life == ImageStamp::Life::over)
        return retire(pid, std::nullopt);
    if (!stamp->is_settled())
        return;
    auto known = processes_.find(pid);
    const bool same = known != processes_.end() && known->second.stamp == *stamp;
    auto links = walk(*process, same && reading == Reading::fresh ? &known->second : nullptr);
    if (links.outcome == SocketLinks::Outcome::gone)
        return retire(pid, std::nullopt);
    if (links.outcome == SocketLinks::Outcome::refused) {
        refused_.insert(pid);
        return;
    }
    refused_.erase(pid);
    std::erase_if(links.sockets, [&](const auto &s) { return !sockets_.contains(s.inode); });
    if (links.sockets.empty() && known == processes_.end())
        return;

    std::optional<model::Process> image;
    if (!same && !links.sockets.empty())
        image = reader_.read(*process);
    if (reader_.read_stamp(*process) != stamp)
        return expect(pid, Reason::suspect);
    if (!same) {
        retire(pid, std::nullopt);
        if (!image)
            return;
        Known fresh;
        fresh.stamp = *stamp;
        fresh.image = std::make_shared<const model::Process>(std::move(*image));
        fresh.read_at = now_;
        fresh.productive_at = now_;
        known = processes_.emplace(pid, std::move(fresh)).first;
    }
    std::vector<SocketDescriptor> skipped;
    for (const auto descriptor : links.skipped)
        skipped.push_back(*std::ranges::lower_bound(known->second.descriptors, descriptor,
                                                    std::less{}, &SocketDescriptor::descriptor));
    note_holdings(pid, known->second, std::move(links.sockets), std::move(skipped));
    if (!same)
        suspect_parent(known->second);
    if (known->second.sockets.empty() &&
        now_ - known->second.productive_at > settings_.revisit_every)
        processes_.erase(known);
}

// A new holder may have inherited what it has.
void HolderIndex::suspect_parent(const Known &heir) {
    if (heir.image->ancestors.empty())
        return;
    const auto pid = heir.image->ancestors.front().pid;
    const auto parent = processes_.find(pid);
    const auto parent_has = [&](const auto &entry) {
        return parent != processes_.end() && parent->second.sockets.contains(entry.first);
    };
    if (!std::ranges::all_of(heir.sockets, parent_has))
        parents_.push_back(pid);
}

// The process has the sockets whose links were read, and those which were not read and are taken to
// be what they were; whatever else it had it let go of.
void HolderIndex::note_holdings(Pid pid, Known &known, std::vector<SocketDescriptor> read,
                                std::vector<SocketDescriptor> skipped) {
    std::unordered_map<Inode, model::Instant> held;
    for (const auto &socket : skipped)
        held.emplace(socket.inode, known.sockets.at(socket.inode));
    for (const auto &socket : read)
        held.insert_or_assign(socket.inode, now_);
    for (const auto &[inode, last_seen] : known.sockets) {
        if (held.contains(inode))
            continue;
        changes_.push_back(
            {inode, Change::Kind::gone, known.image, When::sampled(last_seen, now_)});
        let_go(pid, inode);
    }
    for (const auto &[inode, seen_at] : held) {
        if (known.sockets.contains(inode))
            continue;
        changes_.push_back({inode, Change::Kind::seen, known.image, When::observed(now_)});
        sockets_.at(inode).holders.push_back(pid);
        unfound_.erase(inode);
        known.productive_at = now_;
    }
    known.sockets = std::move(held);
    known.descriptors = std::move(read);
    known.descriptors.insert(known.descriptors.end(), skipped.begin(), skipped.end());
    std::ranges::sort(known.descriptors, std::less{}, &SocketDescriptor::descriptor);
}

// The image is no more, since `at`: or, where that is not known, some time since each socket was
// last seen with it.
void HolderIndex::retire(Pid pid, const std::optional<When> &at) {
    const auto known = processes_.find(pid);
    if (known == processes_.end())
        return;
    for (const auto &[inode, last_seen] : known->second.sockets) {
        auto when = at.value_or(When::sampled(last_seen, now_));
        if (when.provenance != Provenance::observed)
            when.earliest = std::max(when.earliest.value_or(last_seen), last_seen);
        changes_.push_back({inode, Change::Kind::gone, known->second.image, when});
        let_go(pid, inode);
    }
    processes_.erase(known);
}

// A socket whose last known holder is gone and which is still there has another one: the next tick
// searches.
void HolderIndex::let_go(Pid pid, Inode inode) {
    auto &socket = sockets_.at(inode);
    std::erase(socket.holders, pid);
    if (socket.holders.empty()) {
        socket.searches = 0;
        socket.search_in_tick = 0;
    }
}

} // namespace portd::capture
