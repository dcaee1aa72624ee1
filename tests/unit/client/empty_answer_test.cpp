// What portd leaves out, or has never heard of, is said where an answer is empty.
#include "client/empty_answer.hpp"
#include "fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace portd::client::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class EmptyAnswer : public ::testing::Test {
  protected:
    EmptyAnswer() {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
        records_.coverage = watched(t0 - 3600 * second, t0);
        records_.explanation.recorded = true;
        records_.status.ports = "dynamic";
        records_.status.range_low = 32768;
        records_.status.range_high = 60999;
    }

    Outcome ask(std::vector<std::string> arguments) const {
        const FakeDaemon daemon(answers_from(records_));
        arguments.insert(arguments.end(), {"--socket", daemon.path()});
        return run(arguments);
    }

    Records records_;
};

constexpr const char *left_out = "portd cannot tell who held port 8443: its setting 'ports' does "
                                 "not record that port.";

TEST_F(EmptyAnswer, APortThatIsNotRecordedIsNotSaidToBeFree) {
    records_.explanation.recorded = false;
    records_.who.coverage = records_.explanation.who.coverage = records_.coverage;
    const std::vector<std::vector<std::string>> questions{
        {"history", "8443"}, {"list", "--port", "8443"}, {"who", "8443"}};
    for (const auto &question : questions) {
        const Outcome outcome = ask(question);
        EXPECT_EQ(outcome.status, 1);
        EXPECT_THAT(outcome.err, HasSubstr(left_out)) << question[0];
        EXPECT_THAT(outcome.out, Not(HasSubstr("No open lease"))) << question[0];
    }
    EXPECT_THAT(ask({"explain", "8443"}).out,
                HasSubstr("Held now: not known, as it is not recorded"));
}

TEST_F(EmptyAnswer, WatchSaysSoBeforeItWaits) {
    records_.explanation.recorded = false;
    const FakeDaemon daemon([this](int fd, const proto::Call &call) {
        if (call.method != proto::methods::watch)
            return answers_from(records_)(fd, call);
        return FakeDaemon::Then::hang_up;
    });
    const Outcome outcome = run({"watch", "--port", "8443", "--socket", daemon.path()});
    EXPECT_THAT(outcome.err, HasSubstr(left_out));
}

TEST_F(EmptyAnswer, MapSaysHowManyPortsItKnowsNothingOf) {
    const Outcome none = ask({"map", "--range", "8440-8450"});
    EXPECT_EQ(none.status, 1);
    EXPECT_THAT(none.err, HasSubstr("portd cannot tell of any of these ports: its setting "));
    EXPECT_EQ(ask({"map", "--range", "8440-8450", "--strict"}).status, 4);
    EXPECT_THAT(ask({"map", "--range", "32767-32769"}).err,
                HasSubstr("portd cannot tell of 1 of these ports (32767): its setting"));
    EXPECT_THAT(ask({"map"}).err, IsEmpty());
}

TEST_F(EmptyAnswer, TheSettingIsUnderstood) {
    proto::Status status = records_.status;
    const auto count = [&status](std::int64_t low, std::int64_t high) {
        return left_out_ports(status, own_namespace, low, high).count;
    };
    const auto ports = [&status](std::int64_t low, std::int64_t high) {
        return left_out_ports(status, own_namespace, low, high).ports;
    };
    EXPECT_EQ(count(1, 65535), 32767);
    EXPECT_EQ(ports(1, 65535), "1-32767");
    status.range_high = 40000;
    EXPECT_EQ(count(40000, 49152), 49152 - 40001);
    status.ports = "all";
    EXPECT_EQ(count(1, 65535), 0);
    EXPECT_EQ(ports(1, 65535), "");
    status.ports = "53,8000-8099";
    EXPECT_EQ(count(1, 65535), 65535 - 101);
    EXPECT_EQ(ports(1, 65535), "1-52,54-7999,8100-65535");
    EXPECT_EQ(count(53, 53), 0);
    EXPECT_EQ(count(8099, 8100), 1);
    EXPECT_EQ(ports(8099, 8100), "8100");
}

TEST_F(EmptyAnswer, ANamespaceThatPortdNeverHeardOfIsSaid) {
    constexpr const char *unknown = "portd has no lease of any network namespace with the name "
                                    "'no-such-namespace'.";
    for (const char *verb : {"history", "list"}) {
        const Outcome outcome = ask({verb, "--netns", "no-such-namespace"});
        EXPECT_EQ(outcome.status, 1);
        EXPECT_THAT(outcome.err, HasSubstr(unknown)) << verb;
    }
    EXPECT_THAT(ask({"history", "--netns", "4026531840"}).err, Not(HasSubstr("namespace")));
    records_.withheld = true; // there may be some that are not shown
    EXPECT_THAT(ask({"history", "--netns", "no-such-namespace"}).err, Not(HasSubstr(unknown)));
}

TEST_F(EmptyAnswer, WhatIsAskedByInodeSaysWhereToReadIt) {
    for (const char *verb : {"pressure", "attribute"}) {
        const Outcome outcome = ask({verb, "--netns", "no-such-namespace"});
        EXPECT_EQ(outcome.status, 2);
        EXPECT_THAT(outcome.err, HasSubstr("see ls -i /run/netns, or lsns -t net"));
    }
}

TEST_F(EmptyAnswer, ALogThatIsNotThereIsAskedWrongly) {
    const Outcome outcome = ask({"attribute", "/proc/nonexistent"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.err, HasSubstr("cannot open /proc/nonexistent: No such file"));
}

} // namespace
} // namespace portd::client::test
