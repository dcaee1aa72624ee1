// who, list, explain and status.
#include "unit/client/command_line.hpp"

#include <nlohmann/json.hpp>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

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

} // namespace
} // namespace portd::client::test
