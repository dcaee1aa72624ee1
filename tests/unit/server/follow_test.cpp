// Clients that follow what happens, over real sockets.
#include "client.hpp"
#include "proto/varlink.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

namespace portd::server {
namespace {

using nlohmann::json;

const std::string watch_call = R"({"method":"io.portd.Ports.Watch","more":true})";
const std::string follow_call =
    R"({"method":"io.portd.Ports.Export","more":true,"parameters":{"follow":true}})";

class FollowTest : public testing::Test {
  protected:
    static void begin(FakeHistory &history) {
        history.watched.complete = true;
        history.reached = {.end = {"b007", 100, 0}, .last_serial = 0, .last_gap = 0};
    }

    // More leases than the buffers of a client's socket take.
    static void open_many(FakeHistory &history) {
        for (int i = 0; i < 20'000; ++i)
            history.leases.push_back(open_lease(std::to_string(i), 50000, 0, 10));
        history.reached.last_serial = 20'000;
    }

    // And tells of it.
    static void find(RunningServer &server, const std::string &id) {
        {
            const std::scoped_lock lock(server.history.mutex);
            server.history.leases.push_back(open_lease(id, 50000, 0, 10));
            ++server.history.reached.last_serial;
        }
        server.tell_news();
    }
    static void end(RunningServer &server, std::size_t serial, std::int64_t at_usec) {
        {
            const std::scoped_lock lock(server.history.mutex);
            proto::Lease &lease = server.history.leases.at(serial - 1);
            lease.phase = Phase::freed;
            lease.freed = observed(at_usec);
            server.history.reached.end.at_us = at_usec + FakeHistory::settling_us;
        }
        server.tell_news();
    }

    static json lease_of(Client &client) { return client.receive_json()["parameters"]["lease"]; }
};

TEST_F(FollowTest, EveryFollowerHearsOfNews) {
    RunningServer server;
    begin(server.history);
    server.start();
    Client watching = server.connect();
    ASSERT_EQ(watching.call(watch_call)["parameters"]["event"], "ready");
    Client exporting = server.connect();
    ASSERT_TRUE(exporting.send_message(follow_call));
    for (int i = 0; i < 20; ++i) {
        find(server, std::to_string(i));
        EXPECT_EQ(lease_of(watching)["id"], std::to_string(i));
        end(server, static_cast<std::size_t>(i) + 1, 1'000 * (i + 1));
        EXPECT_EQ(lease_of(watching)["phase"], "freed");
        EXPECT_EQ(lease_of(exporting)["id"], std::to_string(i));
    }
}

TEST_F(FollowTest, WithoutNewsTheHistoryIsLeftAlone) {
    RunningServer server;
    begin(server.history);
    server.start();
    Client watching = server.connect();
    ASSERT_EQ(watching.call(watch_call)["parameters"]["event"], "ready");
    Client other = server.connect();
    const auto ask = [&] { return other.call(R"({"method":"org.varlink.service.GetInfo"})"); };
    ask();
    ask(); // by now the watch waits
    const std::size_t pages = server.history.pages;
    for (int i = 0; i < 50; ++i)
        ask();
    EXPECT_EQ(server.history.pages, pages);
}

TEST_F(FollowTest, AFollowerThatLeavesMakesRoom) {
    Limits limits;
    limits.connections_of_root = 1;
    limits.connections = 1;
    RunningServer server(limits);
    begin(server.history);
    server.start();
    for (int i = 0; i < 3; ++i) {
        json ready;
        for (int tries = 0; tries < 1'000 && !ready.contains("parameters"); ++tries) {
            Client watching = server.connect();
            ready = watching.call(watch_call);
            if (ready.contains("error")) { // the one before is still being taken leave of
                ready = {};
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
            }
        }
        EXPECT_EQ(ready["parameters"]["event"], "ready");
    }
}

TEST_F(FollowTest, AFollowerThatIsTooSlowIsToldSoAndDropped) {
    Limits limits;
    limits.unread_answer = std::chrono::milliseconds(100);
    RunningServer server(limits);
    begin(server.history);
    open_many(server.history);
    server.start();
    Client client = server.connect();
    ASSERT_TRUE(client.send_message(watch_call));
    // In gulps: the kernel makes room for more only once most of a socket's buffer is empty
    // (unix_writable(), net/unix/af_unix.c).
    for (bool goes_on = true; goes_on;) {
        std::this_thread::sleep_for(limits.unread_answer * 3 / 2);
        for (int i = 0; i < 4 && goes_on; ++i)
            goes_on = client.receive_some();
    }
    json last;
    std::size_t replies = 0;
    while (const auto message = client.receive()) {
        last = json::parse(*message);
        ++replies;
    }
    EXPECT_EQ(last["error"], proto::errors::subscriber_too_slow);
    EXPECT_EQ(last["parameters"]["waitedUsec"], 100'000);
    EXPECT_LT(replies, 20'000u);

    // Nobody else noticed.
    Client other = server.connect();
    EXPECT_TRUE(other.call(R"({"method":"io.portd.Ports.Status"})").contains("parameters"));
}

TEST_F(FollowTest, AFollowerThatReadsNothingAtAllIsDropped) {
    Limits limits;
    limits.unread_answer = std::chrono::milliseconds(50);
    RunningServer server(limits);
    begin(server.history);
    open_many(server.history);
    server.start();
    Client client = server.connect();
    ASSERT_TRUE(client.send_message(watch_call));
    EXPECT_TRUE(client.is_dropped());
}

TEST_F(FollowTest, StopsWhileClientsFollow) {
    std::optional<RunningServer> server(std::in_place);
    begin(server->history);
    server->start();
    Client watching = server->connect();
    ASSERT_EQ(watching.call(watch_call)["parameters"]["event"], "ready");
    server->tell_news();
    server.reset();
    EXPECT_EQ(watching.receive(), std::nullopt);
}

} // namespace
} // namespace portd::server
