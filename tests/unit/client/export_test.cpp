// portd-ctl export and watch, and the words of other schemas.
#include "client/command_line.hpp"
#include "client/cursor_file.hpp"
#include "client/export_schema.hpp"

#include "unit/client/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

proto::Lease ended_connection() {
    proto::Lease lease = connection_lease();
    lease.peer_address = "66.35.250.204";
    lease.peer_port = 80;
    lease.local_address = "128.232.110.120";
    lease.local_port = 34855;
    return lease;
}

TEST(ExportSchema, OtelHasTheNamesOfTheSemanticConventions) {
    const json object = to_otel(ended_connection());
    EXPECT_EQ(object["event.name"], "portd.lease");
    EXPECT_EQ(object["log.record.uid"], ended_connection().id);
    EXPECT_EQ(object["timestamp"], "2026-11-22T03:13:05.000000Z");
    EXPECT_EQ(object["network.transport"], "tcp");
    EXPECT_EQ(object["network.type"], "ipv4");
    EXPECT_EQ(object["network.local.address"], "128.232.110.120");
    EXPECT_EQ(object["network.local.port"], 34855);
    EXPECT_EQ(object["network.peer.address"], "66.35.250.204");
    EXPECT_EQ(object["network.peer.port"], 80);
    EXPECT_EQ(object["network.community_id"], "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    EXPECT_TRUE(object["process.pid"].is_number());
    EXPECT_EQ(object["portd.opened.time"], "2026-11-22T03:12:05.000000Z");
    EXPECT_EQ(object["portd.opened.provenance"], "observed");
    for (const auto &[name, value] : object.items())
        EXPECT_TRUE(value.is_string() || value.is_number()) << name << ": attributes are flat";
}

TEST(ExportSchema, EcsHasItsFields) {
    proto::Lease lease = ended_connection();
    lease.role = Role::client;
    lease.outcome = portd::Outcome::refused;
    lease.bytes_sent = 10;
    lease.bytes_received = 20;
    const json document = to_ecs(lease);
    EXPECT_EQ(document["@timestamp"], "2026-11-22T03:13:05.000000Z");
    EXPECT_EQ(document["ecs"]["version"], "8.17.0");
    EXPECT_EQ(document["event"]["id"], lease.id);
    EXPECT_EQ(document["event"]["category"], json::array({"network"}));
    EXPECT_EQ(document["event"]["type"], json::array({"connection", "end"}));
    EXPECT_EQ(document["event"]["outcome"], "failure");
    EXPECT_EQ(document["event"]["duration"], 500'000'000);
    EXPECT_EQ(document["source"]["ip"], "128.232.110.120");
    EXPECT_EQ(document["source"]["bytes"], 10);
    EXPECT_EQ(document["destination"]["port"], 80);
    EXPECT_EQ(document["network"]["bytes"], 30);
    EXPECT_EQ(document["network"]["direction"], "egress");
    EXPECT_EQ(document["network"]["community_id"], "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    EXPECT_TRUE(document["process"]["pid"].is_number());

    lease.role = Role::accepted;
    const json accepted = to_ecs(lease);
    EXPECT_EQ(accepted["destination"]["ip"], "128.232.110.120");
    EXPECT_EQ(accepted["source"]["ip"], "66.35.250.204");
    EXPECT_EQ(accepted["network"]["direction"], "ingress");
}

TEST(ExportSchema, WhatIsNotKnownIsLeftOut) {
    proto::Lease lease;
    lease.id = "i";
    lease.local_address = "0.0.0.0";
    lease.opened = sampled(t0, t0 + second);
    lease.freed = sampled(t0 + second, t0 + 2 * second);
    const json otel = to_otel(lease);
    const json ecs = to_ecs(lease);
    EXPECT_FALSE(otel.contains("portd.opened.time"));
    EXPECT_EQ(otel["portd.opened.earliest"], "2026-11-22T03:12:05.000000Z");
    EXPECT_EQ(otel["timestamp"], "2026-11-22T03:12:07.000000Z");
    EXPECT_EQ(otel["portd.process.provenance"], "unknown");
    for (const char *name : {"process.pid", "network.community_id", "network.peer.address"})
        EXPECT_FALSE(otel.contains(name)) << name;
    for (const char *name : {"process", "source", "destination", "user", "container"})
        EXPECT_FALSE(ecs.contains(name)) << name;
    for (const char *name : {"start", "end", "duration"})
        EXPECT_FALSE(ecs["event"].contains(name)) << name;
    EXPECT_EQ(ecs["event"]["outcome"], "unknown");
    EXPECT_EQ(ecs["portd"]["opened"]["latest"], "2026-11-22T03:12:06.000000Z");
}

TEST(ExportSchema, GapsHaveAnIdentityToo) {
    const proto::Gap gap{t0, t0 + second, "ringFull", 7};
    EXPECT_EQ(to_otel(gap)["log.record.uid"], to_ecs(gap)["event"]["id"]);
    EXPECT_EQ(to_otel(gap)["portd.gap.lost_events"], 7);
    EXPECT_EQ(to_ecs(gap)["event"]["reason"], "ringFull");
    EXPECT_NE(gap_id(gap), gap_id({t0 + 1, t0 + second, "ringFull", 7}));
    EXPECT_EQ(gap_id({std::nullopt, t0, "expired", std::nullopt}), "expired-beginning");
}

// A daemon that gives these replies to Watch or Export, the last of which continues or does not.
FakeDaemon::Script gives(std::vector<json> replies, bool ends) {
    return [replies, ends](int fd, const proto::Call &) {
        for (std::size_t i = 0; i < replies.size(); ++i) {
            proto::Reply reply;
            reply.continues = !ends || i + 1 < replies.size();
            reply.parameters = std::make_shared<const json>(replies[i]);
            say(fd, proto::format_reply(reply));
        }
        return FakeDaemon::Then::hang_up;
    };
}

json lease_reply(const std::string &cursor) {
    proto::ExportReply reply;
    reply.lease = ended_connection();
    reply.cursor = cursor;
    return proto::encode(reply);
}

json last_reply(const std::string &cursor) {
    proto::ExportReply reply;
    reply.coverage = watched(t0, t0 + second);
    reply.cursor = cursor;
    return proto::encode(reply);
}

std::vector<json> lines_of(const std::string &text) {
    std::vector<json> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(json::parse(line));
    return lines;
}

class Following : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
    }
    ScratchDirectory scratch_;
};

TEST_F(Following, ExportPrintsTheRepliesAsTheyAre) {
    const FakeDaemon daemon(gives({lease_reply("e1"), last_reply("e2")}, true));
    const Outcome outcome =
        run({"--socket", daemon.path(), "export", "--since", "@1", "--after-cursor", "e0"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(lines_of(outcome.out), (std::vector<json>{lease_reply("e1"), last_reply("e2")}));
    EXPECT_EQ(*daemon.calls().at(0).parameters,
              (json{{"sinceUsec", 1'000'000}, {"afterCursor", "e0"}}));
}

TEST_F(Following, ExportInTheWordsOfOthersHasTheCursorToo) {
    for (const std::string schema : {"otel", "ecs"}) {
        const FakeDaemon daemon(gives({lease_reply("e1"), last_reply("e2")}, true));
        const Outcome outcome = run({"--socket", daemon.path(), "export", "--schema", schema});
        EXPECT_EQ(outcome.status, 0);
        const auto lines = lines_of(outcome.out);
        ASSERT_EQ(lines.size(), 1u);
        const json &cursor =
            schema == "otel" ? lines[0].at("portd.cursor") : lines[0].at("portd").at("cursor");
        EXPECT_EQ(cursor, "e1");
    }
}

TEST_F(Following, NothingToExportIsStatus1) {
    const FakeDaemon daemon(gives({last_reply("e2")}, true));
    EXPECT_EQ(run({"--socket", daemon.path(), "export"}).status, 1);
}

TEST_F(Following, WhoIsCutOffIsToldTheCursor) {
    const FakeDaemon daemon(gives({lease_reply("e1"), lease_reply("e7")}, false));
    for (const std::vector<std::string> &verb :
         {std::vector<std::string>{"export"}, std::vector<std::string>{"export", "--follow"}}) {
        std::vector<std::string> arguments{"--socket", daemon.path()};
        arguments.insert(arguments.end(), verb.begin(), verb.end());
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 3);
        EXPECT_EQ(lines_of(outcome.out).size(), 2u);
        EXPECT_THAT(outcome.err, HasSubstr("go on with --after-cursor e7"));
    }
}

TEST_F(Following, TheCursorFileRemembers) {
    const std::string file = scratch_ / "cursor";
    {
        const FakeDaemon daemon(gives({lease_reply("e1"), last_reply("e2")}, true));
        EXPECT_EQ(run({"--socket", daemon.path(), "export", "--cursor-file", file}).status, 0);
        EXPECT_FALSE(daemon.calls().at(0).parameters->contains("afterCursor"));
    }
    EXPECT_EQ(read_cursor(file), "e2");
    const FakeDaemon daemon(gives({lease_reply("e3")}, false));
    EXPECT_EQ(run({"--socket", daemon.path(), "export", "-f", "--cursor-file", file}).status, 3);
    EXPECT_EQ(daemon.calls().at(0).parameters->at("afterCursor"), "e2");
    EXPECT_EQ(read_cursor(file), "e3") << "also of an export that was cut off";
}

TEST_F(Following, AFileThatHoldsNoCursorIsLeftAlone) {
    const std::string file = scratch_ / "cursor";
    for (const std::string &content :
         {std::string(), std::string("a\nb\n"), std::string(600, 'x')}) {
        std::ofstream(file) << content;
        const FakeDaemon daemon(gives({last_reply("e2")}, true));
        const Outcome outcome = run({"--socket", daemon.path(), "export", "--cursor-file", file});
        EXPECT_EQ(outcome.status, 2);
        EXPECT_THAT(outcome.err, HasSubstr(file + " holds no cursor of portd's; remove it to "));
        std::ostringstream left;
        left << std::ifstream(file).rdbuf();
        EXPECT_EQ(left.str(), content);
    }
}

TEST_F(Following, ACursorThatPortdRefusesIsAskedWrongly) {
    const std::string file = scratch_ / "cursor";
    std::ofstream(file) << "foo\n";
    const json refusal{{"error", "org.varlink.service.InvalidParameter"},
                       {"parameters", {{"parameter", "afterCursor"}, {"reason", "is none"}}}};
    const FakeDaemon daemon([text = refusal.dump()](int fd, const proto::Call &) {
        say(fd, text);
        return FakeDaemon::Then::go_on;
    });
    const Outcome kept = run({"--socket", daemon.path(), "export", "--cursor-file", file});
    EXPECT_EQ(kept.status, 2);
    EXPECT_THAT(kept.err, HasSubstr(file + " holds no cursor of portd's; remove it"));
    for (const char *verb : {"export", "watch"}) {
        const Outcome typed = run({"--socket", daemon.path(), verb, "--after-cursor", "foo"});
        EXPECT_EQ(typed.status, 2);
        EXPECT_THAT(typed.err, HasSubstr("refused the value of --after-cursor: is none"));
    }
}

TEST_F(Following, MistakesAreUsageErrors) {
    const struct {
        std::vector<std::string> arguments;
        const char *message;
    } cases[] = {
        {{"export", "--follow", "--until", "now"}, "--follow goes on with what is to come"},
        {{"export", "--since", "@20", "--until", "@10"}, "--since '@20' is after --until '@10'"},
        {{"export", "--after-cursor", "a", "--cursor-file", "b"}, "give one of them"},
        {{"export", "--schema", "esc"}, "did you mean 'ecs'?"},
        {{"watch", "--port", "0"}, "--port '0' is not a port"},
        {{"watch", "-o", "csv"}, "watch has no form 'csv'"},
    };
    for (const auto &test : cases) {
        const Outcome outcome = run(test.arguments);
        EXPECT_EQ(outcome.status, 2) << test.message;
        EXPECT_THAT(outcome.err, HasSubstr(test.message));
    }
}

json event(Event what, const std::optional<std::string> &cursor) {
    proto::WatchReply reply;
    reply.event = what;
    if (what == Event::ready)
        reply.coverage = watched(t0, t0 + second);
    else if (what == Event::gap)
        reply.gap = proto::Gap{t0, t0 + second, "overflow", 3};
    else
        reply.lease = connection_lease();
    if (what == Event::open)
        reply.lease->freed = reply.lease->closed = std::nullopt;
    reply.cursor = cursor;
    return proto::encode(reply);
}

TEST_F(Following, WhoGotNothingIsNotTold) {
    const FakeDaemon daemon(gives({}, false));
    for (const char *verb : {"export", "watch"}) {
        const Outcome outcome = run({"--socket", daemon.path(), verb, "--after-cursor", "e1"});
        EXPECT_EQ(outcome.status, 3);
        EXPECT_EQ(outcome.err.find("go on with"), std::string::npos) << outcome.err;
    }
}

TEST_F(Following, WatchShowsATableWithTheEvents) {
    proto::Explanation recorded;
    recorded.recorded = true;
    const FakeDaemon daemon(
        [&, watch = gives({event(Event::open, std::nullopt), event(Event::ready, "w1"),
                           event(Event::opened, "w2"), event(Event::gap, "w3"),
                           event(Event::ended, "w4")},
                          false)](int fd, const proto::Call &call) {
            if (call.method == proto::methods::explain)
                return replies({proto::encode(recorded)})(fd, call);
            return watch(fd, call);
        });
    const Outcome outcome = run({"--socket", daemon.path(), "watch", "--port", "60609"});
    EXPECT_EQ(outcome.status, 3) << "portd hung up";
    EXPECT_THAT(outcome.err, HasSubstr("go on with --after-cursor w4"));
    EXPECT_THAT(outcome.err, HasSubstr("portd missed events"));
    std::istringstream lines(outcome.out);
    std::vector<std::string> first_words;
    for (std::string line; std::getline(lines, line);)
        first_words.push_back(line.substr(0, line.find(' ')));
    EXPECT_EQ(first_words, (std::vector<std::string>{"EVENT", "open", "--", "opened", "ended"}));
    EXPECT_THAT(outcome.out, HasSubstr("-- 1 lease is open; what follows happens now --"));
    EXPECT_EQ(*daemon.calls().at(1).parameters, (json{{"port", 60609}}));
}

TEST_F(Following, WatchAsJsonPrintsTheRepliesAsTheyAre) {
    const std::vector<json> replies{event(Event::ready, "w1"), event(Event::ended, "w2")};
    const FakeDaemon daemon(gives(replies, false));
    const Outcome outcome =
        run({"--socket", daemon.path(), "--json", "watch", "--after-cursor", "w0"});
    EXPECT_EQ(lines_of(outcome.out), replies);
    EXPECT_EQ(*daemon.calls().at(0).parameters, (json{{"afterCursor", "w0"}}));
}

} // namespace
} // namespace portd::client::test
