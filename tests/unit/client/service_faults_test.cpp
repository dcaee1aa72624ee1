// A service that is not there, or that answers badly.
#include "unit/client/command_line.hpp"

#include <nlohmann/json.hpp>

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

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

} // namespace
} // namespace portd::client::test
