#include "capture/process_events.hpp"
#include "processes.hpp"
#include "system/clock.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <memory>
#include <poll.h>
#include <pthread.h>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <vector>

namespace portd::capture {
namespace {

using testing::Child;
using testing::Signal;

constexpr std::size_t event_at = sizeof(nlmsghdr) + sizeof(cn_msg);

struct Message {
    std::vector<std::byte> bytes = std::vector<std::byte>(event_at + 40);

    template <typename T>
    void put(std::size_t at, T value) {
        std::memcpy(bytes.data() + at, &value, sizeof value);
    }

    Message(std::uint32_t what, std::array<std::uint32_t, 4> data, std::uint64_t at_ns = 5000) {
        put(0, static_cast<std::uint32_t>(bytes.size()));
        put(4, std::uint16_t{NLMSG_DONE});
        put(16, cb_id{CN_IDX_PROC, CN_VAL_PROC});
        put(16 + offsetof(cn_msg, len), std::uint16_t{40});
        put(event_at, what);
        put(event_at + 8, at_ns);
        for (std::size_t i = 0; i < data.size(); ++i)
            put(event_at + 16 + 4 * i, data[i]);
    }
};

using Kind = KernelProcessEvent::Kind;

TEST(DecodeProcessEvents, KnowsProcessesFromThreads) {
    const auto only = [](const Message &message) {
        const auto decoded = decode_process_events(message.bytes);
        EXPECT_FALSE(decoded.malformed);
        return decoded.events.size() == 1 ? std::optional(decoded.events.front()) : std::nullopt;
    };
    const std::chrono::nanoseconds at(5000);
    EXPECT_EQ(only({1, {10, 11, 20, 20}}), (KernelProcessEvent{Kind::forked, 20, 11, 0, 0, at}));
    EXPECT_FALSE(only({1, {10, 10, 21, 20}}));
    EXPECT_EQ(only({2, {20, 20}}), (KernelProcessEvent{Kind::executed, 20, 0, 0, 0, at}));
    EXPECT_EQ(only({0x80000000, {20, 20}}),
              (KernelProcessEvent{Kind::first_thread_exited, 20, 0, 0, 0, at}));
    EXPECT_FALSE(only({0x80000000, {21, 20}}));
    for (const std::uint32_t other : {4U, 0x40U, 0x80U, 0x100U, 0x200U, 0x40000000U})
        EXPECT_FALSE(only({other, {20, 20}})) << other;
}

TEST(DecodeProcessEvents, RefusesWhatTheKernelDoesNotSay) {
    const Message good(2, {20, 20});
    for (std::size_t size = 1; size < good.bytes.size(); ++size)
        EXPECT_TRUE(decode_process_events(std::span(good.bytes).first(size)).malformed) << size;
    const auto malformed = [&](std::size_t at, auto value) {
        auto message = good;
        message.put(at, value);
        return decode_process_events(message.bytes).malformed;
    };
    EXPECT_FALSE(malformed(4, std::uint16_t{NLMSG_DONE}));
    EXPECT_TRUE(malformed(0, std::uint32_t{0}));
    EXPECT_TRUE(malformed(0, std::uint32_t{1000}));
    EXPECT_TRUE(malformed(4, std::uint16_t{NLMSG_ERROR}));
    EXPECT_TRUE(malformed(16, std::uint32_t{7}));
    EXPECT_TRUE(malformed(16 + offsetof(cn_msg, len), std::uint16_t{41}));
    EXPECT_TRUE(malformed(event_at + 20, std::int32_t{-1}));
    EXPECT_TRUE(malformed(event_at + 8, std::int64_t{-1}));
}

class RealProcessEvents : public ::testing::Test {
  protected:
    void SetUp() override {
        try {
            events_ = std::make_unique<ProcessEvents>();
        } catch (const std::system_error &error) {
            GTEST_SKIP() << error.what();
        }
    }

    static std::string describe(const ProcessEvent &event) {
        if (const auto *forked = std::get_if<ProcessForked>(&event))
            return "forked by " + std::to_string(forked->parent);
        return std::holds_alternative<ProcessExecuted>(event) ? "executed" : "exited";
    }
    static std::int32_t pid_of(const ProcessEvent &event) {
        if (const auto *forked = std::get_if<ProcessForked>(&event))
            return forked->child;
        if (const auto *executed = std::get_if<ProcessExecuted>(&event))
            return executed->pid;
        return std::get<ProcessExited>(event).pid;
    }

    ProcessEvents::Read read() {
        return events_->read_all([this](const ProcessEvent &event) { seen_.push_back(event); });
    }

    std::vector<std::string> events_of(std::int32_t pid) const {
        std::vector<std::string> words;
        for (const auto &event : seen_)
            if (pid_of(event) == pid)
                words.push_back(describe(event));
        return words;
    }

    // Reads, waiting for the descriptor, until the process has that many events.
    void read_until(std::int32_t pid, std::size_t count) {
        for (read(); events_of(pid).size() < count; read()) {
            pollfd poll{events_->fd(), POLLIN, 0};
            ASSERT_GE(::poll(&poll, 1, -1), 0);
        }
    }

    std::unique_ptr<ProcessEvents> events_;
    std::vector<ProcessEvent> seen_;
};

TEST_F(RealProcessEvents, TellTheLifeOfAProcess) {
    const system::SystemClock clock;
    const auto before = clock.now();
    Signal go;
    Child child([&] {
        go.await();
        ::execl("/bin/true", "true", nullptr);
    });
    const auto pid = child.pid();
    const auto forked_by = "forked by " + std::to_string(::getpid());
    read_until(pid, 1);
    go.raise();
    read_until(pid, 3);
    EXPECT_EQ(child.wait(), 0);
    const auto after = clock.now();
    EXPECT_EQ(events_of(pid), (std::vector<std::string>{forked_by, "executed", "exited"}));
    auto previous = before - std::chrono::milliseconds(1); // the clocks' offset is measured
    for (const auto &event : seen_) {
        if (pid_of(event) != pid)
            continue;
        model::Instant at;
        if (const auto *forked = std::get_if<ProcessForked>(&event))
            at = forked->at;
        else if (const auto *executed = std::get_if<ProcessExecuted>(&event))
            at = executed->at;
        else
            at = *std::get<ProcessExited>(event).at.earliest;
        EXPECT_LE(previous, at);
        EXPECT_LE(at, after + std::chrono::milliseconds(1));
        previous = at;
    }
}

TEST_F(RealProcessEvents, LeaveOutThreads) {
    const auto before = seen_.size();
    std::int32_t thread_id = 0;
    for (int i = 0; i < 16; ++i)
        std::thread([&] { thread_id = static_cast<std::int32_t>(::syscall(SYS_gettid)); }).join();
    Child last([] {});
    read_until(last.pid(), 2);
    EXPECT_GT(seen_.size(), before);
    EXPECT_TRUE(events_of(thread_id).empty());
    EXPECT_TRUE(events_of(::getpid()).empty());
}

void *wait_for(void *signal) {
    static_cast<Signal *>(signal)->await();
    ::_exit(0);
}

TEST_F(RealProcessEvents, AProcessMayOutliveItsFirstThread) {
    Signal end;
    Child child([&] {
        pthread_t thread{};
        ::pthread_create(&thread, nullptr, wait_for, &end);
        ::syscall(SYS_exit, 0); // of this thread alone
    });
    const auto pid = child.pid();
    // Its first thread is gone when it is a zombie.
    const std::string stat = "/proc/" + std::to_string(pid) + "/stat";
    for (std::string text; text.find(") Z ") == std::string::npos;)
        std::getline(std::ifstream(stat), text);
    Child later([] {});
    read_until(later.pid(), 2); // the exit of its first thread is among what was read
    EXPECT_EQ(events_of(pid).size(), 1U);
    end.raise();
    read_until(pid, 2);
    EXPECT_EQ(events_of(pid).back(), "exited");
    EXPECT_EQ(child.wait(), 0);
    const auto &exited = *std::ranges::find_if(seen_, [&](const auto &event) {
        return pid_of(event) == pid && std::holds_alternative<ProcessExited>(event);
    });
    EXPECT_EQ(std::get<ProcessExited>(exited).at.provenance, Provenance::sampled);
}

void *execute(void *) {
    ::execl("/bin/sleep", "sleep", "1000", nullptr);
    ::_exit(1);
}

TEST_F(RealProcessEvents, AnotherThreadMayExecute) {
    Child child([] {
        pthread_t thread{};
        ::pthread_create(&thread, nullptr, execute, nullptr);
        testing::sleep_until_killed();
    });
    const auto pid = child.pid();
    read_until(pid, 2);
    EXPECT_EQ(events_of(pid).back(), "executed");
    child.kill();
    read_until(pid, 3);
    EXPECT_EQ(events_of(pid).back(), "exited");
}

TEST_F(RealProcessEvents, BelieveNobodyButTheKernel) {
    const system::Fd forger(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR));
    ASSERT_TRUE(forger);
    constexpr std::uint32_t invented = 4'100'000; // above every pid there is
    const Message message(0x80000000, {invented, invented});
    // The kernel gives a process's first socket of a protocol its pid for an address (netlink(7)).
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_pid = static_cast<std::uint32_t>(::getpid());
    sockaddr any{};
    std::memcpy(&any, &address, sizeof address);
    ASSERT_EQ(
        ::sendto(forger.get(), message.bytes.data(), message.bytes.size(), 0, &any, sizeof address),
        static_cast<ssize_t>(message.bytes.size()));
    Child later([] {});
    read_until(later.pid(), 2);
    EXPECT_TRUE(events_of(static_cast<std::int32_t>(invented)).empty());
}

[[gnu::noinline]] void live_and_die() {
    const auto pid = ::vfork();
    if (pid == 0)
        ::_exit(0);
    testing::require(pid > 0 && ::waitpid(pid, nullptr, 0) == pid, "vfork");
}

// The receive buffer holds some ten thousand messages.
TEST_F(RealProcessEvents, SayWhenSomeWereLost) {
    for (int i = 0; i < 40'000; ++i)
        live_and_die();
    EXPECT_GT(read().losses, 0U);
    Child after([] {});
    read_until(after.pid(), 2);
}

} // namespace
} // namespace portd::capture
