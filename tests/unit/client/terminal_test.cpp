// Terminals, pagers, pipes.
#include "unit/client/command_line.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

namespace portd::client::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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
