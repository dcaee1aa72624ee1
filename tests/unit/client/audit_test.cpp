// portd-ctl audit and verify, against a service on a real socket.
#include "client/audit_text.hpp"
#include "client/coverage_text.hpp"
#include "unit/client/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <memory>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class Audit : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
        proto::AuditReply progress;
        progress.progress = proto::AuditProgress{5, t0};
        proto::AuditReply group;
        group.group = proto::AuditGroup{};
        group.group->known = true;
        group.group->executable = "/usr/bin/\x1b[2Jcurl";
        group.group->leases = 7200;
        group.group->outcomes = {{portd::Outcome::closed, 7197}, {portd::Outcome::refused, 3}};
        group.group->bind_failures = 1;
        group.group->measured = 7200;
        group.group->median_usec = 1'200;
        group.group->p99_usec = 30'000;
        group.group->longest_usec = 2'000'000;
        group.group->bytes_sent = 2048;
        proto::AuditReply last;
        last.coverage = watched(t0 - 3600 * second, t0);
        answer_ = {proto::encode(progress), proto::encode(group), proto::encode(last)};
    }

    std::vector<json> answer_;
};

TEST_F(Audit, PrintsATableAndWhatTimeItIsOf) {
    const FakeDaemon daemon(replies(answer_));
    const Outcome outcome = run({"audit", "--since", "2026-11-22 02:12:05", "--until",
                                 "2026-11-22 03:12:05", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(
        outcome.out,
        "PROGRAM               LEASES  RATE   FAILED             P50  P99   LONGEST  SENT  "
        "   RECEIVED  OPEN\n"
        R"(/usr/bin/\x1b[2Jcurl  7200    2.0/s  3 refused, 1 bind  1ms  30ms  2s       2.0 KiB  -         -)"
        "\n");
    EXPECT_THAT(outcome.err, HasSubstr("portd was watching throughout."));
}

TEST_F(Audit, AsksForWhatWasTyped) {
    const FakeDaemon daemon(replies(answer_));
    run({"audit", "60609", "--by", "peer", "--sort", "failures", "--limit", "5", "--shorter-than",
         "1s", "--since", "2026-11-22 02:12:05", "--socket", daemon.path()});
    EXPECT_EQ(*daemon.calls().back().parameters, (json{{"port", 60609},
                                                       {"by", "peer"},
                                                       {"order", "failures"},
                                                       {"limit", 5},
                                                       {"shorterThanUsec", second},
                                                       {"sinceUsec", t0 - 3600 * second}}));
    run({"audit", "--until", "2026-11-22 03:12:05", "--socket", daemon.path()});
    EXPECT_EQ((*daemon.calls().back().parameters)["sinceUsec"], t0 - 3600 * second);
}

TEST_F(Audit, JsonIsTheGroupsAndTheLastReply) {
    const FakeDaemon daemon(replies(answer_));
    const Outcome outcome = run({"audit", "--json", "--socket", daemon.path()});
    EXPECT_EQ(outcome.out, answer_[1]["group"].dump(-1, ' ', true) + "\n" +
                               answer_[2].dump(-1, ' ', true) + "\n");
    EXPECT_EQ(outcome.err, "");
}

TEST_F(Audit, WhatIsFoldedIsARowOfItsOwn) {
    proto::AuditReply last;
    last.coverage = watched(t0 - 3600 * second, t0);
    last.coverage->complete = false;
    last.other = proto::AuditGroup{};
    last.other->leases = 12;
    last.groups_in_other = 4;
    const FakeDaemon daemon(replies({answer_[1], proto::encode(last)}));
    const Outcome outcome = run({"audit", "--strict", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 4);
    EXPECT_THAT(outcome.out, HasSubstr("(all others)"));
    EXPECT_THAT(outcome.err, HasSubstr("(all others) are 4 groups or more."));
}

TEST_F(Audit, GroupsThatNobodyIsNamedForAreInBrackets) {
    const auto name = [](const proto::AuditGroup &group, portd::AuditBy by) {
        return audit_row({by, second, Charset::ascii}, group)[0].text;
    };
    proto::AuditGroup group;
    EXPECT_EQ(name(group, portd::AuditBy::program), "(unknown)");
    EXPECT_EQ(name(group, portd::AuditBy::unit), "(unknown)");
    EXPECT_EQ(name(group, portd::AuditBy::user), "(unknown)");
    group.withheld = true;
    EXPECT_EQ(name(group, portd::AuditBy::program), "(withheld)");
    group = {};
    group.known = true;
    EXPECT_EQ(name(group, portd::AuditBy::program), "(unknown)");
    EXPECT_EQ(name(group, portd::AuditBy::unit), "(no unit)");
    EXPECT_EQ(name(group, portd::AuditBy::peer), "(no peer)");
    group.command = "unknown"; // a program may be called so
    EXPECT_EQ(name(group, portd::AuditBy::program), "unknown");

    proto::AuditReply last;
    last.coverage = watched(t0 - 3600 * second, t0);
    last.other = proto::AuditGroup{};
    last.groups_in_other = 1;
    const FakeDaemon daemon(replies({answer_[1], proto::encode(last)}));
    EXPECT_THAT(run({"audit", "--socket", daemon.path()}).err,
                HasSubstr("(all others) is 1 group or more."));
}

TEST_F(Audit, NothingIsSaidToBeNothing) {
    const FakeDaemon daemon(replies({answer_[2]}));
    const Outcome outcome = run({"audit", "--since", "2026-11-22 02:12:05", "--until",
                                 "2026-11-22 03:12:05", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "No lease matches from 2026-11-22 02:12:05 UTC to 2026-11-22 03:12:05 "
                           "UTC.\n");
}

TEST_F(Audit, WhatIsNotSeenIsNotDenied) {
    const auto ask = [](const proto::AuditReply &last, const std::string &port) {
        proto::Explanation explanation;
        explanation.recorded = port != "8443";
        const FakeDaemon daemon([&](int fd, const proto::Call &call) {
            const json told = call.method == proto::methods::explain ? proto::encode(explanation)
                                                                     : proto::encode(last);
            say(fd, json{{"parameters", told}}.dump());
            return FakeDaemon::Then::go_on;
        });
        const Outcome outcome = run({"audit", port, "--socket", daemon.path()});
        EXPECT_EQ(outcome.status, 1);
        return outcome;
    };
    proto::AuditReply last;
    last.coverage = watched(t0 - 3600 * second, t0);
    const Outcome unrecorded = ask(last, "8443");
    EXPECT_EQ(unrecorded.out, "");
    EXPECT_THAT(unrecorded.err, HasSubstr("portd cannot tell who held port 8443: its setting"));
    last.withheld = true;
    EXPECT_THAT(ask(last, "60609").out, HasSubstr("No lease that you may see matches"));
    last.withheld = false;
    last.coverage->complete = false;
    last.coverage->intervals[0].source = portd::CaptureTier::procfs;
    const Outcome snapshots = ask(last, "60609");
    EXPECT_THAT(snapshots.out, HasSubstr("portd knows of no lease that matches"));
    EXPECT_THAT(snapshots.err, HasSubstr("throughout."));
    EXPECT_THAT(snapshots.err, HasSubstr("It watched by procfs"));
}

TEST_F(Audit, RatesAreInTheUnitThatSaysMost) {
    EXPECT_EQ(format_rate(100, second), "100/s");
    EXPECT_EQ(format_rate(5, 2 * second), "2.5/s");
    EXPECT_EQ(format_rate(30, 60 * second), "30/min");
    EXPECT_EQ(format_rate(2, 3600 * second), "2.0/h");
    EXPECT_EQ(format_rate(0, 3600 * second), "0.0/d");
    EXPECT_EQ(format_rate(5, 0), "");
}

TEST_F(Audit, ARateIsOfTheWatchedPartOfTheAskedTime) {
    proto::AuditReply last;
    last.coverage = proto::Coverage{};
    // Of an hour: not the first half, and in the second one minute in which events were lost.
    const std::int64_t half = t0 - 1800 * second;
    last.coverage->gaps = {{half + 60 * second, half + 120 * second, "ringFull", 7},
                           {std::nullopt, half, "notRunning", {}}};
    last.coverage->intervals = {{half, half + 600 * second, portd::CaptureTier::ebpf},
                                {half + 600 * second, t0, portd::CaptureTier::ebpf}};
    const FakeDaemon daemon(replies({answer_[1], proto::encode(last)}));
    const Outcome outcome = run({"audit", "--since", "2026-11-22 02:12:05", "--until",
                                 "2026-11-22 03:12:05", "--socket", daemon.path()});
    EXPECT_THAT(outcome.out, HasSubstr("7200    4.1/s")); // of 1740 s
    EXPECT_THAT(outcome.err, HasSubstr("portd was watching for 29min of it."));
}

TEST_F(Audit, WatchedTimeIsThatOfTheIntervalsWithoutGaps) {
    proto::Coverage coverage = watched(100, 200);
    EXPECT_EQ(watched_usec(coverage), 100);
    coverage.gaps = {{150, 160, "overflow", {}}, {155, 170, "ringFull", {}}};
    EXPECT_EQ(watched_usec(coverage), 80);
    coverage.gaps = {{std::nullopt, 110, "overflow", {}}, {190, std::nullopt, "overflow", {}}};
    EXPECT_EQ(watched_usec(coverage), 80);
    coverage.gaps = {{0, 50, "notRunning", {}}, {300, 400, "notRunning", {}}};
    EXPECT_EQ(watched_usec(coverage), 100);
    coverage.intervals.push_back({100, 200, portd::CaptureTier::ebpf}); // the clock was set back
    EXPECT_EQ(watched_usec(coverage), 200);
    coverage.gaps = {{std::nullopt, std::nullopt, "unreadable", {}}};
    EXPECT_EQ(watched_usec(coverage), 0);
}

TEST_F(Audit, VerifySaysWhatIsWrongAndExitsWithOne) {
    proto::VerifyReply progress;
    progress.progress = proto::VerifyProgress{"history-000001.db", 1000};
    proto::VerifyReply file;
    file.file = proto::FileReport{"history-000001.db", true, 4096, 3, 1, {"row 7 \x1b missing"}};
    proto::VerifyReply last;
    last.sound = false;
    last.record = {"the files between 1 and 3 are missing"};
    {
        const FakeDaemon daemon(
            replies({proto::encode(progress), proto::encode(file), proto::encode(last)}));
        const Outcome outcome = run({"verify", "--socket", daemon.path()});
        EXPECT_EQ(outcome.status, 1);
        EXPECT_EQ(outcome.out, "history-000001.db: damaged, 3 leases, 1 refused bind, 4.0 KiB\n"
                               "  row 7 \\x1b missing\n"
                               "record of coverage: wrong\n"
                               "  the files between 1 and 3 are missing\n");
        const Outcome as_json = run({"verify", "--json", "--socket", daemon.path()});
        EXPECT_EQ(as_json.status, 1);
        EXPECT_EQ(json::parse(as_json.out.substr(0, as_json.out.find('\n')))["leases"], 3);
    }
    file.file->findings.clear();
    last = {};
    last.sound = true;
    const FakeDaemon daemon(replies({proto::encode(file), proto::encode(last)}));
    const Outcome outcome = run({"verify", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("history-000001.db: sound"));
    EXPECT_THAT(outcome.out, HasSubstr("record of coverage: sound"));
}

} // namespace
} // namespace portd::client::test
