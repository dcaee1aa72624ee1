#include "capture/holder_index.hpp"
#include "processes.hpp"

#include <array>
#include <cstring>
#include <deque>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <sys/mman.h>
#include <vector>

namespace portd::capture {
namespace {

using model::When;
using testing::Child;
using testing::inode_of;
using testing::OnExec;
using testing::open_socket;
using testing::Signal;
using testing::TemporaryDirectory;
using Change = HolderIndex::Change;
using Kind = Change::Kind;
using News = HolderIndex::News;
using Pids = std::set<std::int32_t>;
using namespace std::chrono_literals;

// An inode that no socket has: they count up from 1.
constexpr std::uint32_t nobodys = 4294967290;

// The index, a clock cranked by hand, and what the last tick changed and read.
class Watch {
  public:
    explicit Watch(News news, std::string proc_root = "/proc", HolderIndex::Settings settings = {})
        : reader_(ArgumentPolicy::redacted, std::move(proc_root)), index(reader_, news, settings) {}

    void tick(const std::vector<std::uint32_t> &inodes, model::Duration later = 0s) {
        now += later;
        before_ = index.counters();
        changes = index.resolve(inodes, now);
    }

    Pids seen(std::uint32_t inode) const { return pids(Kind::seen, inode); }
    Pids gone(std::uint32_t inode) const { return pids(Kind::gone, inode); }
    const Change &only(Kind kind, std::uint32_t inode) const {
        const Change *found = nullptr;
        for (const auto &change : changes)
            if (change.kind == kind && change.inode == inode) {
                EXPECT_EQ(found, nullptr) << "more than one";
                found = &change;
            }
        return found ? *found : throw std::runtime_error("no such change");
    }

    std::uint64_t listings() const { return index.counters().listings - before_.listings; }
    std::uint64_t examined() const {
        return index.counters().processes_examined - before_.processes_examined;
    }
    std::uint64_t walked() const {
        return index.counters().directories_walked - before_.directories_walked;
    }
    std::uint64_t links() const { return index.counters().links_read - before_.links_read; }

    void expect_nothing_read() const {
        EXPECT_EQ(listings(), 0U);
        EXPECT_EQ(examined(), 0U);
        EXPECT_EQ(walked(), 0U);
        EXPECT_EQ(links(), 0U);
    }

  private:
    Pids pids(Kind kind, std::uint32_t inode) const {
        Pids found;
        for (const auto &change : changes)
            if (change.kind == kind && change.inode == inode)
                found.insert(change.process->key.pid);
        return found;
    }

    ProcessReader reader_;
    HolderIndex::Counters before_;

  public:
    HolderIndex index;
    model::Instant now = model::instant_from_us(1'000'000'000'000);
    std::vector<Change> changes;
};

const std::int32_t self = ::getpid();

std::string own_command() {
    std::string command;
    std::getline(std::ifstream("/proc/self/comm"), command);
    return command;
}

// Waits until a child runs `program`.
void await_executable(std::int32_t pid, const std::string &program) {
    const ProcessReader reader(ArgumentPolicy::off);
    for (;;) {
        const auto process = reader.open(pid);
        ASSERT_TRUE(process);
        const auto stamp = reader.read_stamp(*process);
        ASSERT_TRUE(stamp);
        if (stamp->is_settled() && stamp->executable && stamp->executable->ends_with("/" + program))
            return;
    }
}

void run_sleep() {
    ::execl("/bin/sleep", "sleep", "1000", nullptr);
}

TEST(SocketLink, IsASocketsOnly) {
    EXPECT_EQ(parse_socket_link("socket:[12]"), 12U);
    EXPECT_EQ(parse_socket_link("socket:[4294967295]"), 4294967295U);
    for (const auto *text : {"", "socket:[", "socket:[]", "socket:[12", "socket:[-1]",
                             "socket:[1 ]", "socket:[4294967296]", "pipe:[12]", "/tmp/socket:[12]"})
        EXPECT_FALSE(parse_socket_link(text)) << text;
}

TEST(HolderIndex, ReadsNothingInASteadyTick) {
    const auto socket = open_socket();
    const auto inode = inode_of(socket);
    Watch watch(News::events);
    watch.tick({inode});
    EXPECT_EQ(watch.seen(inode), Pids{self});
    EXPECT_EQ(watch.only(Kind::seen, inode).at, When::observed(watch.now));
    EXPECT_EQ(watch.only(Kind::seen, inode).process->command, own_command());
    for (int i = 0; i < 3; ++i) {
        watch.tick({inode, 0, inode});
        EXPECT_TRUE(watch.changes.empty());
        watch.expect_nothing_read();
    }
    watch.tick({});
    EXPECT_TRUE(watch.changes.empty());
    watch.expect_nothing_read();
}

TEST(HolderIndex, LooksForANewSocketWhereOthersWereFound) {
    const auto first = open_socket();
    Watch watch(News::events);
    watch.tick({inode_of(first)});
    const auto everything = watch.links();
    const auto second = open_socket();
    const auto third = open_socket();
    watch.tick({inode_of(first), inode_of(second), inode_of(third)});
    EXPECT_EQ(watch.seen(inode_of(second)), Pids{self});
    EXPECT_EQ(watch.seen(inode_of(third)), Pids{self});
    EXPECT_TRUE(watch.seen(inode_of(first)).empty());
    EXPECT_EQ(watch.walked(), 1U);
    EXPECT_EQ(watch.listings(), 0U);
    EXPECT_LT(watch.links(), everything);
}

// A descriptor known to be a socket is not read again.
TEST(HolderIndex, ReadsOnlyFreshLinksOfAHolder) {
    std::vector<std::uint32_t> inodes;
    std::deque<system::Fd> sockets;
    const auto open_one = [&] {
        sockets.push_back(open_socket());
        inodes.push_back(inode_of(sockets.back()));
    };
    for (int i = 0; i < 200; ++i)
        open_one();
    Watch watch(News::events);
    watch.tick(inodes);
    EXPECT_EQ(watch.changes.size(), 200U);
    open_one();
    watch.tick(inodes);
    EXPECT_EQ(watch.seen(inodes.back()), Pids{self});
    EXPECT_LT(watch.links(), 100U);
}

TEST(HolderIndex, FindsBothWhoOpenedAndWhoInherited) {
    for (const auto news : {News::events, News::listing}) {
        const auto socket = open_socket();
        const auto inode = inode_of(socket);
        Child child(testing::sleep_until_killed);
        Watch watch(news);
        watch.tick({inode});
        EXPECT_EQ(watch.seen(inode), (Pids{self, child.pid()}));
    }
}

TEST(HolderIndex, LooksAtAHoldersChildrenWithoutASearch) {
    const auto socket = open_socket();
    const auto inode = inode_of(socket);
    Watch watch(News::events);
    watch.tick({inode});
    Signal ready;
    std::array<int, 2> pids{};
    testing::require(::pipe(pids.data()) == 0, "pipe");
    Child child([&] {
        Child grandchild(testing::sleep_until_killed);
        const auto pid = grandchild.pid();
        testing::require(::write(pids[1], &pid, sizeof pid) == sizeof pid, "write");
        testing::sleep_until_killed();
    });
    std::int32_t grandchild = 0;
    ASSERT_EQ(::read(pids[0], &grandchild, sizeof grandchild),
              static_cast<ssize_t>(sizeof grandchild));
    watch.index.process_forked(self, child.pid(), watch.now);
    watch.index.process_forked(child.pid(), grandchild, watch.now);
    watch.tick({inode});
    EXPECT_EQ(watch.seen(inode), (Pids{child.pid(), grandchild}));
    EXPECT_EQ(watch.walked(), 2U);
    watch.tick({inode});
    watch.expect_nothing_read();
    ::kill(grandchild, SIGKILL);
    ::close(pids[0]);
    ::close(pids[1]);
}

TEST(HolderIndex, LooksAtOthersChildrenOnlyToSearch) {
    const auto socket = open_socket();
    Watch watch(News::events);
    watch.tick({inode_of(socket)});
    Signal ready;
    Child child([&] {
        ready.raise();
        testing::sleep_until_killed();
    });
    ASSERT_TRUE(ready.await());
    watch.index.process_forked(1, child.pid(), watch.now); // not a holder's, as far as is known
    watch.tick({inode_of(socket)});
    watch.expect_nothing_read();
    const auto another = open_socket();
    watch.tick({inode_of(socket), inode_of(another)});
    EXPECT_EQ(watch.seen(inode_of(socket)), Pids{child.pid()});
    EXPECT_EQ(watch.seen(inode_of(another)), Pids{self});
}

TEST(HolderIndex, FindsNewProcessesByListingWithoutEvents) {
    Watch watch(News::listing);
    const auto first = open_socket();
    watch.tick({inode_of(first)});
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    Child child(testing::sleep_until_killed);
    socket.reset();
    watch.tick({inode_of(first), inode});
    EXPECT_EQ(watch.seen(inode), Pids{child.pid()});
    EXPECT_EQ(watch.seen(inode_of(first)), Pids{child.pid()});
    EXPECT_EQ(watch.listings(), 1U);
    // Itself, as a parent of a holder, and those that began meanwhile on this machine.
    EXPECT_LT(watch.walked(), 50U);
}

// The parent of a new holder is looked at, though nothing was left to find.
TEST(HolderIndex, FindsTheParentOfAnHeir) {
    Watch watch(News::events);
    const auto other = open_socket();
    watch.tick({inode_of(other)});
    const auto socket = open_socket();
    const auto inode = inode_of(socket);
    Child child(testing::sleep_until_killed);
    watch.index.process_forked(1, child.pid(), watch.now);
    watch.tick({inode_of(other), inode});
    EXPECT_EQ(watch.seen(inode), (Pids{self, child.pid()}));
}

// A server that forks for each connection takes the same descriptor again and again.
TEST(HolderIndex, IsNotMisledByADescriptorTakenAnew) {
    auto first = open_socket();
    const auto first_inode = inode_of(first);
    Child child(testing::sleep_until_killed);
    Watch watch(News::events);
    watch.tick({first_inode});
    const int descriptor = first.get();
    first.reset();
    const auto second = open_socket();
    ASSERT_EQ(second.get(), descriptor);
    watch.tick({first_inode, inode_of(second)});
    EXPECT_EQ(watch.seen(inode_of(second)), Pids{self});
    EXPECT_EQ(watch.gone(first_inode), Pids{self});
    EXPECT_EQ(watch.only(Kind::gone, first_inode).at, When::sampled(watch.now, watch.now));
}

void send_descriptor(int channel, int descriptor) {
    char byte = '!';
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr header{};
    header.cmsg_level = SOL_SOCKET;
    header.cmsg_type = SCM_RIGHTS;
    header.cmsg_len = sizeof header + sizeof descriptor;
    std::memcpy(control.data(), &header, sizeof header);
    std::memcpy(control.data() + sizeof header, &descriptor, sizeof descriptor);
    testing::require(::sendmsg(channel, &message, 0) == 1, "sendmsg");
}

// The descriptor itself stays in the process that calls.
void receive_descriptor(int channel) {
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    testing::require(::recvmsg(channel, &message, 0) == 1 && message.msg_controllen > 0, "recvmsg");
}

class DescriptorPassing : public ::testing::Test {
  protected:
    DescriptorPassing() {
        std::array<int, 2> ends{};
        testing::require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0,
                         "socketpair");
        here_ = system::Fd(ends[0]);
        there_ = system::Fd(ends[1]);
        receiver_.emplace([this] {
            go_.await();
            receive_descriptor(there_.get());
            received_.raise();
            testing::sleep_until_killed();
        });
    }

    system::Fd here_;
    system::Fd there_;
    Signal go_;
    Signal received_;
    std::optional<Child> receiver_;
};

TEST_F(DescriptorPassing, IsNoticedByTheSweepOnBothSides) {
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    Watch watch(News::events);
    watch.tick({inode});
    EXPECT_EQ(watch.seen(inode), Pids{self});
    const auto last_seen_here = watch.now;
    send_descriptor(here_.get(), socket.get());
    go_.raise();
    ASSERT_TRUE(received_.await());
    socket.reset();

    Pids seen;
    Pids gone;
    for (int second = 0; second < 70; ++second) {
        watch.tick({inode}, 1s);
        seen.merge(watch.seen(inode));
        const auto left = watch.gone(inode);
        if (left.contains(self)) {
            EXPECT_EQ(watch.only(Kind::gone, inode).at, When::sampled(last_seen_here, watch.now));
        }
        gone.insert(left.begin(), left.end());
    }
    EXPECT_EQ(seen, Pids{receiver_->pid()});
    EXPECT_EQ(gone, Pids{self});
}

TEST_F(DescriptorPassing, InFlightIsHeldByNobody) {
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    send_descriptor(here_.get(), socket.get());
    socket.reset();
    Watch watch(News::events);
    watch.tick({inode});
    EXPECT_TRUE(watch.changes.empty());
    go_.raise();
    ASSERT_TRUE(received_.await());
    watch.tick({inode}); // the first retry
    EXPECT_EQ(watch.seen(inode), Pids{receiver_->pid()});
}

TEST(HolderIndex, SweepsWithinItsBudget) {
    const auto socket = open_socket();
    Watch watch(News::events);
    watch.tick({inode_of(socket)});
    const auto everybody = watch.examined();
    std::uint64_t most = 0;
    std::uint64_t sum = 0;
    for (int tick = 0; tick < 300; ++tick) {
        watch.tick({inode_of(socket)}, 100ms);
        most = std::max(most, watch.examined());
        sum += watch.examined();
    }
    // About one round in thirty seconds, a little at a time. Other processes of this machine come,
    // go, and have few or many descriptors.
    EXPECT_GE(sum, everybody / 3);
    EXPECT_LE(sum, everybody * 3);
    EXPECT_LE(most, everybody / 2);
}

TEST(HolderIndex, ChargesTheNewProgramWithWhatItInherits) {
    for (const auto news : {News::events, News::listing}) {
        auto kept = open_socket(OnExec::keep);
        auto closed = open_socket();
        const auto kept_inode = inode_of(kept);
        const auto closed_inode = inode_of(closed);
        Signal go;
        Child child([&] {
            go.await();
            run_sleep();
        });
        closed.reset();
        kept.reset();
        Watch watch(news);
        watch.tick({kept_inode, closed_inode});
        ASSERT_EQ(watch.seen(kept_inode), Pids{child.pid()});
        const auto before = watch.only(Kind::seen, kept_inode).process;
        EXPECT_EQ(before->command, own_command());
        const auto seen_at = watch.now;
        go.raise();
        await_executable(child.pid(), "sleep");
        watch.now += 5s;
        const auto executed_at = watch.now - 1s;
        if (news == News::events)
            watch.index.process_executed(child.pid(), executed_at);
        else
            watch.index.process_events_lost(); // looks at the holders again
        watch.tick({kept_inode});
        const auto end =
            news == News::events ? When::observed(executed_at) : When::sampled(seen_at, watch.now);
        EXPECT_EQ(watch.only(Kind::gone, kept_inode).process, before);
        EXPECT_EQ(watch.only(Kind::gone, kept_inode).at, end);
        const auto &after = watch.only(Kind::seen, kept_inode);
        EXPECT_EQ(after.process->key, before->key);
        EXPECT_EQ(after.process->command, "sleep");
        EXPECT_EQ(after.process->arguments, "sleep 1000");
        EXPECT_TRUE(watch.seen(closed_inode).empty());
        // Old first: both have the same key.
        EXPECT_LT(&watch.only(Kind::gone, kept_inode), &after);
    }
}

TEST(HolderIndex, ChargesNobodyWithASocketClosedByExec) {
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    Signal go;
    Child child([&] {
        go.await();
        run_sleep();
    });
    Watch watch(News::events);
    watch.tick({inode});
    go.raise();
    await_executable(child.pid(), "sleep");
    watch.index.process_executed(child.pid(), watch.now + 1s);
    watch.tick({inode}, 2s);
    EXPECT_EQ(watch.gone(inode), Pids{child.pid()});
    EXPECT_TRUE(watch.seen(inode).empty());
}

// While children execute another program at any moment, none is charged with what it cannot have.
TEST(HolderIndex, NeverChargesAProgramWithItsPredecessorsSocket) {
    for (int i = 0; i < 40; ++i) {
        auto socket = open_socket();
        const auto inode = inode_of(socket);
        Signal go;
        Child child([&] {
            go.await();
            run_sleep();
        });
        const auto pid = child.pid();
        Watch watch(News::events);
        watch.tick({nobodys}); // the look at everybody
        socket.reset();
        watch.index.process_forked(self, pid, watch.now);
        go.raise();
        for (int look = 0; look < 8; ++look) {
            watch.tick({inode}, 30s);
            for (const auto &change : watch.changes) {
                if (change.kind == Kind::seen && change.inode == inode &&
                    change.process->key.pid == pid) {
                    EXPECT_NE(change.process->command, "sleep");
                    EXPECT_FALSE(change.process->executable->ends_with("sleep"));
                }
            }
        }
    }
}

TEST(HolderIndex, KnowsTheInstantOfAnExit) {
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    Child child(testing::sleep_until_killed);
    socket.reset();
    Watch watch(News::events);
    watch.tick({inode});
    child.kill();
    EXPECT_EQ(child.wait(), -1);
    const auto pid = *watch.seen(inode).begin();
    watch.index.process_exited(pid,
                               When::observed(model::instant_from_us(1))); // another's, long ago
    const auto at = When::observed(watch.now + 1s);
    watch.index.process_exited(pid, at);
    watch.tick({}, 2s);
    EXPECT_EQ(watch.only(Kind::gone, inode).at, at);
    EXPECT_EQ(watch.changes.size(), 1U);
}

TEST(HolderIndex, NoticesAnExitByTheSweep) {
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    Child child(testing::sleep_until_killed);
    Watch watch(News::listing);
    watch.tick({inode});
    const auto pid = child.pid();
    const auto seen_at = watch.now;
    child.kill();
    EXPECT_EQ(child.wait(), -1);
    Pids gone;
    for (int second = 0; second < 40 && gone.empty(); ++second) {
        watch.tick({inode}, 1s);
        gone = watch.gone(inode);
    }
    EXPECT_EQ(gone, Pids{pid});
    EXPECT_LE(seen_at, *watch.only(Kind::gone, inode).at.earliest);
    EXPECT_EQ(watch.only(Kind::gone, inode).at.latest, watch.now);
}

TEST(HolderIndex, DoesNotKnowWhoExitedBeforeTheLook) {
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    Child child([] {});
    socket.reset();
    Watch watch(News::events);
    const auto pid = child.pid();
    watch.index.process_forked(self, pid, watch.now);
    EXPECT_EQ(child.wait(), 0);
    watch.index.process_exited(pid, When::observed(watch.now));
    watch.tick({inode});
    EXPECT_TRUE(watch.changes.empty());
}

TEST(HolderIndex, FindsEachOfTwoHundred) {
    std::deque<Child> children;
    std::vector<std::uint32_t> inodes;
    for (int i = 0; i < 200; ++i) {
        const auto socket = open_socket();
        inodes.push_back(inode_of(socket));
        children.emplace_back(testing::sleep_until_killed);
    }
    Watch watch(News::events);
    watch.tick(inodes);
    for (std::size_t i = 0; i < children.size(); ++i)
        EXPECT_EQ(watch.seen(inodes[i]), Pids{children[i].pid()});
    EXPECT_EQ(watch.changes.size(), 200U);
    const auto everybody = watch.walked();
    EXPECT_GE(everybody, 200U);

    auto socket = open_socket();
    inodes.push_back(inode_of(socket));
    children.emplace_back(testing::sleep_until_killed);
    socket.reset();
    watch.index.process_forked(self, children.back().pid(), watch.now);
    watch.tick(inodes);
    EXPECT_EQ(watch.seen(inodes.back()), Pids{children.back().pid()});
    EXPECT_LE(watch.walked(), 2U); // the child and its parent
}

TEST(HolderIndex, SearchesEverRarerForWhatNobodyHas) {
    HolderIndex::Settings settings;
    settings.revisit_every = 24h;
    Watch watch(News::events, "/proc", settings);
    std::vector<int> searches;
    for (int tick = 0; tick < 40; ++tick) {
        watch.tick({nobodys});
        EXPECT_TRUE(watch.changes.empty());
        if (watch.examined() > 0)
            searches.push_back(tick);
    }
    EXPECT_EQ(searches, (std::vector<int>{0, 1, 3, 7, 15, 31}));
    // At the latest after the longest back-off. The sweep alone visits few.
    watch.tick({nobodys}, 29s);
    EXPECT_LE(watch.examined(), 2U);
    watch.tick({nobodys}, 1s);
    EXPECT_GT(watch.examined(), 2U);
}

TEST(HolderIndex, BoundsWholeSearchesForAStreamOfUnknowns) {
    Watch watch(News::events);
    const auto socket = open_socket();
    int whole = 0;
    for (std::uint32_t tick = 0; tick < 100; ++tick) {
        watch.tick({nobodys - tick, inode_of(socket)}, 100us);
        whole += watch.listings() > 0 ? 1 : 0;
    }
    EXPECT_LT(whole, 15);
    EXPECT_GT(whole, 3);
}

TEST(HolderIndex, SearchesAgainWhenTheKnownHolderIsGone) {
    auto socket = open_socket();
    const auto inode = inode_of(socket);
    Watch watch(News::events);
    watch.tick({inode});
    Child child(testing::sleep_until_killed); // of which no event told
    socket.reset();
    watch.index.process_exited(self, When::observed(watch.now));
    watch.tick({inode});
    EXPECT_EQ(watch.gone(inode), Pids{self});
    EXPECT_EQ(watch.seen(inode), Pids{child.pid()});
}

TEST(HolderIndex, CatchesUpAfterLosses) {
    const auto socket = open_socket();
    const auto inode = inode_of(socket);
    Watch watch(News::events);
    watch.tick({inode});
    Child heir(testing::sleep_until_killed);
    watch.index.process_events_lost();
    watch.tick({inode});
    EXPECT_EQ(watch.seen(inode), Pids{heir.pid()});
    watch.tick({inode});
    watch.expect_nothing_read();
}

TEST(HolderIndex, RemembersABoundedNumberOfNewProcesses) {
    const auto socket = open_socket();
    const ProcessReader reader(ArgumentPolicy::off);
    HolderIndex::Settings settings;
    settings.max_unscanned = 10;
    HolderIndex index(reader, News::events, settings);
    const auto now = model::instant_from_us(1'000'000'000'000);
    const std::vector<std::uint32_t> inodes{inode_of(socket)};
    index.resolve(inodes, now);
    Child heir(testing::sleep_until_killed);
    index.process_forked(self, heir.pid(), now);
    for (std::int32_t pid = 5'000'000; pid < 5'000'100; ++pid)
        index.process_forked(1, pid, now);
    const auto changes = index.resolve(inodes, now);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes.front().process->key.pid, heir.pid());
}

TEST(HolderIndex, RemembersWhoRefuses) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "needs root, to become somebody else";
    const auto socket = open_socket();
    const auto inode = inode_of(socket);
    Child child([&] {
        constexpr uid_t nobody = 65534;
        testing::require(::setgid(nobody) == 0 && ::setuid(nobody) == 0, "setuid");
        // Own memory is readable again only after this.
        testing::require(::prctl(PR_SET_DUMPABLE, 1) == 0, "prctl");
        Watch watch(News::events);
        watch.tick({inode, nobodys});
        const auto first = watch.walked();
        const auto refused = watch.index.refused_processes();
        if (watch.seen(inode) != Pids{::getpid()})
            ::_exit(1);
        if (refused == 0)
            ::_exit(2);
        watch.tick({inode, nobodys}); // the retry asks nobody who refused
        ::_exit(watch.walked() + refused <= first + 5 ? 0 : 3);
    });
    EXPECT_EQ(child.wait(), 0);
}

// A proc file system made of files.
class FixtureIndex : public ::testing::Test {
  protected:
    struct Stat {
        std::string state = "S";
        int threads = 1;
        int started = 100;
        int start_code = 4096;
    };

    void process(int pid, const Stat &stat, const std::vector<std::uint32_t> &sockets) const {
        const auto directory = std::to_string(pid);
        directory_.write(directory + "/stat",
                         directory + " (p) " + stat.state + " 0 1 1 0 -1 0 1 0 0 0 1 2 3 4 20 0 " +
                             std::to_string(stat.threads) + " 0 " + std::to_string(stat.started) +
                             " 1000 200 1 " + std::to_string(stat.start_code) + " 95000 140000\n");
        std::filesystem::remove_all(directory_.path() / directory / "fd");
        std::filesystem::create_directory(directory_.path() / directory / "fd");
        directory_.link(directory + "/fd/0", "/dev/null");
        for (std::size_t i = 0; i < sockets.size(); ++i)
            directory_.link(directory + "/fd/" + std::to_string(3 + i),
                            "socket:[" + std::to_string(sockets[i]) + "]");
    }
    void end(int pid) const {
        std::filesystem::remove_all(directory_.path() / std::to_string(pid));
    }

    TemporaryDirectory directory_;
    Watch watch_{News::listing, directory_.path()};
};

TEST_F(FixtureIndex, TellsAReusedPidApart) {
    process(5, {}, {70});
    watch_.tick({70});
    const auto first = watch_.only(Kind::seen, 70).process;
    process(5, {.started = 101}, {70});
    watch_.index.process_events_lost();
    watch_.tick({70});
    EXPECT_EQ(watch_.only(Kind::gone, 70).process, first);
    EXPECT_LT(first->key, watch_.only(Kind::seen, 70).process->key);
    EXPECT_EQ(watch_.only(Kind::seen, 70).process->key.pid, 5);
}

TEST_F(FixtureIndex, TellsAnExecOfTheSameProgram) {
    process(5, {}, {70});
    watch_.tick({70});
    process(5, {.start_code = 8192}, {70});
    for (int second = 0; second < 61 && watch_.gone(70).empty(); ++second)
        watch_.tick({70}, 1s);
    EXPECT_EQ(watch_.gone(70), Pids{5});
    EXPECT_EQ(watch_.seen(70), Pids{5});
}

TEST_F(FixtureIndex, KeepsWhatAProcessHoldsWhoseFirstThreadIsGone) {
    process(5, {}, {70});
    process(6, {}, {71});
    watch_.tick({70, 71});
    process(5, {.state = "Z", .threads = 2, .start_code = 0}, {});
    process(6, {.state = "Z", .threads = 1, .start_code = 0}, {});
    watch_.index.process_events_lost();
    watch_.tick({70, 71});
    EXPECT_TRUE(watch_.gone(70).empty());
    EXPECT_EQ(watch_.gone(71), Pids{6}); // over: only waited for
}

TEST_F(FixtureIndex, ChargesNoKernelThread) {
    process(5, {.start_code = 0}, {70});
    watch_.tick({70});
    EXPECT_TRUE(watch_.changes.empty());
}

TEST_F(FixtureIndex, ForgetsWhoHeldNothingForLong) {
    process(5, {}, {70});
    process(6, {}, {71});
    watch_.tick({70, 71});
    process(5, {}, {});
    Pids gone;
    for (int second = 0; second < 100; ++second) {
        watch_.tick({71}, 1s); // 70 is absent, and says all
        EXPECT_TRUE(watch_.changes.empty());
    }
    process(5, {}, {72});
    watch_.tick({71, 72});
    EXPECT_EQ(watch_.seen(72), Pids{5});
    end(5);
    watch_.index.process_events_lost();
    watch_.tick({71, 72});
    EXPECT_EQ(watch_.gone(72), Pids{5});
}

TEST_F(FixtureIndex, IsNotHeldUpByOneWithManyDescriptors) {
    for (int pid = 1; pid < 10; ++pid)
        process(pid, {}, {});
    process(10, {}, {70});
    process(99, {}, std::vector<std::uint32_t>(3000, 1)); // more than a first guess of all
    watch_.tick({70});
    process(1, {}, {70}); // was passed to it
    Pids seen;
    for (int second = 0; second < 65; ++second) {
        watch_.tick({70}, 1s);
        seen.merge(watch_.seen(70));
    }
    EXPECT_EQ(seen, Pids{1});
}

TEST_F(FixtureIndex, ReportsAMissingProcFileSystem) {
    std::filesystem::remove_all(directory_.path());
    EXPECT_THROW(watch_.tick({70}), std::system_error);
    std::filesystem::create_directory(directory_.path());
    process(5, {}, {70});
    watch_.tick({70});
    EXPECT_EQ(watch_.seen(70), Pids{5});
}

} // namespace
} // namespace portd::capture
