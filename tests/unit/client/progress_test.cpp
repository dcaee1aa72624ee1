// Long work says on a terminal how far it has come, and leaves nothing of that behind.
#include "fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <thread>

namespace portd::client::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr const char *erased = "\r\x1b[K";

// A daemon that takes so long that somebody who waits wants to know: it finds nothing for a while
// (the empty reply is its sign of life), then one thing, and then another.
FakeDaemon::Script slow(nlohmann::json found, nlohmann::json last) {
    return [found = std::move(found), last = std::move(last)](int fd, const proto::Call &call) {
        const auto reply = [fd](const nlohmann::json &parameters, bool continues) {
            proto::Reply message;
            message.continues = continues;
            message.parameters = std::make_shared<const nlohmann::json>(parameters);
            say(fd, proto::format_reply(message));
        };
        if (call.method == proto::methods::status) {
            reply(proto::encode(proto::Status{}), false);
            return FakeDaemon::Then::go_on;
        }
        const auto work = [] { std::this_thread::sleep_for(std::chrono::milliseconds(700)); };
        work();
        if (call.method == proto::methods::history)
            reply(nlohmann::json::object(), true);
        work();
        reply(found, true);
        reply(last, false);
        return FakeDaemon::Then::go_on;
    };
}

const proto::LeaseReply a_lease{connection_lease(), {}, {}, {}, false};
const proto::LeaseReply the_end{{}, {}, {}, watched(t0, t0 + second), false};

TEST(ShownProgress, OfAHistoryThatGoesToAFile) {
    const FakeDaemon daemon(slow(proto::encode(a_lease), proto::encode(the_end)));
    const Outcome outcome = run_with_errors_on_terminal({"history", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.err, HasSubstr("looking; nothing found so far"));
    EXPECT_THAT(outcome.err, HasSubstr("1 row so far"));
    EXPECT_THAT(outcome.err, EndsWith(erased));
    EXPECT_THAT(outcome.out, HasSubstr("curl[8123]"));
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST(ShownProgress, OfJsonToo) {
    const FakeDaemon daemon(slow(proto::encode(a_lease), proto::encode(the_end)));
    const Outcome outcome =
        run_with_errors_on_terminal({"history", "--json", "--socket", daemon.path()});
    EXPECT_THAT(outcome.err, HasSubstr("looking; nothing found so far"));
    EXPECT_THAT(outcome.err, EndsWith(erased));
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST(ShownProgress, OfAnExport) {
    proto::ExportReply lease;
    lease.lease = connection_lease();
    proto::ExportReply last;
    last.coverage = watched(t0, t0 + second);
    const FakeDaemon daemon(slow(proto::encode(lease), proto::encode(last)));
    const Outcome outcome = run_with_errors_on_terminal({"export", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.err, HasSubstr("1 row so far"));
    EXPECT_THAT(outcome.err, EndsWith(erased));
}

TEST(ShownProgress, NoneWhereNobodyLooks) {
    const FakeDaemon daemon(slow(proto::encode(a_lease), proto::encode(the_end)));
    const Outcome outcome = run({"history", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
}

TEST(ShownProgress, NoneBetweenTheRowsOnATerminal) {
    const FakeDaemon daemon(slow(proto::encode(a_lease), proto::encode(the_end)));
    const Outcome outcome =
        run_on_terminal({"history", "--no-pager", "--socket", daemon.path()}, 100, 50);
    EXPECT_EQ(outcome.out.find("so far"), std::string::npos);
}

} // namespace
} // namespace portd::client::test
