// Which processes hold which sockets, found out with as little walking of /proc/*/fd as possible.
//
// A socket is named by its inode here, which is what both the socket tables and the links in
// /proc/PID/fd have. Once a tick the index is told which inodes there are. As long as it knows a
// holder of each, and hears of no new process, it reads nothing. A new inode starts a search that
// stops when every new inode is found:
//
//   1. the processes that were forked or have executed a program since they were last looked at;
//   2. the known holders, the most recently successful first. Links that are known to be sockets
//      which are still there, and are this process's alone, are not read again;
//   3. all others, the newest first.
//
// The first search looks at everybody. An inode that a whole search did not find (the kernel's own
// sockets, a descriptor in flight, a process that refuses even root) is searched again after 1, 2,
// 4... ticks; searches of kind 3 that find nothing become as rare.
//
// Because a search stops early, and descriptors can be passed and closed at any time, a sweep goes
// round all processes in the background, in a budget per tick that brings it round once in
// `revisit_every`. A visit costs about 30 µs and 3 µs more for each descriptor: 20,000 descriptors
// in 500 processes, revisited every 30 s, are 0.3 % of one CPU. The descriptors of one process are
// read in one go. The children of a holder inherit its sockets and are looked at in the next tick;
// so is the parent of a process that turned out to be a holder.
//
// Nobody is charged with a socket that he may not have had: the process is read through one open
// directory (see process_reader.hpp), its image is stamped before and after its descriptors are
// read, and the sighting is dropped if it executed another program in between.
//
// Threads share their descriptors, so only whole processes are looked at. A process whose first
// thread has ended while others go on shows no descriptors there: it keeps what it is known to
// hold.
#pragma once

#include "capture/process_reader.hpp"
#include "capture/socket_links.hpp"
#include "model/process.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace portd::capture {

class HolderIndex {
  public:
    using Pid = std::int32_t;
    using Inode = std::uint32_t;

    // How it learns of new processes.
    enum class News : std::uint8_t {
        events,  // from process_forked() and the like, all of them
        listing, // by comparing lists of /proc, when there is something to search
    };

    struct Settings {
        model::Duration revisit_every = std::chrono::seconds(30);
        model::Duration longest_backoff = std::chrono::seconds(30);
        std::size_t max_unscanned = 65536; // new processes remembered until they are looked at
    };

    struct Change {
        enum class Kind : std::uint8_t { seen, gone };

        Inode inode = 0;
        Kind kind = Kind::seen;
        model::ProcessRef process;
        model::When at; // observed for `seen`
    };

    // What was read of /proc, since the beginning.
    struct Counters {
        std::uint64_t listings = 0;
        std::uint64_t processes_examined = 0;
        std::uint64_t directories_walked = 0; // /proc/PID/fd
        std::uint64_t links_read = 0;
    };

    // The reader must outlive the index; its proc_root() is the one that is searched.
    HolderIndex(const ProcessReader &reader, News news);
    HolderIndex(const ProcessReader &reader, News news, Settings settings);

    // What the kernel says of processes, in its order.
    void process_forked(Pid parent, Pid child, model::Instant at);
    void process_executed(Pid pid, model::Instant at);
    void process_exited(Pid pid, const model::When &at);
    // Some of that was lost. The next tick looks again at all known holders and for new processes.
    void process_events_lost();

    // A tick. `inodes_present` are those of all recorded sockets, in any order; zeros and
    // repetitions are passed over. `now` is after the tables were read; the look that follows
    // counts as one instant, `now`.
    //
    // The changes since the last tick, in the order in which they became known: an image that an
    // exec replaced goes before the new one is seen. `gone` also comes for inodes that are no
    // longer present, if their holder is known to have exited or executed a program since the last
    // tick; otherwise what is no longer present is forgotten without a word, as its absence says
    // that all let go of it.
    //
    // A fault of /proc (too many open files, an I/O error) is thrown as std::system_error; changes
    // found so far are kept for the next call.
    std::vector<Change> resolve(std::span<const Inode> inodes_present, model::Instant now);

    // Processes whose descriptors may not be read: unknown holders may be among them.
    std::size_t refused_processes() const { return refused_.size(); }
    const Counters &counters() const { return counters_; }

  private:
    // Which links of a known holder are read.
    enum class Reading : std::uint8_t { all, fresh };
    // Why a process is to be looked at: nobody did yet, or it has probably inherited sockets. The
    // latter does not wait for a search.
    enum class Reason : std::uint8_t { unscanned, suspect };

    struct Socket {
        std::vector<Pid> holders;
        std::uint64_t present_in_tick = 0;
        std::uint64_t search_in_tick = 0; // not before, while nobody is known
        std::optional<model::Instant> searched_at;
        std::uint32_t searches = 0;
    };

    struct Known {
        ImageStamp stamp;
        model::ProcessRef image;
        model::Instant read_at{};
        model::Instant productive_at{};                    // when a new socket was last found in it
        std::unordered_map<Inode, model::Instant> sockets; // and when each was last seen
        std::vector<SocketDescriptor> descriptors; // sorted; of sockets that were recorded then
    };

    void mark_present(std::span<const Inode> inodes);
    void drop_absent();
    void catch_up();
    void examine_suspects();
    void examine_parents();
    void search();
    void search_everybody();
    void postpone_unfound();
    void sweep();
    void refresh_listing();

    void examine(Pid pid, Reading reading);
    SocketLinks walk(const OpenProcess &process, const Known *known);
    void note_holdings(Pid pid, Known &known, std::vector<SocketDescriptor> read,
                       std::vector<SocketDescriptor> skipped);
    void suspect_parent(const Known &heir);
    void retire(Pid pid, const std::optional<model::When> &at);
    void let_go(Pid pid, Inode inode);
    void expect(Pid pid, Reason reason);
    bool is_due(const Socket &socket) const;

    const ProcessReader &reader_;
    News news_;
    Settings settings_;
    Counters counters_;

    std::unordered_map<Inode, Socket> sockets_;
    std::unordered_map<Pid, Known> processes_; // that hold, or recently held, recorded sockets
    std::unordered_map<Pid, Reason> expected_; // to be looked at
    std::unordered_set<Pid> refused_;
    std::vector<Pid> listing_; // the last list of /proc, sorted
    bool events_lost_ = false;
    bool searched_everybody_ = false;

    std::uint64_t tick_ = 0;
    model::Instant now_{};
    std::optional<model::Instant> previous_tick_at_;
    std::unordered_set<Pid> examined_;  // in this tick
    std::unordered_set<Inode> unfound_; // in this tick, and due
    std::vector<Pid> parents_;          // of new holders
    std::vector<Change> changes_;

    std::uint32_t fruitless_searches_ = 0; // of everybody, in a row
    std::uint64_t next_whole_search_ = 0;  // tick
    std::optional<model::Instant> fruitless_at_;

    std::vector<Pid> sweep_queue_;
    double sweep_credit_ = 0; // in visits' cost, see visit_cost
    double round_cost_ = 0;
    double round_spent_ = 0;
};

} // namespace portd::capture
