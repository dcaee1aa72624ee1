// portd-ctl from its arguments to its output and exit status, against a service on a real socket.
#include "client/command_line.hpp"
#include "client/lease_printer.hpp"
#include "client/verbs.hpp"

#include "unit/client/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CommandLine : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
        ::setenv("TERM", "xterm", 1);
        for (const char *name :
             {"PORTD_SOCKET", "NO_COLOR", "COLUMNS", "LINES", "PAGER", "PORTD_PAGER"})
            ::unsetenv(name);
        ::signal(SIGPIPE, SIG_IGN);
    }
};

Records one_connection() {
    Records records;
    records.leases = {connection_lease()};
    records.coverage = watched(t0 - 3600 * second, t0 + 3600 * second);
    records.explanation.recorded = true;
    return records;
}

Records nothing() {
    Records records = one_connection();
    records.leases.clear();
    return records;
}

// The first call of the method.
proto::Call asked(const FakeDaemon &daemon, std::string_view method) {
    for (const proto::Call &call : daemon.calls())
        if (call.method == method)
            return call;
    ADD_FAILURE() << method << " was not called";
    return {};
}

std::size_t count_lines(const std::string &text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// ---- Usage

TEST_F(CommandLine, MistakesAreUsageErrorsThatSayWhatToDo) {
    const struct {
        std::vector<std::string> arguments;
        const char *message;
    } cases[] = {
        {{}, "a verb is missing; see portd-ctl --help"},
        {{"histroy"}, "unknown verb 'histroy'; did you mean 'history'?"},
        {{"frobnicate"},
         "unknown verb 'frobnicate'; there are history, who, list, watch, export, audit, "
         "explain, why, conflicts, pressure, map, attribute, status, metrics, verify, doctor"},
        {{"audit", "--by", "programme"},
         "--by 'programme': give program, unit, user or peer; did "
         "you mean 'program'?"},
        {{"audit", "--shorter-than", "0"}, "--shorter-than '0': give a span above 0"},
        {{"audit", "--limit", "1025"}, "--limit '1025': give a whole number from 1 to 1024"},
        {{"pressure", "--limit", "33"}, "--limit '33': give a whole number from 1 to 32"},
        {{"pressure", "--limit", "0"}, "--limit '0': give a whole number from 1 to 32"},
        {{"pressure", "--over", "25h"}, "--over '25h': give a span above 0, up to 1d"},
        {{"who", "0"}, "PORT '0' is not a port; give a number from 1 to 65535"},
        {{"who", "65536"}, "PORT '65536' is not a port"},
        {{"who", "abc"}, "PORT 'abc' is not a port"},
        {{"who", "-1"}, "PORT '-1' is not a port"},
        {{"who", "+1"}, "PORT '+1' is not a port"},
        {{"who", " 1"}, "PORT ' 1' is not a port"},
        {{"who", ""}, "PORT '' is not a port"},
        {{"who", "0x50"}, "PORT '0x50' is not a port"},
        {{"explain", "99999999999999999999"}, "is not a port"},
        {{"history", "-1"}, "PORT '-1' is not a port"},
        {{"who", "\x1b[2J"}, R"(PORT '\x1b[2J' is not a port)"},
        {{"who"}, "who needs a PORT"},
        {{"explain"}, "explain needs a PORT"},
        {{"who", "1", "2"}, "'2' is one argument too many"},
        {{"status", "1"}, "'1' is one argument too many"},
        {{"history", "--prto", "tcp"}, "unknown option '--prto'; did you mean '--proto'?"},
        {{"history", "--sokcet=/x"}, "unknown option '--sokcet'; did you mean '--socket'?"},
        {{"who", "--at", "now", "1"}, "unknown option '--at' here; 'history' has it"},
        {{"status", "-x"}, "unknown option '-x'; see portd-ctl status --help"},
        {{"list", "--port", "0"}, "--port '0' is not a port"},
        {{"list", "--pid", "0"}, "--pid '0': give a whole number from 1 up"},
        {{"list", "--limit", "-3"}, "--limit '-3': give a whole number from 1 up"},
        {{"list", "--proto", "tpc"}, "--proto 'tpc': give tcp or udp; did you mean 'tcp'?"},
        {{"list", "-o", "wid"},
         "--output 'wid': give short, wide, verbose, json or csv; did you mean 'wide'?"},
        {{"who", "80", "--json", "-o", "csv"}, "--json excludes --output 'csv'"},
        {{"list", "--color", "yes"}, "--color 'yes': give auto, always or never"},
        {{"history", "--at"}, "--at: "},
        {{"history", "--at=", "5"}, "'--at=' has no value"},
        {{"history", "--at", ""}, "--at: "},
        {{"history", "--at", "soon"}, "--at: cannot read 'soon' as a time"},
        {{"history", "--at", "now", "--at", "now"}, "--at: "},
        {{"history", "--at", "2099-01-01"}, "--at '2099-01-01' is in the future"},
        {{"history", "--since", "+1h"}, "--since '+1h' is in the future"},
        {{"history", "--since", "today", "--until", "yesterday"}, "is after --until 'yesterday'"},
        {{"history", "--at", "now", "--since", "today"}, "excludes --since"},
        {{"history", "--at", "now", "--until", "now"}, "excludes --until"},
        {{"history", "--within", "2s"}, "--within says how far around --at to look"},
        {{"history", "--at", "now", "--within", "x"}, "--within: cannot read 'x'"},
        {{"history", "--at", "now", "--within", "100y"}, "reaches back before 1970"},
        {{"history", "--exe", ""}, "--exe '': give the path of a program, or the last part of it"},
        {{"history", "--comm", ""}, "--comm '': give the command name of a process"},
        {{"list", "--unit", ""}, "--unit '': give the name of a systemd unit"},
        {{"list", "--container", ""}, "--container '': give the id of a container"},
        {{"list", "--user", ""}, "--user '' is not a user of this machine"},
        {{"list", "--user", "no-such-user"}, "give the name of one, or a uid"},
        {{"list", "--user", "4294967295"}, "--user '4294967295': uids end at 4294967294"},
        {{"list", "--netns", ""}, "--netns '': give the inode number or the name"},
        {{"list", "--netns", "0"}, "--netns '0': give a whole number from 1 up"},
        {{"list", "--netns", "4294967296"}, "--netns 4294967296 is no inode number"},
        {{"list", "--peer", ""}, "--peer '' is not ADDR[:PORT]; give one such as"},
        {{"list", "--peer", "example.org"}, "--peer 'example.org' is not ADDR[:PORT]"},
        {{"list", "--peer", "192.0.2.1:0"}, "--peer '192.0.2.1:0': '0' is not a port"},
        {{"list", "--peer", "192.0.2.1:"}, "--peer '192.0.2.1:': '' is not a port"},
        {{"list", "--peer", "[::1"}, "--peer '[::1' is not ADDR[:PORT]"},
        {{"list", "--peer", "[::1]443"}, "--peer '[::1]443' is not ADDR[:PORT]"},
        {{"list", "--peer", "[]:443"}, "--peer '[]:443' is not ADDR[:PORT]"},
        {{"list", "--local", "192.0.2.0/33"}, "--local '192.0.2.0/33' is not an address"},
        {{"list", "--local", "192.0.2.0/"}, "--local '192.0.2.0/' is not an address"},
        {{"list", "--local", "[::1]"}, "--local '[::1]' is not an address; give one such as"},
        {{"list", "--role", "server"},
         "--role 'server': give client, listener, accepted or datagram"},
        {{"list", "--outcome", "refusd"}, "abandoned; did you mean 'refused'?"},
        {{"list", "--shorter-than", "0"}, "--shorter-than '0': give a span above 0"},
        {{"list", "--shorter-than", "x"}, "--shorter-than: cannot read 'x'"},
        {{"list", "--longer-than", "-1s"}, "--longer-than: cannot read '-1s'"},
        {{"list", "--cursor", "x"}, "unknown option '--cursor' here; 'history' has it"},
        {{"history", "--cursor", ""}, "--cursor '': give what --show-cursor printed"},
        {{"status", "--timeout", "0"}, "--timeout '0': give a span above 0"},
        {{"status", "--timeout", "x"}, "--timeout: cannot read 'x'"},
        {{"status", "--socket", ""}, "--socket '': give a path"},
        {{"status", "--socket", std::string(200, 'a')}, "give a path of 1 to 107 bytes"},
    };
    for (const auto &c : cases) {
        const Outcome outcome = run(c.arguments);
        EXPECT_EQ(outcome.status, 2) << c.message;
        EXPECT_THAT(outcome.err, StartsWith("portd-ctl: "));
        EXPECT_THAT(outcome.err, HasSubstr(c.message));
        EXPECT_EQ(count_lines(outcome.err), 1U) << outcome.err;
        EXPECT_EQ(outcome.out, "");
    }
}

TEST_F(CommandLine, HelpAndVersion) {
    const Outcome help = run({"--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, HasSubstr("Exit status:"));
    for (const Verb *verb : verbs()) {
        EXPECT_THAT(help.out, HasSubstr(verb->name));
        const Outcome of_verb = run({verb->name, "--help"});
        EXPECT_EQ(of_verb.status, 0);
        EXPECT_THAT(of_verb.out, HasSubstr("Examples:"));
        EXPECT_THAT(of_verb.out, HasSubstr("Exit status:"));
    }
    EXPECT_EQ(run({"help"}).out, help.out);
    EXPECT_EQ(run({"help", "who"}).out, run({"who", "--help"}).out);
    for (const char *verb : {"who", "explain", "why"})
        EXPECT_THAT(run({verb, "--help"}).out, HasSubstr(" PORT\n"));
    EXPECT_THAT(run({"history", "--help"}).out, HasSubstr("[PORT]"));
    for (const char *option : {"--version", "-V"}) {
        const Outcome version = run({option});
        EXPECT_EQ(version.status, 0);
        EXPECT_THAT(version.out, StartsWith("portd-ctl "));
    }
}

// ---- Filters

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

// ---- Without a daemon

TEST_F(CommandLine, WithoutADaemonItSaysWhatToDo) {
    const ScratchDirectory scratch;
    const Outcome absent = run({"status", "--socket", scratch / "absent"});
    EXPECT_EQ(absent.status, 3);
    EXPECT_THAT(absent.err, HasSubstr("portd does not run (no socket at " + (scratch / "absent") +
                                      "); start it with 'systemctl start portd'"));

    std::ofstream(scratch / "file") << "x";
    const Outcome file = run({"status", "--socket", scratch / "file"});
    EXPECT_EQ(file.status, 3);
    EXPECT_THAT(file.err, HasSubstr("is not a socket"));
    EXPECT_THAT(run({"status", "--socket", scratch / "."}).err, HasSubstr("is not a socket"));

    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string stale = scratch / "stale";
    stale.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    ::close(fd);
    const Outcome dead = run({"status", "--socket", stale});
    EXPECT_EQ(dead.status, 3);
    EXPECT_THAT(dead.err, HasSubstr("nobody listens at"));

    const std::string datagram = scratch / "datagram";
    address.sun_path[datagram.copy(address.sun_path, sizeof address.sun_path - 1)] = '\0';
    const int other = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    ASSERT_EQ(::bind(other, reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    EXPECT_THAT(run({"status", "--socket", datagram}).err, HasSubstr("not one of portd"));
    ::close(other);

    ::setenv("PORTD_SOCKET", (scratch / "from-environment").c_str(), 1);
    EXPECT_THAT(run({"list"}).err, HasSubstr("from-environment"));
    EXPECT_THAT(run({"--socket", scratch / "given", "list"}).err, HasSubstr("given"));
}

TEST_F(CommandLine, BadAnswersAreFaultsOfTheService) {
    using Then = FakeDaemon::Then;
    const auto error_reply = [](std::string_view name, const json &parameters) {
        return [text = json{{"error", name}, {"parameters", parameters}}.dump()](
                   int fd, const proto::Call &) {
            say(fd, text);
            return Then::go_on;
        };
    };
    const auto text_reply = [](const char *text) {
        return [text](int fd, const proto::Call &) {
            say(fd, text);
            return Then::go_on;
        };
    };
    const struct {
        FakeDaemon::Script script;
        const char *message;
    } cases[] = {
        {[](int, const proto::Call &) { return Then::hang_up; },
         "closed the connection without an answer"},
        {[](int fd, const proto::Call &) {
             EXPECT_EQ(::send(fd, "{\"para", 6, MSG_NOSIGNAL), 6);
             return Then::hang_up;
         },
         "closed the connection before the end of its answer"},
        {[](int, const proto::Call &) { return Then::go_on; }, "did not answer within 200ms"},
        {text_reply("HTTP/1.1 400 Bad Request"), "does not speak Varlink"},
        {text_reply("[]"), "does not speak Varlink"},
        {text_reply("{\"error\": 5}"), "does not speak Varlink"},
        {text_reply("{\"parameters\": {}}"), "does not understand the answer"},
        {error_reply("org.varlink.service.PermissionDenied", json::object()),
         "permission denied; run as root or join group portd"},
        {error_reply("io.portd.Ports.StoreUnavailable", {{"reason", "disk \x1b[2J"}}),
         R"(cannot read its history: disk \x1b[2J)"},
        {error_reply("io.portd.Ports.LimitExceeded", {{"limit", "connections"}, {"value", 64}}),
         "its limit connections (64) is exceeded"},
        {error_reply("org.varlink.service.InterfaceNotFound", {{"interface", "io.portd.Ports"}}),
         "is not portd"},
        {error_reply("org.varlink.service.MethodNotFound", {{"method", "Status"}}),
         "is it older than portd-ctl?"},
        {error_reply("com.example.Surprise", json::object()), "the error com.example.Surprise"},
    };
    for (const auto &c : cases) {
        const FakeDaemon daemon(c.script);
        const Outcome outcome = run({"status", "--socket", daemon.path(), "--timeout", "200ms"});
        EXPECT_EQ(outcome.status, 3) << c.message;
        EXPECT_THAT(outcome.err, HasSubstr(c.message));
        EXPECT_EQ(outcome.out, "");
    }
    const FakeDaemon refuses(error_reply("org.varlink.service.InvalidParameter",
                                         {{"parameter", "cursor"}, {"reason", "is none"}}));
    const Outcome refused = run({"history", "--cursor", "foo", "--socket", refuses.path()});
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.err, HasSubstr("portd refused the value of --cursor: is none"));
}

TEST_F(CommandLine, AStreamThatBreaksKeepsWhatCame) {
    const FakeDaemon daemon([](int fd, const proto::Call &) {
        proto::Reply reply;
        reply.continues = true;
        reply.parameters = std::make_shared<const json>(
            proto::encode(proto::LeaseReply{connection_lease(), {}, {}, {}, false}));
        say(fd, proto::format_reply(reply));
        return FakeDaemon::Then::hang_up;
    });
    const Outcome outcome = run({"history", "--json", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 3);
    EXPECT_EQ(json::parse(outcome.out)["localPort"], 60609);
    EXPECT_THAT(outcome.err, HasSubstr("before the end of its answer"));
}

TEST_F(CommandLine, AnAnswerWithoutCoverageIsRefused) {
    const FakeDaemon daemon([](int fd, const proto::Call &) {
        say(fd, "{\"parameters\": {}}");
        return FakeDaemon::Then::go_on;
    });
    for (const char *format : {"--json", "--utc"}) {
        const Outcome outcome = run({"list", format, "--socket", daemon.path()});
        EXPECT_EQ(outcome.status, 3);
        EXPECT_THAT(outcome.err, HasSubstr("without saying what time it covers"));
    }
}

// ---- history

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
    EXPECT_THAT(outcome.err, HasSubstr("1 of these rows are of other network namespaces"));
}

// ---- The other verbs

TEST_F(CommandLine, Who) {
    Records records = nothing();
    records.who.coverage = records.coverage;
    records.who.last = connection_lease();
    {
        const FakeDaemon daemon(answers_from(records));
        const Outcome outcome = run({"who", "60609", "--socket", daemon.path()});
        EXPECT_EQ(outcome.status, 1);
        EXPECT_EQ(outcome.out,
                  "Nobody holds port 60609 now. Last: curl[8123] (alice), tcp 10.0.0.5:60609 → "
                  "93.184.216.34:443, opened 2026-11-22 03:12:05.000, ended 2026-11-22 "
                  "03:12:05.500.\n");
    }
    records.who.holders = {connection_lease()};
    records.who.holders[0].phase = Phase::connected;
    records.who.holders[0].closed.reset();
    records.who.holders[0].freed.reset();
    records.who.last.reset();
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"who", "60609", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("connected"));
    EXPECT_THAT(outcome.out, HasSubstr("curl[8123]"));
    const Outcome as_json = run({"who", "60609", "--json", "--socket", daemon.path()});
    EXPECT_EQ(as_json.status, 0);
    EXPECT_EQ(json::parse(as_json.out), proto::encode(records.who));
}

TEST_F(CommandLine, ListIsEmptyOrNot) {
    {
        const FakeDaemon daemon(answers_from(nothing()));
        const Outcome outcome = run({"list", "--port", "5", "--socket", daemon.path()});
        EXPECT_EQ(outcome.status, 1);
        EXPECT_EQ(outcome.out, "No open lease matches.\n");
        EXPECT_EQ(*asked(daemon, proto::methods::list).parameters, json({{"port", 5}}));
    }
    const FakeDaemon daemon(answers_from(one_connection()));
    const Outcome outcome = run({"list", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("PHASE"));
}

TEST_F(CommandLine, Explain) {
    Records records = nothing();
    proto::Explanation &port = records.explanation;
    port.port = 60609;
    port.iana_class = "dynamic";
    port.iana_reference = "RFC 6335 section 6";
    port.range_low = 32768;
    port.range_high = 60999;
    port.in_range = true;
    port.services = {"x\x1b/tcp"};
    port.who.coverage = records.coverage;
    port.who.last = connection_lease();
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"explain", "60609", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out,
                HasSubstr("dynamic, never assigned to a service (RFC 6335 section 6)"));
    EXPECT_THAT(outcome.out, HasSubstr("inside ip_local_port_range 32768-60999 and not reserved"));
    EXPECT_THAT(outcome.out, HasSubstr(R"(x\x1b/tcp)"));
    EXPECT_THAT(outcome.out, HasSubstr("Held now: by nobody\n"));
    EXPECT_THAT(outcome.out, HasSubstr("Held last: by curl[8123] (alice)"));
}

TEST_F(CommandLine, Status) {
    Records records;
    records.status.version = "0.1.0";
    records.status.tier = CaptureTier::sock_diag;
    records.status.tier_reasons = {"not ebpf: refused"};
    records.status.started_usec = t0;
    records.status.watching_since_usec = t0;
    records.status.interval_usec = second;
    records.status.samples = 77;
    records.status.ports = "dynamic";
    records.status.range_low = 32768;
    records.status.range_high = 60999;
    records.status.open_leases = 12;
    records.status.stored_leases = 3456;
    records.status.stored_bytes = 2'000'000;
    records.status.losses = {{"overflow", 3}, {"scanFailed", 0}};
    records.status.gaps = {{t0 - second, t0, "notRunning", std::nullopt}};
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"status", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    for (const char *expected :
         {"portd: 0.1.0", "watching without interruption since 2026-11-22 03:12:05 UTC",
          "Capture: sock_diag", "not ebpf: refused", "dynamic (ip_local_port_range 32768-60999)",
          "12 open, 3456 stored in 1.9 MiB", "Lost events: 3 overflow\n",
          "the daemon was not running"})
        EXPECT_THAT(outcome.out, HasSubstr(expected));
    for (const char *absent : {"Events", "Witness", "Self-check"})
        EXPECT_THAT(outcome.out, Not(HasSubstr(absent)));
    EXPECT_EQ(json::parse(run({"--json", "status", "--socket", daemon.path()}).out),
              proto::encode(records.status));
}

TEST_F(CommandLine, StatusOfATierWithHooks) {
    Records records;
    records.status.tier = CaptureTier::ebpf;
    records.status.events_per_second = 1234;
    records.status.events_issued = 50;
    records.status.events_received = 48;
    records.status.events_lost = 2;
    records.status.witness_misses = 0;
    records.status.witness_overflows = 0;
    records.status.self_check = proto::SelfCheck{t0, true, "seen after 2 ms \x1b[2J"};
    {
        const FakeDaemon daemon(answers_from(records));
        const std::string out = run({"status", "--socket", daemon.path()}).out;
        EXPECT_THAT(out, HasSubstr("Capture: ebpf\n"));
        EXPECT_THAT(out, HasSubstr("Events: 1234 a second; 50 issued, 48 received, 2 lost since "
                                   "the start\n"));
        EXPECT_THAT(out,
                    HasSubstr("Witness: 0 sockets that capture had not seen since the start\n"));
        EXPECT_THAT(out, ::testing::ContainsRegex("Self-check: passed .*: seen after 2 ms "
                                                  "\\\\x1b\\[2J\n"));
    }
    records.status.self_check->passed = false;
    records.status.events_issued.reset();
    records.status.witness_overflows = 3;
    const FakeDaemon daemon(answers_from(records));
    const std::string out = run({"status", "--socket", daemon.path()}).out;
    EXPECT_THAT(out, HasSubstr("Witness: 0 sockets that capture had not seen since the start; 3 "
                               "times it did not hear all, so there may be more\n"));
    EXPECT_THAT(out, HasSubstr("Self-check: failed "));
    EXPECT_THAT(out, HasSubstr("a second; 48 received, 2 lost"));
}

// ---- Forms

proto::Lease hostile_lease() {
    proto::Lease lease = connection_lease();
    const std::string name = "a,\"b\"\n\x1b[2J\u202e\u009b\x7f";
    lease.opener.command = lease.opener.executable = lease.opener.arguments = name;
    lease.opener.unit = lease.opener.container = lease.opener.control_group = name;
    lease.opener.user = lease.user = lease.network_namespace_name = name;
    lease.opener.ancestors = {{1, name}};
    lease.last_holder = lease.opener;
    lease.last_holder.pid = 7;
    lease.holders = {lease.opener, lease.last_holder};
    lease.peer_address = lease.local_address = lease.id = lease.boot_id = name;
    lease.cookie = name;
    return lease;
}

// Every form of an answer is lines of printable text, whatever a process calls itself.
TEST_F(CommandLine, NoFormLetsANameDriveTheTerminal) {
    Records records = one_connection();
    records.leases = {hostile_lease()};
    records.bind_failures = {refused_bind()};
    records.bind_failures[0].process = records.leases[0].opener;
    records.bind_failures[0].in_the_way = records.leases;
    records.who.holders = records.leases;
    records.who.coverage = records.coverage;
    const FakeDaemon daemon(answers_from(records));
    const std::vector<std::vector<std::string>> questions{
        {"history"}, {"list"}, {"who", "60609"}, {"explain", "60609"}};
    for (const auto &question : questions)
        for (const std::string form : {"short", "wide", "verbose", "csv", "json"}) {
            std::vector<std::string> arguments = question;
            arguments.insert(arguments.end(), {"--color", "never", "--socket", daemon.path()});
            if (question[0] != "explain")
                arguments.insert(arguments.end(), {"-o", form});
            else if (form == "json")
                arguments.push_back("--json");
            for (const Outcome &outcome : {run(arguments), run_on_terminal(arguments, 100, 99)}) {
                EXPECT_EQ(outcome.status, 0);
                for (const char *deceiving : {"\x1b", "\u202e", "\u009b", "\x7f"})
                    EXPECT_THAT(outcome.out, Not(HasSubstr(deceiving))) << question[0] << form;
                if (form != "json")
                    continue;
                std::istringstream lines(outcome.out);
                for (std::string line; std::getline(lines, line);)
                    EXPECT_TRUE(json::accept(line)) << line;
            }
        }
}

TEST_F(CommandLine, CsvHasOneLineForEachEntryAndNoSentences) {
    Records records = one_connection();
    records.leases[0].opened = sampled(t0, t0 + second);
    records.leases[0].opener.arguments = "curl a,\"b\"";
    records.bind_failures = {refused_bind()};
    records.coverage.gaps = {{t0 - second, t0, "notRunning", std::nullopt}};
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "-o", "csv", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    std::istringstream lines(outcome.out);
    std::string heading;
    std::string lease;
    std::string failure;
    ASSERT_TRUE(std::getline(lines, heading) && std::getline(lines, lease) &&
                std::getline(lines, failure));
    EXPECT_EQ(lines.get(), std::istringstream::traits_type::eof());
    EXPECT_THAT(lease, StartsWith("lease," + records.leases[0].id + ","));
    EXPECT_THAT(lease, HasSubstr(",2026-11-22T03:12:05.000000Z,2026-11-22T03:12:06.000000Z,"));
    EXPECT_THAT(lease, HasSubstr(R"(,"curl a,""b""",)"));
    EXPECT_THAT(failure, StartsWith("bindFailure,,"));
    EXPECT_THAT(outcome.err, HasSubstr("portd was not watching"));
    // As many fields in each, once what is in quotes is gone.
    const auto fields = [](std::string line) {
        for (std::size_t open; (open = line.find('"')) != std::string::npos;)
            line.erase(open, line.find('"', open + 1) + 1 - open);
        return std::count(line.begin(), line.end(), ',') + 1;
    };
    EXPECT_EQ(fields(lease), fields(heading));
    EXPECT_EQ(fields(failure), fields(heading));

    const FakeDaemon empty(answers_from(nothing()));
    const Outcome none =
        run_on_terminal({"history", "60609", "-o", "csv", "--socket", empty.path()}, 80, 24);
    EXPECT_EQ(none.status, 1);
    EXPECT_EQ(none.out, heading + "\n");
}

TEST_F(CommandLine, VerboseShowsAllThatIsKnown) {
    Records records = one_connection();
    proto::Lease &lease = records.leases[0];
    lease.opener.executable = "/usr/bin/curl";
    lease.opener.arguments = std::string(200, 'x');
    lease.opener.ancestors = {{812, "bash"}, {1, "systemd"}};
    lease.last_holder = process(9, "sshd");
    lease.bytes_sent = 78;
    records.bind_failures = {refused_bind()};
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "-o", "verbose", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    for (const char *expected :
         {"Lease: tcp 10.0.0.5:60609, peer 93.184.216.34:443\n", "program /usr/bin/curl\n",
          "child of bash[812], systemd[1]\n", "Last holder: sshd[9]", "78 B sent, unknown received",
          "Duration: 500ms\n", "\n\n", "Bind failure: tcp 0.0.0.0:60609\n",
          "In the way: nginx[812]"})
        EXPECT_THAT(outcome.out, HasSubstr(expected));
    const Outcome narrow =
        run_on_terminal({"history", "-o", "verbose", "--socket", daemon.path()}, 80, 99);
    std::istringstream lines(narrow.out);
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(display_width(line), 80U) << line;
}

TEST_F(CommandLine, StrictTellsIncompleteAnswersByTheStatus) {
    Records records = one_connection();
    records.who.holders = records.leases;
    records.who.coverage = records.coverage;
    const std::vector<std::vector<std::string>> questions{
        {"history"},        {"history", "--json"}, {"list"},
        {"list", "--json"}, {"who", "60609"},      {"who", "60609", "--json"}};
    for (const bool complete : {true, false}) {
        records.coverage.complete = records.who.coverage.complete = complete;
        const FakeDaemon daemon(answers_from(records));
        for (std::vector<std::string> arguments : questions) {
            arguments.insert(arguments.end(), {"--socket", daemon.path()});
            EXPECT_EQ(run(arguments).status, 0);
            arguments.push_back("--strict");
            EXPECT_EQ(run(arguments).status, complete ? 0 : 4);
        }
    }
}

// ---- Terminals, pagers, pipes

TEST_F(CommandLine, ATerminalGetsColorAndLinesThatFit) {
    Records records = one_connection();
    records.leases[0].peer_address = "2001:db8:1234:5678:9abc:def0:1234:5678";
    const FakeDaemon daemon(answers_from(records));
    for (const unsigned short columns : std::array<unsigned short, 3>{80, 120, 200}) {
        const Outcome outcome = run_on_terminal(
            {"history", "--color", "never", "--socket", daemon.path()}, columns, 24);
        EXPECT_EQ(outcome.status, 0);
        std::istringstream lines(outcome.out);
        for (std::string line; std::getline(lines, line);)
            EXPECT_LE(display_width(line), columns) << line;
        EXPECT_THAT(outcome.out, HasSubstr("curl[8123]"));
        EXPECT_THAT(outcome.out, HasSubstr("10.0.0.5:60609"));
    }
    const std::vector<std::string> arguments{"history", "--socket", daemon.path()};
    EXPECT_THAT(run_on_terminal(arguments, 80, 24).out, HasSubstr("\x1b[1m"));
    EXPECT_THAT(run(arguments).out, Not(HasSubstr("\x1b")));
    ::setenv("NO_COLOR", "1", 1);
    EXPECT_THAT(run_on_terminal(arguments, 80, 24).out, Not(HasSubstr("\x1b")));
    ::unsetenv("NO_COLOR");
    ::setenv("TERM", "dumb", 1);
    EXPECT_THAT(run_on_terminal(arguments, 80, 24).out, Not(HasSubstr("\x1b")));
    EXPECT_THAT(run({"list", "--color", "always", "--socket", daemon.path()}).out,
                HasSubstr("\x1b[1m"));
}

// What the columns are for remains readable when they do not all fit.
TEST_F(CommandLine, ANarrowTerminalKeepsBothProcesses) {
    Records records = one_connection();
    records.leases[0].peer_address = "2001:db8:1234:5678:9abc:def0:1234:5678";
    records.leases[0].last_holder = process(812, "sshd-session");
    records.leases[0].holders.push_back(records.leases[0].last_holder);
    records.leases[0].network_namespace = 7;
    records.leases[0].network_namespace_name = "a-rather-long-name";
    records.leases[0].opened = sampled(t0 - second / 2, t0 + second / 2);
    records.bind_failures = {refused_bind()};
    const FakeDaemon daemon(answers_from(records));
    for (const unsigned short columns : std::array<unsigned short, 3>{80, 120, 200})
        for (const bool at : {false, true}) {
            std::vector<std::string> arguments{"history", "60609",    "--color",
                                               "never",   "--socket", daemon.path()};
            if (at)
                arguments.insert(arguments.end(), {"--at", "2026-11-22 03:12:05"});
            const Outcome outcome = run_on_terminal(arguments, columns, 24);
            std::istringstream lines(outcome.out);
            for (std::string line; std::getline(lines, line);)
                EXPECT_LE(display_width(line), columns) << line;
            EXPECT_THAT(outcome.out, HasSubstr(at ? "python3[99], in use b"
                                                  : "python3[99], in use by nginx[812]"));
            EXPECT_THAT(outcome.out,
                        HasSubstr(at ? "curl[8123] → sshd-ses" : "curl[8123] → sshd-session[812]"));
        }
}

TEST_F(CommandLine, APlainLocaleGetsAscii) {
    Records records = one_connection();
    records.leases[0].opened = sampled(t0 - second, t0 + second);
    records.leases[0].opener.command = "caf\u00e9";
    ::setenv("LC_ALL", "C", 1);
    const FakeDaemon daemon(answers_from(records));
    const Outcome outcome = run({"history", "--socket", daemon.path()});
    EXPECT_THAT(outcome.out, HasSubstr("+-1s"));
    EXPECT_THAT(outcome.out, HasSubstr(R"(caf\u00e9[8123])"));
    EXPECT_TRUE(std::all_of(outcome.out.begin(), outcome.out.end(),
                            [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

TEST_F(CommandLine, ThePagerGetsWhatDoesNotFitTheScreen) {
    const ScratchDirectory scratch;
    const std::string shown = scratch / "shown";
    const auto paged = [&] {
        std::ostringstream text;
        text << std::ifstream(shown).rdbuf();
        return text.str();
    };
    ::setenv("PAGER", ("cat >'" + shown + "'").c_str(), 1);
    Records records = one_connection();
    records.leases.assign(30, connection_lease());
    records.withheld = true;
    const FakeDaemon daemon(answers_from(records));
    const std::vector<std::string> arguments{"history", "--socket", daemon.path()};

    EXPECT_THAT(run_on_terminal(arguments, 80, 50).out, HasSubstr("curl[8123]"));
    EXPECT_EQ(::access(shown.c_str(), F_OK), -1);
    std::vector<std::string> without = arguments;
    without.push_back("--no-pager");
    EXPECT_THAT(run_on_terminal(without, 80, 10).out, HasSubstr("curl[8123]"));
    EXPECT_EQ(::access(shown.c_str(), F_OK), -1);

    const Outcome outcome = run_on_terminal(arguments, 120, 10);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(count_lines(paged()), 32U);
    EXPECT_THAT(paged(), HasSubstr("join group portd"));

    ::setenv("PORTD_PAGER", "", 1);
    EXPECT_THAT(run_on_terminal(arguments, 80, 10).out, HasSubstr("curl[8123]"));
    ::setenv("PORTD_PAGER", ("(printenv LESS; cat) >'" + shown + "'").c_str(), 1);
    std::vector<std::string> strict = arguments;
    strict.push_back("--strict");
    Records incomplete = records;
    incomplete.coverage.complete = false;
    const FakeDaemon gaps(answers_from(incomplete));
    strict[2] = gaps.path();
    EXPECT_EQ(run_on_terminal(strict, 80, 10).status, 4);
    EXPECT_THAT(paged(), StartsWith("FRSXMK\n"));
}

TEST_F(CommandLine, LeavingThePagerIsAnOrdinaryEnd) {
    Records records = one_connection();
    records.leases.assign(5000, connection_lease());
    const FakeDaemon daemon(answers_from(records));
    ::setenv("PAGER", "head -1 >/dev/null", 1);
    const Outcome left = run_on_terminal({"history", "--socket", daemon.path()}, 80, 10);
    EXPECT_EQ(left.status, 0);
    EXPECT_EQ(left.err, "");
    ::setenv("PAGER", "no-such-pager-anywhere 2>/dev/null", 1);
    const Outcome missing = run_on_terminal({"status", "--socket", daemon.path()}, 80, 3);
    EXPECT_EQ(missing.status, 3);
    EXPECT_THAT(missing.err, HasSubstr("cannot run the pager 'no-such-pager-anywhere"));
}

TEST_F(CommandLine, AClosedPipeIsAQuietEnd) {
    Records records = one_connection();
    records.leases.assign(5000, connection_lease());
    const FakeDaemon daemon(answers_from(records));
    const std::vector<std::string> owned{"portd-ctl", "history", "--socket", daemon.path()};
    std::vector<const char *> arguments;
    for (const std::string &argument : owned)
        arguments.push_back(argument.c_str());
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    ::close(ends[0]);
    const int err = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    EXPECT_EQ(static_cast<int>(run_command_line(arguments, {ends[1], err})), 141);
    ::close(ends[1]);

    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    EXPECT_EQ(static_cast<int>(run_command_line(arguments, {full, err})), 3);
    ::close(full);
    ::close(err);
}

} // namespace
} // namespace portd::client::test
