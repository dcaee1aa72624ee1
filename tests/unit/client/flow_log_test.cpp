#include "client/attribution_text.hpp"
#include "client/flow_log.hpp"
#include "client/log_time.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <ctime>
#include <tuple>

namespace portd::client {
namespace {

using nlohmann::json;
using Kind = LogRow::Kind;

constexpr std::int64_t now = 1'795'400'000'000'000; // 2026-11-23 02:13:20 UTC
constexpr std::int64_t at = 1'795'317'125'000'000;  // 2026-11-22 03:12:05 UTC

class InUtc : public testing::Environment {
    void SetUp() override {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }
};
const auto *const in_utc = testing::AddGlobalTestEnvironment(new InUtc);

LogTime time_of(std::string_view text) {
    return parse_log_time(text, now).value_or(LogTime{-1, 0});
}

TEST(LogTimes, AreReadAsLogsWriteThem) {
    const std::pair<const char *, LogTime> times[] = {
        {"1795317125.512", {at + 512'000, 1'000}},
        {"1795317125.123456", {at + 123'456, 1}},
        {"1795317125.1234569", {at + 123'456, 1}},
        {"1795317125", {at, 1'000'000}},
        {"1795317125512", {at + 512'000, 1'000}},
        {"1795317125512000", {at + 512'000, 1}},
        {"2026-11-22T03:12:05.120Z", {at + 120'000, 1'000}},
        {"2026-11-22 03:12:05", {at, 1'000'000}},
        {"2026-11-22T04:12:05.000001+0100", {at + 1, 1}},
        {"2026-11-22T04:12:05+01:00", {at, 1'000'000}},
        {"2026-11-21T19:12:05-08", {at, 1'000'000}},
        {"Nov 22 03:12:05", {at, 1'000'000}},
        {"Nov  2 03:12:05", {at - 20 * 86'400'000'000, 1'000'000}},
    };
    for (const auto &[text, expected] : times) {
        EXPECT_EQ(time_of(text).usec, expected.usec) << text;
        EXPECT_EQ(time_of(text).unit_usec, expected.unit_usec) << text;
    }
    EXPECT_EQ(time_of("Dec 31 23:59:59").usec, 1'767'225'599'000'000); // of last year
    for (const char *text : {"", "-", "now", "2026-11-22", "2026-13-22T03:12:05Z",
                             "2026-11-22T25:12:05Z", "2026-02-30T03:12:05Z", "2026-11-22T03:12:05Q",
                             "17953171255123", "Foo 22 03:12:05", "99999999999999999999"})
        EXPECT_EQ(parse_log_time(text, now), std::nullopt) << text;
}

LogRow read_last(LogFormat format, std::initializer_list<const char *> lines,
                 std::unique_ptr<FlowLog> &log) {
    log = open_log(format, added_columns(), now);
    LogRow row;
    for (const char *line : lines)
        row = log->read(line);
    return row;
}

// "kind proto source:port > destination:port @time+duration" of what was read.
std::string told(const LogRow &row) {
    constexpr const char *kinds[] = {"flow", "named", "noLease", "noPorts", "unreadable", "header"};
    std::string text = kinds[static_cast<int>(row.kind)];
    if (row.kind != Kind::flow)
        return text;
    const proto::Flow &flow = row.flow;
    const auto port = [](const std::optional<std::int64_t> &number) {
        return number ? ":" + std::to_string(*number) : "";
    };
    text += flow.protocol ? " " + std::string(to_string(*flow.protocol)) : "";
    text += " " + flow.source_address.value_or("") + port(flow.source_port) + " > " +
            flow.destination_address.value_or("") + port(flow.destination_port);
    if (flow.translated_source_port)
        text += " as " + *flow.translated_source_address + port(flow.translated_source_port) +
                " > " + *flow.translated_destination_address +
                port(flow.translated_destination_port);
    return text + " @" + std::to_string(flow.at_usec - at) + "+" +
           std::to_string(flow.duration_usec.value_or(0));
}

std::string told(LogFormat format, std::initializer_list<const char *> lines) {
    std::unique_ptr<FlowLog> log;
    return told(read_last(format, lines, log));
}

TEST(FlowLogs, ZeekIsReadByItsHeader) {
    const char *const fields =
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration";
    EXPECT_EQ(told(LogFormat::zeek, {"#separator \\x09", fields}), "header");
    EXPECT_EQ(told(LogFormat::zeek,
                   {fields, "1795317125.000001\tC1\t10.0.0.1\t60609\t192.0.2.1\t443\ttcp\t0.25"}),
              "flow tcp 10.0.0.1:60609 > 192.0.2.1:443 @1+250000");
    EXPECT_EQ(told(LogFormat::zeek,
                   {fields, "1795317125.000001\tC1\t10.0.0.1\t60609\t192.0.2.1\t443\tudp\t-"}),
              "flow udp 10.0.0.1:60609 > 192.0.2.1:443 @1+0");
    EXPECT_EQ(
        told(LogFormat::zeek, {fields, "1795317125.0\tC1\t10.0.0.1\t3\t192.0.2.1\t1\ticmp\t-"}),
        "noPorts");
    EXPECT_EQ(told(LogFormat::zeek, {fields, "1795317125.0\tC1\t10.0.0.1"}), "unreadable");
    EXPECT_EQ(told(LogFormat::zeek, {"1795317125.0\tC1\t10.0.0.1"}), "unreadable");
}

TEST(FlowLogs, JsonIsReadByItsNames) {
    EXPECT_EQ(told(LogFormat::json,
                   {R"({"timestamp":"2026-11-22T03:12:06.000000+0000","event_type":"alert",)"
                    R"("src_ip":"10.0.0.1","src_port":60609,"dest_ip":"192.0.2.1","dest_port":443,)"
                    R"("proto":"TCP","flow":{"start":"2026-11-22T03:12:05.000000+0000"}})"}),
              "flow tcp 10.0.0.1:60609 > 192.0.2.1:443 @0+1000000");
    EXPECT_EQ(told(LogFormat::json,
                   {R"({"ts":1795317125.000001,"id.orig_h":"10.0.0.1","id.orig_p":60609,)"
                    R"("id.resp_h":"192.0.2.1","id.resp_p":443,"proto":"udp","duration":0.5})"}),
              "flow udp 10.0.0.1:60609 > 192.0.2.1:443 @1+500000");
    EXPECT_EQ(told(LogFormat::json,
                   {R"({"@timestamp":"2026-11-22T03:12:05.000Z","source":{"ip":"::1","port":6},)"
                    R"("destination":{"ip":"::2","port":7},"network":{"transport":"tcp"}})"}),
              "flow tcp ::1:6 > ::2:7 @0+999");
    for (const char *text : {"{", "[]", "{}", R"({"ts":1})", R"({"ts":1,"src_port":70000})",
                             R"({"ts":{},"src_port":[]})", R"({"ts":1,"src_port":5,"src_ip":"x"})"})
        EXPECT_EQ(told(LogFormat::json, {text}), "unreadable") << text;
    for (const char *text :
         {R"({"timestamp":"2026-11-22T03:12:05.0+0000","event_type":"stats","stats":{"uptime":9}})",
          R"({"timestamp":"2026-11-22T03:12:05.0+0000","event_type":"arp","src_ip":"10.0.0.1"})"})
        EXPECT_EQ(told(LogFormat::json, {text}), "noPorts") << text;
    EXPECT_EQ(told(LogFormat::json, {R"({"event_type":"alert","src_port":70000,"dest_port":1})"}),
              "unreadable");
}

TEST(FlowLogs, CsvIsReadByItsHeading) {
    EXPECT_EQ(told(LogFormat::csv, {"Time;Source IP;Source Port;Protocol",
                                    "2026-11-22 03:12:05.000000;\"10.0.0.1\";60609;TCP"}),
              "flow tcp 10.0.0.1:60609 >  @0+0");
    EXPECT_EQ(told(LogFormat::csv, {"time,port", "1795317125.0,60609"}), "flow :60609 >  @0+99999");
    EXPECT_EQ(told(LogFormat::csv, {"time,port", "1795317125.0"}), "unreadable");
    EXPECT_EQ(told(LogFormat::csv, {"time,port", "\"1795317125.0,60609"}), "unreadable");
    EXPECT_EQ(told(LogFormat::csv, {"time,port", "\r"}), "header");
}

TEST(FlowLogs, LinesAreReadOfConntrackAndThePacketFilter) {
    EXPECT_EQ(told(LogFormat::lines,
                   {"[1795317125.000000]\t    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 "
                    "dst=192.0.2.1 sport=60609 dport=443 [UNREPLIED] src=192.0.2.1 dst=10.0.0.1 "
                    "sport=443 dport=60609"}),
              "flow tcp 10.0.0.1:60609 > 192.0.2.1:443 @0+0");
    EXPECT_EQ(told(LogFormat::lines,
                   {"[1795317125.000000]\t[DESTROY] udp 17 src=10.0.0.1 dst=192.0.2.1 sport=60609 "
                    "dport=53 src=192.0.2.1 dst=203.0.113.1 sport=53 dport=61000 delta-time=5"}),
              "flow udp 10.0.0.1:60609 > 192.0.2.1:53 as 203.0.113.1:61000 > 192.0.2.1:53 "
              "@-5000000+5000000");
    EXPECT_EQ(told(LogFormat::lines,
                   {"Nov 22 03:12:05 host kernel: [17.5] IN= OUT=eth0 SRC=10.0.0.1 DST=192.0.2.1 "
                    "LEN=60 PROTO=TCP SPT=60609 DPT=443 SYN"}),
              "flow tcp 10.0.0.1:60609 > 192.0.2.1:443 @0+999999");
    EXPECT_EQ(
        told(LogFormat::lines, {"[1795317125.0] icmp 1 30 src=10.0.0.1 dst=192.0.2.1 type=8"}),
        "noPorts");
    EXPECT_EQ(told(LogFormat::lines, {"tcp 6 src=10.0.0.1 dst=192.0.2.1 sport=1 dport=2"}),
              "unreadable"); // when?
}

TEST(FlowLogs, ARowMayHaveACommunityIdInsteadOfPorts) {
    const std::string id = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
    for (const auto &[format, heading, line] :
         {std::tuple{LogFormat::zeek, "#fields\tts\tcommunity_id", "1795317125.0\t" + id},
          {LogFormat::json, "", R"({"ts":1795317125.0,"community_id":")" + id + "\"}"},
          {LogFormat::json, "",
           R"({"@timestamp":"2026-11-22T03:12:05Z","network":{"community_id":")" + id + "\"}}"},
          {LogFormat::csv, "time,Community ID", "1795317125.0," + id},
          {LogFormat::lines, "", "2026-11-22T03:12:05Z tcp " + id}}) {
        std::unique_ptr<FlowLog> log;
        const LogRow row = read_last(format, {heading, line.c_str()}, log);
        EXPECT_EQ(told(row), "named") << line;
        EXPECT_EQ(row.community_id, id);
        EXPECT_EQ(row.flow.at_usec, at);
    }
    EXPECT_EQ(detect_format("time,community_id"), LogFormat::csv);
    for (const char *text : {"1:", "2:LQU9qZlK+B5F3KDmev6m5PMibrg=", "1:LQU9qZlK+B5F3KDmev6m5PMibr",
                             "1:LQU9qZlK+B5F3KDmev6m5PMib g="})
        EXPECT_EQ(told(LogFormat::csv,
                       {"time,community_id", (std::string("1795317125.0,") + text).c_str()}),
                  "unreadable")
            << text;
    // Ports need not be looked for.
    EXPECT_EQ(
        told(LogFormat::csv, {"time,community_id,sport", ("1795317125.0," + id + ",5").c_str()}),
        "flow :5 >  @0+99999");
}

TEST(FlowLogs, AZeekLogDoesNotEndItsColumnsWithNewlines) {
    const auto log = open_log(LogFormat::zeek, added_columns(), now);
    log->read("#separator \\x0a");
    log->read("#fields\tts\tid.orig_p");
    const LogRow row = log->read("1795317125.0\t60609");
    EXPECT_EQ(row.kind, Kind::flow);
    EXPECT_EQ(log->write(row, addition_of(row.kind)).find('\n'), std::string::npos);
}

TEST(FlowLogs, LinesAreReadOfPlainWords) {
    EXPECT_EQ(told(LogFormat::lines,
                   {"2026-11-22T03:12:05.000000Z tcp 10.0.0.1:60609 -> [2001:db8::1]:443"}),
              "flow tcp 10.0.0.1:60609 > 2001:db8::1:443 @0+0");
    EXPECT_EQ(told(LogFormat::lines, {"1795317125.000000 60609"}), "flow :60609 >  @0+0");
    EXPECT_EQ(told(LogFormat::lines, {"1795317125 udp :60609"}), "flow udp :60609 >  @0+999999");
    EXPECT_EQ(told(LogFormat::lines, {"# a comment"}), "header");
    for (const char *text :
         {"1795317125 tcp", "1795317125 tcp host:1", "hello", "60609",
          "1795317125 tcp 10.0.0.1:1 10.0.0.1:2 10.0.0.1:3", "1795317125 tcp 2001:db8::1:443"})
        EXPECT_EQ(told(LogFormat::lines, {text}), "unreadable") << text;
}

TEST(FlowLogs, WhatFollowsAProtocolAndTwoWholeEndsIsPassedOn) {
    EXPECT_EQ(told(LogFormat::lines,
                   {"1795317125.000000 tcp 10.0.0.1:60609 192.0.2.1:443 ESTABLISHED 1234 bytes"}),
              "flow tcp 10.0.0.1:60609 > 192.0.2.1:443 @0+0");
    for (const char *text :
         {"1795317125 10.0.0.1:60609 192.0.2.1:443 established", // of which protocol?
          "1795317125 tcp 10.0.0.1:60609 443 established", "1795317125 tcp 10.0.0.1:60609 closed",
          "1795317125 tcp 10.0.0.1:60609 192.0.2.1:443 via 203.0.113.1:61000"})
        EXPECT_EQ(told(LogFormat::lines, {text}), "unreadable") << text;
}

TEST(FlowLogs, WhyARowIsUnreadableIsTold) {
    const auto fault = [](LogFormat format, std::initializer_list<const char *> lines) {
        std::unique_ptr<FlowLog> log;
        return read_last(format, lines, log).fault;
    };
    EXPECT_EQ(fault(LogFormat::lines, {"hello 60609"}), faults::no_time);
    EXPECT_EQ(fault(LogFormat::lines, {"1795317125 tcp"}), faults::no_port);
    EXPECT_EQ(fault(LogFormat::lines, {"1795317125 tcp ho\x1b[2Jst"}),
              "'ho\\x1b[2Jst' is neither a protocol nor an address and a port");
    EXPECT_LT(fault(LogFormat::lines, {("1795317125 " + std::string(9999, 'x')).c_str()}).size(),
              120u);
    EXPECT_EQ(fault(LogFormat::lines, {"1795317125 src=10.0.0.1 dst=x sport=1"}),
              faults::no_address);
    EXPECT_EQ(fault(LogFormat::json, {"{"}), faults::no_object);
    EXPECT_EQ(fault(LogFormat::json, {R"({"ts":"x","src_port":1})"}), faults::no_time_value);
    EXPECT_EQ(fault(LogFormat::json, {R"({"ts":1,"src_port":70000})"}), faults::no_port);
    EXPECT_EQ(fault(LogFormat::json, {R"({"ts":1,"src_port":1,"src_ip":"x"})"}),
              faults::no_address);
    EXPECT_EQ(fault(LogFormat::csv, {"time,port", "1"}), faults::other_columns);
}

TEST(Attributions, TheFirstUnreadableRowsAreTold) {
    UnreadableRows rows;
    for (int i = 1; i <= 9; ++i) {
        LogRow row;
        row.kind = i % 2 == 0 ? Kind::unreadable : Kind::flow;
        row.line_number = i;
        row.fault = faults::no_port;
        rows.add(row);
    }
    EXPECT_THAT(rows.remarks(),
                testing::ElementsAre("Line 2 cannot be read: it has no port, from 1 to 65535.",
                                     testing::StartsWith("Line 4 "),
                                     testing::StartsWith("Line 6 ")));
}

TEST(FlowLogs, AreToldByTheirFirstLine) {
    EXPECT_EQ(detect_format("#separator \\x09"), LogFormat::zeek);
    EXPECT_EQ(detect_format("#fields\tts"), LogFormat::zeek);
    EXPECT_EQ(detect_format(" {\"ts\":1}"), LogFormat::json);
    EXPECT_EQ(detect_format("time,src_ip,src_port"), LogFormat::csv);
    EXPECT_EQ(detect_format("2026-11-22T03:12:05Z tcp 10.0.0.1:60609"), LogFormat::lines);
    EXPECT_EQ(detect_format("\x01\x02garbage"), LogFormat::lines);
    EXPECT_EQ(detect_format(""), std::nullopt);
    EXPECT_EQ(detect_format("# comment"), std::nullopt);
}

LogAddition named(const std::string &command) {
    proto::Process process;
    process.provenance = Provenance::observed;
    process.pid = 4711;
    process.command = command;
    proto::FlowAttribution flow;
    flow.who.confidence = Confidence::exact;
    flow.who.process = 0;
    return addition_of(flow, {process});
}

std::string written(LogFormat format, std::initializer_list<const char *> lines,
                    const LogAddition &addition) {
    std::unique_ptr<FlowLog> log;
    const LogRow row = read_last(format, lines, log);
    return row.kind == Kind::header ? row.line : log->write(row, addition);
}

TEST(FlowLogs, RowsAreWrittenInTheirOwnFormat) {
    const LogAddition addition = named("cu\trl");
    EXPECT_EQ(written(LogFormat::zeek, {"#fields\tts"}, addition).substr(0, 35),
              "#fields\tts\tportd_process\tportd_pid\t");
    EXPECT_EQ(written(LogFormat::zeek, {"#types\ttime"}, addition).substr(0, 20),
              "#types\ttime\tstring\ts");
    EXPECT_EQ(
        written(LogFormat::zeek, {"#unset_field\t-", "#fields\tts\tport", "1.0\t5"}, addition),
        "1.0\t5\tcu\\x09rl\t4711\t-\t-\t-\t-\texact\t-\t-\t-\t-\t-\t-\t-\t-\t-");
    EXPECT_EQ(written(LogFormat::csv, {"time,port", "1.0,\"5\""}, named("a,\"b")),
              "1.0,\"5\",\"a,\"\"b\",4711,,,,,exact,,,,,,,,,");
    EXPECT_EQ(written(LogFormat::lines, {"1795317125 5"}, named("a \"b")),
              "1795317125 5 # portd: portd_process=\"a \\\"b\" portd_pid=4711 "
              "portd_confidence=exact");
    const std::string line = written(LogFormat::json, {R"({"z":1,"ts":1.0,"port":5} )"}, addition);
    EXPECT_EQ(line.substr(0, 36), R"({"z":1,"ts":1.0,"port":5,"portd":{"c)");
    EXPECT_EQ(json::parse(line)["portd"]["process"]["command"], "cu\trl");
    EXPECT_EQ(written(LogFormat::json, {"{}"}, addition), "{}");
}

TEST(FlowLogs, APortThatIsNotRecordedIsNamed) {
    proto::FlowAttribution flow;
    flow.who.confidence = Confidence::not_recorded;
    flow.who.ports = {80, 443};
    const LogAddition addition = addition_of(flow, {});
    EXPECT_EQ(written(LogFormat::lines, {"1795317125 5"}, addition),
              "1795317125 5 # portd: portd_confidence=notRecorded portd_reasons=port:80,port:443");
    EXPECT_EQ((*addition.json)["ports"], (json{80, 443}));
}

TEST(Attributions, NameAllThatCanBeMeant) {
    proto::Process one;
    one.provenance = Provenance::observed;
    one.pid = 1;
    one.command = "a";
    proto::FlowAttribution flow;
    flow.who.confidence = Confidence::ambiguous;
    flow.who.candidates = {0, 1};
    flow.who.reasons = {AttributionReason::port_only};
    const LogAddition addition = addition_of(flow, {one, proto::Process{}});
    EXPECT_EQ(addition.columns[0].second, "a|?");
    EXPECT_EQ(addition.columns[1].second, "1|?");
    EXPECT_EQ(addition.columns[6].second, "ambiguous");
    EXPECT_EQ(addition.json->at("candidates").size(), 2u);
    EXPECT_FALSE(addition.json->contains("process"));
}

TEST(Attributions, AreCounted) {
    AttributionCounts counts;
    EXPECT_EQ(describe_counts(counts), "0 rows");
    proto::FlowAttribution flow;
    flow.who.confidence = Confidence::unwatched;
    counts.add({Kind::flow, "", {}}, &flow);
    counts.add({Kind::unreadable, "", {}}, nullptr);
    counts.add({Kind::header, "", {}}, nullptr);
    EXPECT_EQ(describe_counts(counts), "2 rows: 1 not watched, 1 unreadable");
    EXPECT_EQ(to_json(counts)["unwatched"], 1);
    EXPECT_EQ(counts.attributed(), 0);
}

// Whatever a row and a program are called, a row stays one row.
RC_GTEST_PROP(FlowLogs, AnyBytesAreReadAndWritten,
              (const std::string &bytes, const std::string &name)) {
    std::string line = bytes;
    std::erase(line, '\n');
    for (const auto format : {LogFormat::zeek, LogFormat::json, LogFormat::csv, LogFormat::lines}) {
        const auto log = open_log(format, added_columns(), now);
        log->read(line);
        const LogRow row = log->read(line);
        if (row.kind == Kind::header)
            continue;
        RC_ASSERT((row.kind == Kind::unreadable) == !row.fault.empty());
        const std::string text = log->write(row, named(name));
        RC_ASSERT(text.find('\n') == std::string::npos);
        RC_ASSERT(log->to_json(row).is_object());
    }
    detect_format(line);
}

} // namespace
} // namespace portd::client
