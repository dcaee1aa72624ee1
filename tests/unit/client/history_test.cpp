// portd-ctl history.
#include "client/lease_printer.hpp"

#include "unit/client/command_line.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <sstream>
#include <vector>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(CommandLine, HistoryShowsTheLeases) {
    const FakeDaemon daemon(answers_from(one_connection()));
    const Outcome outcome = run({"--socket", daemon.path(), "history", "60609"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.out,
              "OPENED (UTC)             ENDED         DURATION  PROTO  LOCAL           PEER       "
              "        ROLE    PROCESS     USER   UNIT\n"
              "2026-11-22 03:12:05.000  03:12:05.500  500ms     tcp    10.0.0.5:60609  "
              "93.184.216.34:443  client  curl[8123]  alice  -\n");
}

TEST_F(CommandLine, HistoryAsksForWhatWasTyped) {
    const FakeDaemon daemon(answers_from(one_connection()));
    const struct {
        std::vector<std::string> arguments;
        json parameters;
    } cases[] = {
        {{}, json::object()},
        {{"60609"}, {{"port", 60609}}},
        {{"60609", "--at", "2026-11-22 03:12:05"},
         {{"port", 60609}, {"atUsec", t0}, {"withinUsec", 2 * second}}},
        {{"--at", "@1795317125", "--within", "1min"},
         {{"atUsec", t0}, {"withinUsec", 60 * second}}},
        {{"--since", "2026-11-22 03:12:05", "--until", "2026-11-22 03:12:06"},
         {{"sinceUsec", t0}, {"untilUsec", t0 + second}}},
        {{"--proto", "udp", "--pid", "12"}, {{"protocol", "udp"}, {"pid", 12}}},
        {{"--limit", "5"}, {{"newest", 5}}},
        {{"--reverse"}, {{"newestFirst", true}}},
    };
    for (const auto &c : cases) {
        std::vector<std::string> arguments{"history"};
        arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
        arguments.insert(arguments.end(), {"--socket", daemon.path()});
        EXPECT_EQ(run(arguments).status, 0);
        const proto::Call call = daemon.calls().back();
        EXPECT_EQ(call.method, "io.portd.Ports.History");
        EXPECT_TRUE(call.more);
        EXPECT_EQ(*call.parameters, c.parameters);
    }
}

TEST_F(CommandLine, UtcIsForTimesGivenAndShown) {
    ::setenv("TZ", "CET-1", 1);
    const FakeDaemon daemon(answers_from(nothing()));
    const std::vector<std::string> arguments{
        "history", "60609", "--at", "2026-11-22 03:12:05", "--socket", daemon.path()};
    EXPECT_THAT(run(arguments).out, HasSubstr("03:12:05 CET"));
    EXPECT_EQ((*asked(daemon, proto::methods::history).parameters)["atUsec"], t0 - 3600 * second);
    std::vector<std::string> with_utc = arguments;
    with_utc.push_back("--utc");
    EXPECT_THAT(run(with_utc).out, HasSubstr("03:12:05 UTC"));
    EXPECT_THAT(run(arguments).out, HasSubstr("03:12:05 CET"));
}

TEST_F(CommandLine, JsonIsTheWire) {
    Records records = one_connection();
    records.leases[0].opener.command = "\u202e\x1b\"caf\u00e9";
    records.withheld = true;
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "--json", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    std::istringstream lines(outcome.out);
    std::string first;
    std::string last;
    std::string more;
    ASSERT_TRUE(std::getline(lines, first));
    ASSERT_TRUE(std::getline(lines, last));
    EXPECT_FALSE(std::getline(lines, more));
    EXPECT_EQ(json::parse(first), proto::encode(records.leases[0]));
    EXPECT_EQ(json::parse(last)["coverage"], proto::encode(records.coverage));
    EXPECT_EQ(json::parse(last)["withheld"], true);
    EXPECT_THAT(first, HasSubstr(R"(\u202e\u001b\"caf\u00e9)"));
    EXPECT_EQ(run({"history", "-o", "json", "--socket", daemon.path()}).out, outcome.out);

    const Outcome on_terminal =
        run_on_terminal({"history", "--json", "--socket", daemon.path()}, 80, 24);
    EXPECT_THAT(on_terminal.out, Not(HasSubstr("\u202e")));
    std::istringstream(on_terminal.out) >> first;
    EXPECT_EQ(json::parse(first), proto::encode(records.leases[0]));
}

TEST_F(CommandLine, AnEmptyAnswerSaysWhatItMeans) {
    const std::vector<std::string> at{"history", "60609", "--at", "2026-11-22 03:12:05"};
    const auto ask = [&](const Records &records, std::vector<std::string> arguments) {
        const FakeDaemon daemon(answers_from(records));
        arguments.insert(arguments.end(), {"--socket", daemon.path()});
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 1);
        return outcome;
    };
    EXPECT_EQ(ask(nothing(), at).out,
              "Nobody held port 60609 at 2026-11-22 03:12:05 UTC; portd was watching.\n");
    EXPECT_EQ(ask(nothing(), {"history", "--proto", "udp", "--pid", "9"}).out,
              "Nobody with pid 9 held any udp port since 2026-11-22 02:12:05 UTC; portd was "
              "watching.\n");
    EXPECT_EQ(
        ask(nothing(), {"history", "7", "--since", "2026-11-22", "--until", "2026-11-22 01:00"})
            .out,
        "Nobody held port 7 from 2026-11-22 00:00:00 UTC to 2026-11-22 01:00:00 UTC; portd "
        "was watching.\n");

    Records partly = nothing();
    partly.coverage.complete = false;
    partly.coverage.gaps = {{t0 - second, t0, "notRunning", std::nullopt},
                            {t0 + second, std::nullopt, "overflow", 12}};
    const Outcome gaps = ask(partly, at);
    EXPECT_EQ(gaps.out, "As far as portd was watching, nobody held port 60609 at 2026-11-22 "
                        "03:12:05 UTC.\n");
    EXPECT_EQ(gaps.err,
              "It watched by sock_diag, which misses a port that a socket takes and leaves between "
              "two snapshots without being closed.\n"
              "portd was not watching from 2026-11-22 03:12:04 UTC to 2026-11-22 03:12:05 UTC: the "
              "daemon was not running.\n"
              "portd missed events since 2026-11-22 03:12:06 UTC: events came faster than they "
              "could be taken; 12 events were lost.\n");

    Records withheld = nothing();
    withheld.withheld = true;
    withheld.coverage.complete = false;
    const Outcome others = ask(withheld, at);
    EXPECT_EQ(others.out, "Nobody whose leases you may see held port 60609 at 2026-11-22 03:12:05 "
                          "UTC; portd was watching.\n");
    EXPECT_THAT(others.err, HasSubstr("run as root or join group portd"));

    Records snapshots = nothing();
    snapshots.coverage.intervals[0].source = CaptureTier::procfs;
    snapshots.coverage.complete = false;
    const Outcome sampled_only = ask(snapshots, at);
    EXPECT_THAT(sampled_only.out, StartsWith("As far as portd was watching, nobody held"));
    EXPECT_THAT(sampled_only.err, HasSubstr("misses sockets that live between two"));

    Records left_out = nothing();
    left_out.explanation.recorded = false;
    const Outcome unrecorded = ask(left_out, at);
    EXPECT_EQ(unrecorded.out, "");
    EXPECT_THAT(unrecorded.err, HasSubstr("portd cannot tell who held port 60609"));
}

TEST_F(CommandLine, NotWatchingIsNotNobody) {
    // The first question is for a time before the records; the second asks where they begin.
    const FakeDaemon daemon([](int fd, const proto::Call &call) {
        Records records = nothing();
        if (call.parameters->contains("atUsec")) {
            records.coverage = {};
            records.coverage.gaps = {{std::nullopt, t0 + 60 * second, "notRunning", std::nullopt}};
        }
        return answers_from(records)(fd, call);
    });
    const Outcome outcome =
        run({"history", "60609", "--at", "2026-11-22 03:12:05", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err,
              "portd was not watching at 2026-11-22 03:12:05 UTC (the daemon was not running); it "
              "has records since 2026-11-22 02:12:05 UTC.\n");
}

// The window around --at is wider than the instant: what is said is said of the instant.
TEST_F(CommandLine, GapsBesideTheInstantAreRemarks) {
    Records records = nothing();
    records.coverage.complete = false;
    records.coverage.intervals = {{t0 - second, t0 + 2 * second, CaptureTier::sock_diag}};
    records.coverage.gaps = {{t0 - 2 * second, t0 - second, "notRunning", std::nullopt}};
    const auto ask = [](const Records &answer) {
        const FakeDaemon daemon(answers_from(answer));
        return run({"history", "60609", "--at", "2026-11-22 03:12:05", "--socket", daemon.path()});
    };
    EXPECT_THAT(ask(records).out, StartsWith("Nobody held port 60609 at"));
    EXPECT_THAT(ask(records).err, HasSubstr("portd was not watching from 2026-11-22 03:12:03 UTC"));

    records.coverage.intervals = {{t0 + second, t0 + 2 * second, CaptureTier::sock_diag}};
    records.coverage.gaps = {{t0 - 2 * second, t0 + second, "scanFailed", std::nullopt}};
    EXPECT_EQ(ask(records).out, "");
    EXPECT_THAT(ask(records).err,
                HasSubstr("portd was not watching at 2026-11-22 03:12:05 UTC (the "
                          "kernel's socket tables could not be read)"));
}

TEST_F(CommandLine, AtSaysHowEachLeaseStood) {
    Records records = one_connection();
    records.leases[0].opened = sampled(t0 - second, t0 + second);
    records.leases[0].closed.reset();
    records.leases[0].freed.reset();
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome =
        run({"history", "60609", "--at", "2026-11-22 03:12:05", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("2026-11-22 03:12:05 ±1s  open   possibly"));
}

TEST_F(CommandLine, RowsWithGapsHaveRemarks) {
    Records records = one_connection();
    records.coverage.complete = false;
    for (int i = 0; i < 11; ++i)
        records.coverage.gaps.push_back({t0 + i, t0 + i, "some\x1bthing", std::nullopt});
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(count_lines(outcome.out), 2U);
    EXPECT_EQ(count_lines(outcome.err), 9U);
    EXPECT_THAT(outcome.err, HasSubstr(R"(some\x1bthing)"));
    EXPECT_THAT(outcome.err, HasSubstr("3 more such gaps"));
}

TEST_F(CommandLine, FoldsConnectionsOfAListener) {
    Records records = one_connection();
    proto::Lease listener = connection_lease();
    listener.role = Role::listener;
    listener.local_address = "0.0.0.0";
    listener.peer_address.reset();
    proto::Lease accepted = connection_lease();
    accepted.role = Role::accepted;
    records.leases = {listener};
    records.leases.insert(records.leases.end(), 17, accepted);
    const FakeDaemon daemon(answers_from(records));
    for (const char *verb : {"history", "list"}) {
        const Outcome folded = run({verb, "--socket", daemon.path()});
        EXPECT_EQ(count_lines(folded.out), 2U);
        EXPECT_THAT(folded.out, HasSubstr("listener (+17 accepted)"));
        const Outcome all = run({verb, "--accepted", "--socket", daemon.path()});
        EXPECT_EQ(count_lines(all.out), 19U);
    }
}

TEST_F(CommandLine, LongAnswersStream) {
    Records records = one_connection();
    records.leases.assign(LeasePrinter::buffered_rows + 500, connection_lease());
    records.leases.back().opener.command = "a-longer-name-than-before";
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "--socket", daemon.path()});
    EXPECT_EQ(count_lines(outcome.out), LeasePrinter::buffered_rows + 501);
    EXPECT_THAT(outcome.out, HasSubstr("a-longer-name-than-before[8123]"));
}

// What is told before the daemon hangs up is printed: nothing waits for the end.
TEST_F(CommandLine, TheNewestStreamAsAllDo) {
    Records records = one_connection();
    records.leases.assign(2'000, connection_lease());
    const FakeDaemon daemon([&records](int fd, const proto::Call &call) {
        if (call.method != proto::methods::history)
            return answers_from(records)(fd, call);
        for (const proto::Lease &lease : records.leases) {
            proto::Reply reply;
            reply.continues = true;
            reply.parameters = std::make_shared<const json>(
                proto::encode(proto::LeaseReply{lease, {}, {}, {}, false}));
            say(fd, proto::format_reply(reply));
        }
        return FakeDaemon::Then::hang_up;
    });
    for (const char *form : {"short", "wide", "verbose", "json", "csv"}) {
        const Outcome outcome =
            run({"history", "--limit", "2000", "-o", form, "--socket", daemon.path()});
        EXPECT_EQ(outcome.status, 3) << form;
        EXPECT_GT(count_lines(outcome.out), 1'000U) << form;
    }
}

TEST_F(CommandLine, WideShowsTheBounds) {
    Records records = one_connection();
    records.leases[0].opened = sampled(std::nullopt, t0);
    records.leases[0].last_holder.arguments = "curl \x1b[31mhttps://example.com/";
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "-o", "wide", "--socket", daemon.path()});
    EXPECT_THAT(outcome.out, HasSubstr("[.. 2026-11-22 03:12:05.000000]"));
    EXPECT_THAT(outcome.out, HasSubstr(R"(curl \x1b[31mhttps://example.com/)"));
}

TEST_F(CommandLine, HistoryShowsBindFailuresBetweenTheLeases) {
    Records records = one_connection();
    records.bind_failures = {refused_bind()};
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "60609", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.out,
              "OPENED (UTC)             ENDED         DURATION  PROTO  LOCAL           PEER       "
              "        ROLE          OUTCOME     PROCESS                            USER   UNIT\n"
              "2026-11-22 03:12:05.000  03:12:05.500  500ms     tcp    10.0.0.5:60609  "
              "93.184.216.34:443  client        -           curl[8123]                         "
              "alice  -\n"
              "2026-11-22 03:12:05.000  -             -         tcp    0.0.0.0:60609   -          "
              "        bind failure  EADDRINUSE  python3[99], in use by nginx[812]  alice  -\n");

    const Outcome as_json = run({"history", "--json", "--socket", daemon.path()});
    std::istringstream lines(as_json.out);
    std::string line;
    ASSERT_TRUE(std::getline(lines, line) && std::getline(lines, line));
    EXPECT_EQ(json::parse(line), proto::encode(records.bind_failures[0]));
    EXPECT_THAT(run({"history", "-o", "wide", "--socket", daemon.path()}).out,
                HasSubstr("bind failure"));
}

TEST_F(CommandLine, ABindFailureAloneSaysThatNobodyHeldThePort) {
    Records records = nothing();
    records.bind_failures = {refused_bind()};
    records.bind_failures[0].in_the_way.clear();
    records.bind_failures[0].error = "EACCES";
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome =
        run({"history", "60609", "--at", "2026-11-22 03:12:05", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("python3[99], not permitted"));
    EXPECT_THAT(outcome.out, HasSubstr("Nobody held port 60609 at 2026-11-22 03:12:05 UTC"));
    EXPECT_EQ(run({"history", "--json", "--socket", daemon.path()}).status, 0);
    // List has none.
    EXPECT_EQ(run({"list", "--socket", daemon.path()}).status, 1);
}

TEST_F(CommandLine, NamespacesAreNamedWhereTheyDiffer) {
    Records records = one_connection();
    records.leases.push_back(connection_lease());
    records.leases[1].network_namespace = 4026532100;
    {
        const FakeDaemon daemon(answers_from(one_connection()));
        EXPECT_THAT(run({"history", "--socket", daemon.path()}).out, Not(HasSubstr("NETNS")));
        EXPECT_THAT(run({"list", "--socket", daemon.path()}).out, Not(HasSubstr("NETNS")));
    }
    for (const bool named : {false, true}) {
        if (named)
            records.leases[1].network_namespace_name = "blue";
        const FakeDaemon daemon(answers_from(records));
        for (const char *verb : {"history", "list"}) {
            const Outcome outcome = run({verb, "--socket", daemon.path()});
            EXPECT_THAT(outcome.out, HasSubstr("NETNS"));
            EXPECT_THAT(outcome.out, HasSubstr(named ? "  blue  " : "  4026532100  "));
        }
    }
}

TEST_F(CommandLine, AHolderInAnotherNamespaceIsNotTakenForOneHere) {
    Records records = one_connection();
    records.who.coverage = records.coverage;
    records.who.holders = records.leases;
    const auto ask = [&records](const char *verb) {
        records.explanation.who = records.who;
        const FakeDaemon daemon(answers_from(records));
        return run({verb, "60609", "--socket", daemon.path()}).out;
    };
    EXPECT_THAT(ask("who"), Not(HasSubstr("NETNS")));
    EXPECT_THAT(ask("explain"), Not(HasSubstr("namespace")));
    records.who.holders[0].network_namespace = 4026532100;
    EXPECT_THAT(ask("who"), HasSubstr("  4026532100  "));
    records.who.holders[0].network_namespace_name = "bl\x1bue";
    EXPECT_THAT(ask("who"), HasSubstr("NETNS"));
    EXPECT_THAT(ask("who"), HasSubstr("  bl\\x1bue  "));
    EXPECT_THAT(ask("explain"), HasSubstr(", in network namespace bl\\x1bue, "));

    records.who.last = records.who.holders[0];
    records.who.holders.clear();
    for (const char *verb : {"who", "explain"})
        EXPECT_THAT(ask(verb), HasSubstr(", in network namespace bl\\x1bue, opened")) << verb;
}

TEST_F(CommandLine, RowsOfOtherNamespacesThatComeLateAreARemark) {
    Records records = one_connection();
    records.leases.assign(LeasePrinter::buffered_rows + 2, connection_lease());
    records.leases.back().network_namespace = 7;
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "--socket", daemon.path()});
    EXPECT_THAT(outcome.out, Not(HasSubstr("NETNS")));
    EXPECT_THAT(outcome.err, HasSubstr("1 of these rows is of other network namespaces"));
}

} // namespace
} // namespace portd::client::test
