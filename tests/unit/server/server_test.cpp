#include "client.hpp"
#include "proto/varlink.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace portd::server {
namespace {

using nlohmann::json;
using namespace std::string_literals;

const std::string status_call = R"({"method":"io.portd.Ports.Status"})";
const std::string info_call = R"({"method":"org.varlink.service.GetInfo"})";
const std::string list_call = R"({"method":"io.portd.Ports.List","more":true})";

bool is_status(const json &reply) {
    return reply["parameters"].contains("openLeases");
}
bool is_info(const json &reply) {
    return reply["parameters"].contains("vendor");
}

void fill(FakeHistory &history, int count) {
    for (int i = 0; i < count; ++i)
        history.leases.push_back(open_lease(std::to_string(i), 50000 + i % 1000, 0, i));
}

// The uid of this thread alone, for whoever asks who connects.
class OtherUser {
  public:
    explicit OtherUser(uid_t uid) { ::syscall(SYS_setresuid, -1, uid, -1); }
    OtherUser(const OtherUser &) = delete;
    OtherUser &operator=(const OtherUser &) = delete;
    ~OtherUser() { ::syscall(SYS_setresuid, -1, 0, -1); }
};

Client connect_as(const RunningServer &server, uid_t uid) {
    const OtherUser user(uid);
    return server.connect();
}

bool is_root() {
    return ::geteuid() == 0;
}

TEST(Server, AnswersInCallOrderOnOneConnection) {
    RunningServer server;
    fill(server.history, 600);
    server.start();
    Client client = server.connect();
    ASSERT_TRUE(client.send(info_call + '\0' + list_call + '\0' + status_call + '\0' +
                            R"({"method":"io.portd.Ports.Nothing"})" + '\0' + info_call + '\0'));

    EXPECT_TRUE(is_info(client.receive_json()));
    for (int i = 0; i < 600; ++i) {
        const json reply = client.receive_json();
        ASSERT_EQ(reply["parameters"]["lease"]["id"], std::to_string(i));
        ASSERT_EQ(reply["continues"], true);
    }
    const json last = client.receive_json();
    EXPECT_FALSE(last.contains("continues"));
    EXPECT_TRUE(last["parameters"].contains("coverage"));
    EXPECT_EQ(last["parameters"]["withheld"], false);
    EXPECT_TRUE(is_status(client.receive_json()));
    EXPECT_EQ(client.receive_json()["error"], proto::errors::method_not_found);
    EXPECT_TRUE(is_info(client.receive_json()));
}

TEST(Server, AnswersManyPipelinedCalls) {
    RunningServer server;
    server.start();
    Client client = server.connect();
    std::thread sender([&client] {
        for (int i = 0; i < 5000; ++i)
            if (!client.send_message(i % 2 == 0 ? status_call : info_call))
                break;
    });
    int answered = 0;
    while (answered < 5000) {
        const json reply = client.receive_json();
        if (!(answered % 2 == 0 ? is_status(reply) : is_info(reply)))
            break;
        ++answered;
    }
    sender.join();
    EXPECT_EQ(answered, 5000);
}

TEST(Server, NeverAnswersOneway) {
    RunningServer server;
    server.start();
    Client client = server.connect();
    ASSERT_TRUE(client.send_message(R"({"method":"io.portd.Ports.Status","oneway":true})"));
    ASSERT_TRUE(client.send_message(R"({"method":"no.such.Method","oneway":true})"));
    ASSERT_TRUE(client.send_message(R"({"method":"io.portd.Ports.List","oneway":true})"));
    EXPECT_TRUE(is_info(client.call(info_call)));
}

TEST(Server, AnswersAClientThatSendsNoMore) {
    RunningServer server;
    fill(server.history, 3);
    server.start();
    Client client = server.connect();
    ASSERT_TRUE(client.send_message(status_call));
    ASSERT_TRUE(client.send_message(list_call));
    client.end_sending();
    EXPECT_TRUE(is_status(client.receive_json()));
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(client.receive_json().contains("continues"));
    EXPECT_FALSE(client.receive_json().contains("continues"));
    EXPECT_EQ(client.receive(), std::nullopt);
}

TEST(Server, WhatIsNoCallEndsTheConnection) {
    const std::string deep = std::string(17, '[') + std::string(17, ']');
    const std::string deep_enough = std::string(16, '[') + std::string(16, ']');
    const struct {
        std::string bytes;
        std::string_view error;
        json parameters;
    } cases[] = {
        {"\0"s, proto::errors::malformed, {{"reason", "not JSON at byte 1"}}},
        {"hello\0"s, proto::errors::malformed, {{"reason", "not JSON at byte 1"}}},
        {"[]\0"s, proto::errors::malformed, {{"reason", "the message is not a JSON object"}}},
        {"{}\0"s, proto::errors::malformed, {{"reason", "\"method\" is not a name"}}},
        {deep + '\0', proto::errors::limit_exceeded, {{"limit", "messageDepth"}, {"value", 16}}},
        {deep_enough + '\0',
         proto::errors::malformed,
         {{"reason", "the message is not a JSON object"}}},
        {std::string(262145, ' '),
         proto::errors::limit_exceeded,
         {{"limit", "messageBytes"}, {"value", 262144}}},
        {std::string(262144, ' ') + '\0',
         proto::errors::malformed,
         {{"reason", "not JSON at byte 262145"}}},
    };
    RunningServer server;
    server.start();
    for (const auto &test : cases) {
        Client client = server.connect();
        ASSERT_TRUE(client.send(test.bytes));
        const json reply = client.receive_json();
        EXPECT_EQ(reply["error"], test.error) << test.bytes.substr(0, 40);
        EXPECT_EQ(reply["parameters"], test.parameters) << test.bytes.substr(0, 40);
        EXPECT_EQ(client.receive(), std::nullopt) << test.bytes.substr(0, 40);
    }
}

TEST(Server, AnswersWhatCameBeforeABadMessage) {
    RunningServer server;
    server.start();
    Client client = server.connect();
    ASSERT_TRUE(client.send(status_call + "\0nonsense\0"s + status_call + '\0'));
    EXPECT_TRUE(is_status(client.receive_json()));
    EXPECT_EQ(client.receive_json()["error"], proto::errors::malformed);
    EXPECT_EQ(client.receive(), std::nullopt);
}

TEST(Server, EndlessMessageEndsTheConnection) {
    RunningServer server;
    server.start();
    Client client = server.connect();
    EXPECT_FALSE(client.send(std::string(8 << 20, 'x')));
    EXPECT_EQ(client.receive_json()["error"], proto::errors::limit_exceeded);
    EXPECT_TRUE(is_info(server.connect().call(info_call)));
}

TEST(Server, SurvivesADisconnectAtAnyByte) {
    RunningServer server;
    fill(server.history, 600);
    server.start();
    for (const std::string &call : {status_call + '\0', list_call + '\0'})
        for (std::size_t length = 0; length <= call.size(); ++length) {
            Client client = server.connect();
            ASSERT_TRUE(client.send(call.substr(0, length)));
        }
    EXPECT_TRUE(is_status(server.connect().call(status_call)));
}

TEST(Server, ReadsACallByteByByte) {
    RunningServer server;
    server.start();
    Client client = server.connect();
    for (const char byte : status_call + '\0')
        ASSERT_TRUE(client.send({&byte, 1}));
    EXPECT_TRUE(is_status(client.receive_json()));
}

TEST(Server, DropsAHalfMessageButNotASilentClient) {
    Limits limits;
    limits.partial_message = std::chrono::milliseconds(50);
    RunningServer server(limits);
    server.start();
    Client silent = server.connect();
    Client answered = server.connect();
    EXPECT_TRUE(is_info(answered.call(info_call)));
    Client half = server.connect();
    ASSERT_TRUE(half.send(status_call));
    Client more_than_one = server.connect();
    ASSERT_TRUE(more_than_one.send(status_call + '\0' + status_call));

    EXPECT_EQ(half.receive(), std::nullopt);
    EXPECT_TRUE(is_status(more_than_one.receive_json()));
    EXPECT_EQ(more_than_one.receive(), std::nullopt);
    EXPECT_TRUE(is_status(silent.call(status_call)));
    EXPECT_TRUE(is_status(answered.call(status_call)));
}

TEST(Server, DropsAMessageThatTricklesIn) {
    Limits limits;
    limits.partial_message = std::chrono::milliseconds(100);
    RunningServer server(limits);
    server.start();
    Client client = server.connect();
    // Each byte comes long before the time is over; the message never ends.
    while (client.send(" "))
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(client.receive(), std::nullopt);
}

TEST(Server, ClientThatReadsNothingDisturbsNobody) {
    RunningServer server;
    fill(server.history, 20'000);
    server.start();
    Client idle = server.connect();
    ASSERT_TRUE(idle.send_message(list_call));
    for (int i = 0; i < 200; ++i)
        ASSERT_TRUE(is_status(server.connect().call(status_call)));
    // What fits the socket's buffer and one page was fetched for it, and no more.
    EXPECT_LE(server.history.pages, 10u);

    int leases = 0;
    while (idle.receive_json().contains("continues"))
        ++leases;
    EXPECT_EQ(leases, 20'000);
}

TEST(Server, DropsAClientThatReadsNothing) {
    Limits limits;
    limits.unread_answer = std::chrono::milliseconds(50);
    RunningServer server(limits);
    fill(server.history, 20'000);
    server.start();
    Client idle = server.connect();
    ASSERT_TRUE(idle.send_message(list_call));
    EXPECT_TRUE(idle.is_dropped());
    EXPECT_TRUE(is_status(server.connect().call(status_call)));
}

TEST(Server, ClientThatLeavesAStreamEndsIt) {
    RunningServer server;
    fill(server.history, 10'000);
    std::promise<void> searching;
    std::promise<void> left;
    server.history.on_page = [&, first = true]() mutable {
        if (!std::exchange(first, false))
            return;
        searching.set_value();
        left.get_future().wait();
    };
    server.start();
    {
        Client leaving = server.connect();
        // Nothing matches: the search has no reply to fail on.
        ASSERT_TRUE(leaving.send_message(
            R"({"method":"io.portd.Ports.List","more":true,"parameters":{"port":1}})"));
        searching.get_future().wait();
    }
    left.set_value();
    EXPECT_TRUE(is_info(server.connect().call(info_call)));
    server.stop();
    EXPECT_EQ(server.history.pages, 1u);
}

TEST(Server, GoesOnWhenTheStoreFails) {
    RunningServer server;
    fill(server.history, 3);
    server.history.broken = true;
    server.start();
    Client client = server.connect();
    const json failed = client.call(list_call);
    EXPECT_EQ(failed["error"], proto::errors::store_unavailable);
    EXPECT_EQ(failed["parameters"]["reason"], "store unreadable");
    server.history.broken = false;
    EXPECT_TRUE(client.call(list_call)["parameters"].contains("lease"));
}

TEST(Server, TurnsAwayOneConnectionTooMany) {
    Limits limits;
    limits.connections_of_root = limits.connections_per_user = 2;
    limits.connections = 4;
    RunningServer server(limits);
    server.start();
    Client first = server.connect();
    auto second = std::make_unique<Client>(server.connect());
    EXPECT_TRUE(is_info(first.call(info_call)));
    EXPECT_TRUE(is_info(second->call(info_call)));

    Client third = server.connect();
    const json refusal = third.receive_json();
    EXPECT_EQ(refusal["error"], proto::errors::limit_exceeded);
    EXPECT_EQ(refusal["parameters"], json({{"limit", "connectionsPerUser"}, {"value", 2}}));
    EXPECT_EQ(third.receive(), std::nullopt);

    second.reset();
    // The place is free as soon as the server has seen the end of the second.
    while (!is_info(server.connect().call(info_call)))
        continue;
    EXPECT_TRUE(is_info(first.call(info_call)));
}

TEST(Server, LetsRootInWhenOthersFilledTheirShare) {
    if (!is_root())
        GTEST_SKIP() << "needs root to connect as other users";
    Limits limits;
    limits.connections = 6;
    limits.connections_per_user = 2;
    limits.connections_of_root = 3;
    RunningServer server(limits);
    server.start();
    std::list<Client> inside;
    for (const uid_t uid : {4242u, 4242u, 4243u}) {
        inside.push_back(connect_as(server, uid));
        EXPECT_TRUE(is_info(inside.back().call(info_call)));
    }
    EXPECT_EQ(connect_as(server, 4242).receive_json()["parameters"]["limit"], "connectionsPerUser");
    EXPECT_EQ(connect_as(server, 4244).receive_json()["parameters"]["limit"], "connections");
    EXPECT_TRUE(is_info(server.connect().call(info_call)));
}

// All is there before the server goes on, so that what it does then depends on its order alone.
TEST(Server, WhoComesBehindACrowdOfOneUserWaitsForFewOfItsPages) {
    if (!is_root())
        GTEST_SKIP() << "needs root to connect as another user";
    RunningServer server;
    fill(server.history, 600);
    std::promise<void> everybody_waits;
    const auto may_go_on = everybody_waits.get_future();
    std::vector<std::optional<std::uint16_t>> asked; // the ports of which pages were made
    server.history.on_page = [&] {
        if (asked.empty())
            may_go_on.wait();
        asked.push_back(server.history.last_query.port);
    };
    server.start();
    std::list<Client> crowd;
    for (int i = 0; i < 16; ++i) {
        crowd.push_back(connect_as(server, 4242));
        ASSERT_TRUE(crowd.back().send_message(list_call));
    }
    std::list<Client> turned_away;
    for (int i = 0; i < 40; ++i)
        turned_away.push_back(connect_as(server, 4242));
    Client other = server.connect();
    ASSERT_TRUE(other.send_message(
        R"({"method":"io.portd.Ports.List","more":true,"parameters":{"port":61000}})"));
    everybody_waits.set_value();
    EXPECT_FALSE(other.receive_json().is_null());
    const std::scoped_lock lock(server.history.mutex);
    const auto mine = std::ranges::find(asked, 61000);
    EXPECT_LE(mine - asked.begin(), 6);
}

TEST(Server, ShowsEachUserWhatIsTheirs) {
    if (!is_root())
        GTEST_SKIP() << "needs root to connect as another user";
    RunningServer server;
    server.history.leases = {open_lease("own", 50000, 4242, 1),
                             open_lease("other", 50000, 4243, 2)};
    server.start();

    Client ordinary = connect_as(server, 4242);
    const json own = ordinary.call(list_call)["parameters"]["lease"];
    EXPECT_EQ(own["id"], "own");
    EXPECT_EQ(own["incomplete"], false);
    EXPECT_EQ(own["opener"]["pid"], 812);
    const json other = ordinary.receive_json()["parameters"]["lease"];
    EXPECT_EQ(other["id"], "other");
    EXPECT_EQ(other["incomplete"], true);
    EXPECT_EQ(other["opener"], json({{"provenance", "unknown"}}));
    EXPECT_EQ(ordinary.receive_json()["parameters"]["withheld"], true);

    Client privileged = server.connect();
    privileged.call(list_call);
    EXPECT_EQ(privileged.receive_json()["parameters"]["lease"]["incomplete"], false);
    EXPECT_EQ(privileged.receive_json()["parameters"]["withheld"], false);
}

TEST(Server, GoesOnAfterItRanOutOfDescriptors) {
    RunningServer server;
    server.start();
    Client before = server.connect();
    EXPECT_TRUE(is_info(before.call(info_call)));

    rlimit original{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &original), 0);
    const system::Fd lowest(::dup(0));
    system::Fd next(::dup(0));
    rlimit tight = original;
    // Room for the client's end of one more connection, not for the server's.
    tight.rlim_cur = static_cast<rlim_t>(next.get()) + 1;
    next.reset();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    Client waiting = server.connect();
    EXPECT_TRUE(waiting.send_message(info_call));
    EXPECT_TRUE(is_info(before.call(info_call)));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &original), 0);
    EXPECT_TRUE(is_info(waiting.receive_json()));
}

TEST(Server, StopsAlsoBeforeItRuns) {
    RunningServer server;
    server.stop();
    server.start();
    server.stop();
}

TEST(Server, StopsWhileClientsAreConnected) {
    RunningServer server;
    fill(server.history, 20'000);
    server.start();
    Client idle = server.connect();
    ASSERT_TRUE(idle.send_message(list_call));
    Client half = server.connect();
    ASSERT_TRUE(half.send("{"));
    EXPECT_TRUE(is_info(server.connect().call(info_call)));
    server.stop();
}

} // namespace
} // namespace portd::server
