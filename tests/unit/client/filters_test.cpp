// The options that choose leases, and how a long answer is gone on with.
#include "unit/client/command_line.hpp"

#include <nlohmann/json.hpp>

#include <vector>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(CommandLine, FiltersAreAskedForByTheirNamesOnTheWire) {
    const struct {
        std::vector<std::string> typed;
        json asked;
    } cases[] = {
        {{"--exe", "/usr/bin/curl"}, {{"executable", "/usr/bin/curl"}}},
        {{"--comm", "curl"}, {{"command", "curl"}}},
        {{"--user", "65533"}, {{"uid", 65533}}},
        {{"--user", "root"}, {{"uid", 0}}},
        {{"--unit", "cron.service"}, {{"unit", "cron.service"}}},
        {{"--unit", "cron"}, {{"unit", "cron.service"}}},
        {{"--unit", "session-1.scope"}, {{"unit", "session-1.scope"}}},
        {{"--container", "0123"}, {{"container", "0123"}}},
        {{"--netns", "4026531840"}, {{"networkNamespace", 4026531840}}},
        {{"--netns", "blue"}, {{"networkNamespaceName", "blue"}}},
        {{"--peer", "192.0.2.1"}, {{"peerAddress", "192.0.2.1"}}},
        {{"--peer", "192.0.2.1:443"}, {{"peerAddress", "192.0.2.1"}, {"peerPort", 443}}},
        {{"--peer", "192.0.2.0/24:443"}, {{"peerAddress", "192.0.2.0/24"}, {"peerPort", 443}}},
        {{"--peer", ":443"}, {{"peerPort", 443}}},
        {{"--peer", "2001:db8::1"}, {{"peerAddress", "2001:db8::1"}}},
        {{"--peer", "[2001:db8::1]:443"}, {{"peerAddress", "2001:db8::1"}, {"peerPort", 443}}},
        {{"--peer", "[2001:db8::/32]"}, {{"peerAddress", "2001:db8::/32"}}},
        {{"--local", "::1"}, {{"localAddress", "::1"}}},
        {{"--role", "accepted"}, {{"role", "accepted"}}},
        {{"--outcome", "timedOut"}, {{"outcome", "timedOut"}}},
        {{"--shorter-than", "10ms"}, {{"shorterThanUsec", 10'000}}},
        {{"--longer-than", "1h"}, {{"longerThanUsec", 3'600'000'000}}},
    };
    for (const auto &[typed, asked_for] : cases)
        for (const char *verb : {"history", "list"}) {
            const FakeDaemon daemon(answers_from(one_connection()));
            std::vector<std::string> arguments{verb, "--socket", daemon.path()};
            arguments.insert(arguments.end(), typed.begin(), typed.end());
            EXPECT_EQ(run(arguments).status, 0);
            const auto method =
                std::string_view(verb) == "list" ? proto::methods::list : proto::methods::history;
            EXPECT_EQ(*asked(daemon, method).parameters, asked_for) << typed[1];
        }
}

// The parameters of the first History call.
json history_parameters(std::vector<std::string> arguments) {
    const FakeDaemon daemon(answers_from(one_connection()));
    arguments.insert(arguments.begin(), "history");
    arguments.insert(arguments.end(), {"--socket", daemon.path()});
    EXPECT_EQ(run(arguments).status, 0);
    return *asked(daemon, proto::methods::history).parameters;
}

TEST_F(CommandLine, AnAnswerThatGoesOnHasTheOrderOfItsCursor) {
    EXPECT_EQ(history_parameters({"--limit", "5"}), (json{{"newest", 5}}));
    EXPECT_EQ(history_parameters({"--limit", "5", "--json"}), (json{{"newest", 5}}));
    EXPECT_EQ(history_parameters({"--limit", "5", "--reverse"}),
              (json{{"limit", 5}, {"newestFirst", true}}));
    // Each row has its cursor, and behind the last follow those that are older.
    EXPECT_EQ(history_parameters({"--limit", "5", "--json", "--show-cursor"}),
              (json{{"limit", 5}, {"newestFirst", true}}));
    EXPECT_EQ(history_parameters({"--limit", "5", "--show-cursor"}), (json{{"newest", 5}}));
    EXPECT_EQ(history_parameters({"--limit", "5", "--cursor", "c"}),
              (json{{"limit", 5}, {"cursor", "c"}}));
    EXPECT_EQ(history_parameters({"--reverse", "--cursor", "c"}),
              (json{{"newestFirst", true}, {"cursor", "c"}}));
}

TEST_F(CommandLine, TheCursorIsPrintedWhereItIsAskedFor) {
    const FakeDaemon daemon([](int fd, const proto::Call &call) {
        if (call.method != proto::methods::history)
            return answers_from(one_connection())(fd, call);
        json lease{
            {"continues", true},
            {"parameters", {{"lease", proto::encode(connection_lease())}, {"cursor", "1:o:7::"}}}};
        say(fd, lease.dump());
        say(fd,
            json{{"parameters",
                  {{"coverage", proto::encode(one_connection().coverage)}, {"withheld", false}}}}
                .dump());
        return FakeDaemon::Then::go_on;
    });
    const auto told = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"history", "--socket", daemon.path()});
        return run(arguments).out;
    };
    EXPECT_THAT(told({"--show-cursor"}), testing::EndsWith("\n-- cursor: 1:o:7::\n"));
    EXPECT_THAT(told({}), Not(HasSubstr("cursor")));
    EXPECT_THAT(told({"--json", "--show-cursor"}), HasSubstr(R"("cursor":"1:o:7::")"));
    EXPECT_THAT(told({"--json"}), Not(HasSubstr("cursor")));
}

TEST_F(CommandLine, NothingForFiltersSaysThatTheyMatchNothing) {
    const FakeDaemon daemon(answers_from(nothing()));
    const Outcome outcome = run({"history", "60609", "--exe", "curl", "--at", "2026-11-22 03:12:05",
                                 "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "No lease of port 60609 at 2026-11-22 03:12:05 UTC matches all filters; "
                           "portd was watching.\n");
}

} // namespace
} // namespace portd::client::test
