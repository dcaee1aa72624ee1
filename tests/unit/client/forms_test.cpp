// The forms of output, whatever a process calls itself.
#include "unit/client/command_line.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <vector>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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
    records.leases[0].port_choice = PortChoice::automatic;
    records.leases[0].port_chosen_by = PortChosenBy::bind;
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
    EXPECT_THAT(heading, HasSubstr(",role,portChoice,portChosenBy,phase,"));
    EXPECT_THAT(lease, HasSubstr(",automatic,bind,"));
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
    lease.port_choice = PortChoice::automatic;
    lease.port_chosen_by = PortChosenBy::connect;
    records.bind_failures = {refused_bind()};
    const FakeDaemon daemon(answers_from(records));
    const Outcome wide = run({"history", "-o", "wide", "--socket", daemon.path()});
    EXPECT_THAT(wide.out, HasSubstr("  automatic (connect)  "));
    const Outcome outcome = run({"history", "-o", "verbose", "--socket", daemon.path()});
    EXPECT_EQ(outcome.status, 0);
    for (const char *expected :
         {"Lease: tcp 10.0.0.5:60609, peer 93.184.216.34:443\n", "program /usr/bin/curl\n",
          "child of bash[812], systemd[1]\n", "Last holder: sshd[9]", "78 B sent, unknown received",
          "Duration: 500ms\n", ", port chosen by the kernel (connect(2))\n", "\n\n",
          "Bind failure: tcp 0.0.0.0:60609\n", "In the way: nginx[812]"})
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

} // namespace
} // namespace portd::client::test
