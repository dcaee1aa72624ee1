// Mistakes in the command line, and help.
#include "client/verbs.hpp"

#include "unit/client/command_line.hpp"

#include <nlohmann/json.hpp>

#include <vector>

namespace portd::client::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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

} // namespace
} // namespace portd::client::test
