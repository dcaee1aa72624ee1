// portd-ctl why: what it says, and against a service on a real socket.
#include "client/why_text.hpp"
#include "unit/client/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <memory>

namespace portd::client::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

proto::WhyRequest about_60609() {
    proto::WhyRequest request;
    request.port = 60609;
    return request;
}

class Why : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
        diagnosis_.network_namespace = own_namespace;
        diagnosis_.range_low = 32768;
        diagnosis_.range_high = 60999;
        diagnosis_.reserved_ports = "";
        diagnosis_.in_range = true;
        diagnosis_.reserved = diagnosis_.privileged = false;
        diagnosis_.recorded = true;
        diagnosis_.since_usec = t0 - 3600 * second;
        diagnosis_.coverage = watched(diagnosis_.since_usec, t0);
    }

    void add_obstacle(portd::Phase phase, portd::BindReason reason) {
        proto::Lease lease = connection_lease();
        lease.phase = phase;
        diagnosis_.obstacles.push_back({std::move(lease),
                                        portd::BindVerdict::blocks,
                                        reason,
                                        {"SO_REUSEADDR", "SO_REUSEPORT"}});
        ++diagnosis_.blocking;
    }

    // Against a daemon that has this diagnosis.
    Outcome ask(const std::vector<std::string> &options = {}) const {
        proto::WhyReply progress;
        progress.progress = proto::AuditProgress{5, t0};
        proto::WhyReply last;
        last.diagnosis = diagnosis_;
        const FakeDaemon daemon([&](int fd, const proto::Call &) {
            for (const proto::WhyReply &content : {progress, last}) {
                proto::Reply reply;
                reply.continues = content.progress.has_value();
                reply.parameters = std::make_shared<const nlohmann::json>(proto::encode(content));
                say(fd, proto::format_reply(reply));
            }
            return FakeDaemon::Then::go_on;
        });
        std::vector<std::string> arguments{"--socket", daemon.path(), "why", "60609"};
        arguments.insert(arguments.end(), options.begin(), options.end());
        return run(arguments);
    }

    std::vector<std::string> advice(const std::optional<OtherNamespace> &in = {}) const {
        return advice_of(about_60609(), diagnosis_, in, Charset::utf8);
    }

    proto::Diagnosis diagnosis_;
};

TEST_F(Why, NothingInTheWayIsSaidWherePortdKnows) {
    const Outcome outcome = ask();
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("Nothing is in the way of a bind of tcp or udp port 60609"));
    diagnosis_.coverage.intervals.clear();
    diagnosis_.coverage.complete = false;
    diagnosis_.coverage.gaps = {{t0 - second, t0, "notRunning", {}}};
    EXPECT_THAT(ask().out, HasSubstr("portd knows of nothing that is in the way"));
    EXPECT_THAT(ask().out, HasSubstr("no lease that portd knows of was in the way"));
    diagnosis_.withheld = true;
    EXPECT_THAT(ask().out, HasSubstr("no lease that you may see was in the way"));
    diagnosis_.recorded = false;
    const Outcome unrecorded = ask();
    EXPECT_EQ(unrecorded.status, 4);
    EXPECT_THAT(unrecorded.out, HasSubstr("leaves port "));
    EXPECT_THAT(unrecorded.out, Not(HasSubstr("was in the way")));
}

TEST_F(Why, EachCauseOfGapsIsToldOnce) {
    diagnosis_.coverage.complete = false;
    diagnosis_.coverage.gaps = {{t0 - 60 * second, t0 - 50 * second, "notRunning", {}},
                                {t0 - 40 * second, t0 - 30 * second, "unseen", 1},
                                {t0 - 20 * second, t0 - 10 * second, "notRunning", {}}};
    EXPECT_EQ(ask().err,
              "portd was not watching 2 times from 2026-11-22 03:11:05 UTC to 2026-11-22 03:11:55 "
              "UTC: the daemon was not running.\n"
              "portd was not watching from 2026-11-22 03:11:25 UTC to 2026-11-22 03:11:35 UTC: "
              "sockets ended whose opening had not been told; 1 socket.\n");
}

TEST_F(Why, NamesWhoIsInTheWayAndWhatWas) {
    add_obstacle(portd::Phase::connected, portd::BindReason::wildcard_asked);
    diagnosis_.leases = 2;
    diagnosis_.blocked = {{.since_usec = t0 - 60 * second,
                           .until_usec = t0 - 50 * second,
                           .certain = false,
                           .leases = 2,
                           .local_address = "10.0.0.5",
                           .role = portd::Role::client,
                           .user = "\x1b[2Jalice",
                           .process = process(8123, "curl")}};
    diagnosis_.failures = {refused_bind()};
    const Outcome outcome = ask({"--proto", "tcp", "--local", "0.0.0.0"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("A bind of tcp 0.0.0.0:60609 fails now"));
    EXPECT_THAT(outcome.out, HasSubstr("you ask for every address, and so for 10.0.0.5"));
    EXPECT_THAT(outcome.out, HasSubstr("2026-11-22 03:11:05 for 10s, perhaps: curl[8123] "
                                       "(\\x1b[2Jalice), client at 10.0.0.5, and 1 other"));
    EXPECT_THAT(outcome.out, HasSubstr("python3[99], in use by nginx[812]"));
}

TEST_F(Why, JsonIsTheReplyAsItCame) {
    proto::WhyReply last;
    last.diagnosis = diagnosis_;
    EXPECT_EQ(nlohmann::json::parse(ask({"--json"}).out), proto::encode(last));
    diagnosis_.coverage.complete = false;
    EXPECT_EQ(ask({"--json", "--strict"}).status, 4);
}

TEST_F(Why, AdvisesWhatHelps) {
    EXPECT_TRUE(advice().empty());
    add_obstacle(portd::Phase::lingering, portd::BindReason::same_address);
    EXPECT_THAT(advice(), ElementsAre(HasSubstr("SO_REUSEADDR")));
    add_obstacle(portd::Phase::connected, portd::BindReason::same_address);
    EXPECT_THAT(advice(), ElementsAre(HasSubstr("one outside of 32768-60999")));
    diagnosis_.automatic_leases = 1;
    EXPECT_THAT(advice().front(), HasSubstr("\nsysctl -w net.ipv4.ip_local_reserved_ports=60609"));
    diagnosis_.reserved_ports = "50000-50001";
    EXPECT_THAT(advice().front(), HasSubstr("ip_local_reserved_ports=50000-50001,60609"));
    diagnosis_.reserved = true;
    EXPECT_THAT(advice(), ElementsAre(HasSubstr("another port")));
    diagnosis_.privileged = true;
    EXPECT_THAT(advice().front(),
                HasSubstr("\nsysctl -w net.ipv4.ip_unprivileged_port_start=60609"));
}

TEST_F(Why, AdviceIsACommandThatChangesTheNetworkNamespaceThatWasAskedAbout) {
    diagnosis_.privileged = true;
    EXPECT_THAT(advice(),
                ElementsAre(HasSubstr(":\nsysctl -w net.ipv4.ip_unprivileged_port_start=60609")));
    EXPECT_THAT(
        advice(OtherNamespace{7, "blue"}),
        ElementsAre(HasSubstr(" in network namespace blue:\nip netns exec blue sysctl -w ")));
    EXPECT_THAT(advice(OtherNamespace{7, {}}),
                ElementsAre(HasSubstr(":\nnsenter --net=/proc/PID/ns/net sysctl -w ")));
}

TEST_F(Why, WhatIsNotKnownIsNoCertainty) {
    diagnosis_.perhaps_blocking = 1;
    EXPECT_THAT(describe_verdict(about_60609(), diagnosis_, Charset::utf8),
                HasSubstr("may fail now"));
    diagnosis_.in_range.reset();
    diagnosis_.obstacles = {{connection_lease(),
                             portd::BindVerdict::may_block,
                             portd::BindReason::dual_stack_held,
                             {}}};
    const std::string text = ask().out;
    EXPECT_THAT(text, HasSubstr("Perhaps in the way"));
    EXPECT_THAT(text, HasSubstr("IPV6_V6ONLY, which portd does not know"));
    EXPECT_THAT(text, HasSubstr("not known for this network namespace"));
}

TEST_F(Why, ARangeThatIsNotKnownMayBeLater) {
    diagnosis_.in_range.reset();
    EXPECT_THAT(ask().out, HasSubstr("not known for this network namespace"));
    EXPECT_THAT(ask().out, HasSubstr("ask again then"));
}

TEST_F(Why, RefusesWhatNoProgramBinds) {
    EXPECT_EQ(ask({"--local", "10.0.0.0/8"}).status, 2);
    EXPECT_EQ(ask({"--netns", "none"}).status, 2);
}

} // namespace
} // namespace portd::client::test
