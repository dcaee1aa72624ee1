#include "proto/codec.hpp"

#include "generators.hpp"
#include "proto/message_text.hpp"
#include "proto/varlink.hpp"
#include "samples.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <string>

namespace portd::proto {
namespace {

using nlohmann::json;

template <typename T>
void expect_round_trip(const T &value) {
    const auto decoded = decode<T>(json::parse(encode(value).dump()));
    RC_ASSERT(std::holds_alternative<T>(decoded));
    RC_ASSERT(std::get<T>(decoded) == value);
}

RC_GTEST_PROP(Codec, HistoryRequestIsReadBack, ()) {
    expect_round_trip(samples::any_history_request());
}
RC_GTEST_PROP(Codec, ListRequestIsReadBack, ()) {
    expect_round_trip(samples::any_list_request());
}
RC_GTEST_PROP(Codec, WatchRequestIsReadBack, ()) {
    expect_round_trip(samples::any_watch_request());
}
RC_GTEST_PROP(Codec, ExportRequestIsReadBack, ()) {
    expect_round_trip(samples::any_export_request());
}
RC_GTEST_PROP(Codec, WatchReplyIsReadBack, ()) {
    expect_round_trip(samples::any_watch_reply());
}
RC_GTEST_PROP(Codec, ExportReplyIsReadBack, ()) {
    expect_round_trip(samples::any_export_reply());
}

template <typename T>
void expect_same_at_once(const T &value) {
    const std::string text = encode_text(value);
    RC_ASSERT(json::parse(text) == encode(value));
    RC_ASSERT(*std::get<Reply>(parse_reply(format_last(text))).parameters == encode(value));
    const auto reply = decode_reply<T>(R"({"continues":true,"parameters":)" + text + "}");
    RC_ASSERT(reply && reply->continues && reply->parameters == value);
}
RC_GTEST_PROP(Codec, TextAtOnceSaysTheSame, ()) {
    expect_same_at_once(samples::any_lease_reply());
    expect_same_at_once(samples::any_watch_reply());
    expect_same_at_once(samples::any_export_reply());
    expect_same_at_once(samples::any_attribute_reply());
}
RC_GTEST_PROP(Codec, TextAtOnceTakesAnyBytes, (const std::string &bytes)) {
    LeaseReply reply;
    reply.cursor = bytes;
    RC_ASSERT(nlohmann::json::parse(encode_text(reply)) == encode(reply));
}
RC_GTEST_PROP(Codec, PortRequestIsReadBack, ()) {
    expect_round_trip(PortRequest{.port = *rc::gen::inRange<std::int64_t>(1, 65536)});
}
RC_GTEST_PROP(Codec, LeaseReplyIsReadBack, ()) {
    expect_round_trip(samples::any_lease_reply());
}
RC_GTEST_PROP(Codec, WhoReplyIsReadBack, ()) {
    expect_round_trip(samples::any_who_reply());
}
RC_GTEST_PROP(Codec, ExplanationIsReadBack, ()) {
    expect_round_trip(samples::any_explanation());
}
RC_GTEST_PROP(Codec, AuditRequestIsReadBack, ()) {
    expect_round_trip(samples::any_audit_request());
}
RC_GTEST_PROP(Codec, AuditReplyIsReadBack, ()) {
    expect_round_trip(samples::any_audit_reply());
}
RC_GTEST_PROP(Codec, AttributeRequestIsReadBack, ()) {
    expect_round_trip(samples::any_attribute_request());
}
RC_GTEST_PROP(Codec, AttributeReplyIsReadBack, ()) {
    expect_round_trip(samples::any_attribute_reply());
}
RC_GTEST_PROP(Codec, WhyRequestIsReadBack, ()) {
    expect_round_trip(samples::any_why_request());
}
RC_GTEST_PROP(Codec, WhyReplyIsReadBack, ()) {
    expect_round_trip(samples::any_why_reply());
}
RC_GTEST_PROP(Codec, ConflictsRequestIsReadBack, ()) {
    expect_round_trip(samples::any_conflicts_request());
}
RC_GTEST_PROP(Codec, ConflictsReplyIsReadBack, ()) {
    expect_round_trip(samples::any_conflicts_reply());
}
RC_GTEST_PROP(Codec, PressureRequestIsReadBack, ()) {
    expect_round_trip(samples::any_pressure_request());
}
RC_GTEST_PROP(Codec, PressureReplyIsReadBack, ()) {
    expect_round_trip(samples::any_pressure_reply());
}
RC_GTEST_PROP(Codec, VerifyReplyIsReadBack, ()) {
    expect_round_trip(samples::any_verify_reply());
}
RC_GTEST_PROP(Codec, StatusIsReadBack, ()) {
    expect_round_trip(samples::any_status());
}

TEST(Codec, LeavesOutWhatIsAbsent) {
    Lease lease;
    lease.id = "i";
    lease.boot_id = "b";
    lease.local_address = "192.0.2.1";
    lease.local_port = 50000;
    EXPECT_EQ(encode(lease), json::parse(R"({
        "id": "i", "bootId": "b", "protocol": "tcp", "family": "ipv4",
        "localAddress": "192.0.2.1", "localPort": 50000, "networkNamespace": 0, "phase": "bound",
        "opened": {"provenance": "unknown"}, "opener": {"provenance": "unknown"},
        "lastHolder": {"provenance": "unknown"}, "holders": [], "incomplete": false})"));
    EXPECT_EQ(encode(HistoryRequest{}), json::object());
    EXPECT_EQ(encode(LeaseReply{}), json::object());
}

TEST(Codec, LastReplySaysWithheldEitherWay) {
    LeaseReply reply;
    reply.coverage.emplace();
    EXPECT_EQ(encode(reply)["withheld"], false);
    reply.withheld = true;
    EXPECT_EQ(encode(reply)["withheld"], true);
}

TEST(Codec, NullInARequestIsAbsent) {
    const auto decoded = decode<HistoryRequest>(
        json{{"port", nullptr}, {"protocol", nullptr}, {"newestFirst", nullptr}});
    EXPECT_EQ(std::get<HistoryRequest>(decoded), HistoryRequest{});
}

TEST(Codec, RefusesRequestFieldsThatCannotBeUsed) {
    const struct {
        std::string text;
        std::string parameter;
        std::string reason;
    } cases[] = {
        {R"({"port":0})", "port", "is not within 1 to 65535"},
        {R"({"port":65536})", "port", "is not within 1 to 65535"},
        {R"({"port":"80"})", "port", "is not an integer"},
        {R"({"port":80.5})", "port", "is not an integer"},
        {R"({"atUsec":9223372036854775808})", "atUsec",
         "is not within -9223372036854775808 to 9223372036854775807"},
        {R"({"withinUsec":-1})", "withinUsec", "is not within 0 to 9223372036854775807"},
        {R"({"limit":0})", "limit", "is not within 1 to 9223372036854775807"},
        {R"({"pid":0})", "pid", "is not within 1 to 9223372036854775807"},
        {R"({"protocol":"sctp"})", "protocol", "is not a word of its list"},
        {R"({"protocol":6})", "protocol", "is not a word of its list"},
        {R"({"newestFirst":1})", "newestFirst", "is not a boolean"},
        {R"({"prot":"tcp"})", "prot", "is not a parameter of this method"},
        {R"({"prot":null})", "prot", "is not a parameter of this method"},
    };
    for (const auto &test : cases) {
        const auto decoded = decode<HistoryRequest>(json::parse(test.text));
        ASSERT_TRUE(std::holds_alternative<InvalidField>(decoded)) << test.text;
        EXPECT_EQ(std::get<InvalidField>(decoded).parameter, test.parameter) << test.text;
        EXPECT_EQ(std::get<InvalidField>(decoded).reason, test.reason) << test.text;
    }
    const auto absent = decode<PortRequest>(json::object());
    EXPECT_EQ(std::get<InvalidField>(absent).parameter, "port");
    EXPECT_EQ(std::get<InvalidField>(absent).reason, "is required");
}

TEST(Codec, NamesTheFieldWithinAReply) {
    LeaseReply whole;
    whole.lease = samples::lease();
    json reply = encode(whole);
    reply["lease"]["holders"][0]["pid"] = "x";
    const auto decoded = decode<LeaseReply>(reply);
    EXPECT_EQ(std::get<InvalidField>(decoded).parameter, "lease.holders[0].pid");
}

TEST(Codec, TakesMembersInAnyOrder) {
    const auto reply = decode_reply<LeaseReply>(
        R"({"parameters":{"lease":{"holders":[],"opened":{"provenance":"observed","usec":7},)"
        R"("incomplete":true,"phase":"bound","networkNamespace":9,"localPort":80,"localAddress":"::1",)"
        R"("family":"ipv6","protocol":"udp","bootId":"b","id":"i","opener":{"provenance":"unknown"},)"
        R"("lastHolder":{"ancestors":[{"command":"sh","pid":1}],"provenance":"observed"}}}})");
    ASSERT_TRUE(reply);
    EXPECT_FALSE(reply->continues);
    Lease lease;
    lease.id = "i";
    lease.boot_id = "b";
    lease.protocol = Protocol::udp;
    lease.family = Family::ipv6;
    lease.local_address = "::1";
    lease.local_port = 80;
    lease.network_namespace = 9;
    lease.opened.usec = 7;
    lease.opened.provenance = Provenance::observed;
    lease.last_holder.provenance = Provenance::observed;
    lease.last_holder.ancestors = {{1, "sh"}};
    lease.incomplete = true;
    EXPECT_EQ(reply->parameters.lease, lease);
}

TEST(Codec, OneReplyIsAWholeSuccessOrNothing) {
    EXPECT_TRUE(decode_reply<LeaseReply>(R"({"parameters":{"later":[{"a":[1]}],"cursor":null}})"));
    for (const char *message :
         {"", "{", R"({"parameters":{}}x)", "[]", "{}", R"({"parameters":null})",
          R"({"parameters":[]})", R"({"error":"a.B","parameters":{}})",
          R"({"parameters":{"cursor":7},"error":"a.B"})",
          R"({"parameters":{"cursor":"a","cursor":null}})", R"({"continues":1,"parameters":{}})",
          R"({"parameters":{"lease":{}}})", R"({"parameters":{"lease":[]}})",
          "{\"parameters\":{\"cursor\":\"\xff\"}}"})
        EXPECT_FALSE(decode_reply<LeaseReply>(message)) << message;
}

TEST(Codec, NamesElementsThatCannotBeUsed) {
    json reply{{"holders", json::array({nullptr})}};
    EXPECT_EQ(std::get<InvalidField>(decode<WhoReply>(reply)).parameter, "holders[0]");
    reply["holders"] = json::array({encode(samples::lease()), json::object()});
    EXPECT_EQ(std::get<InvalidField>(decode<WhoReply>(reply)).parameter, "holders[1].id");
    EXPECT_EQ(std::get<InvalidField>(decode<WhoReply>(json::array())).parameter, "parameters");
}

TEST(Codec, CountsOfEventsAreAbsentWhereThereAreNoHooks) {
    Status status = samples::status();
    status.events_per_second = status.events_issued = status.events_received = status.events_lost =
        status.witness_misses = status.witness_overflows = std::nullopt;
    status.self_check.reset();
    const json wire = encode(status);
    for (const char *field : {"eventsPerSecond", "eventsIssued", "eventsReceived", "eventsLost",
                              "witnessMisses", "witnessOverflows", "selfCheck"})
        EXPECT_FALSE(wire.contains(field)) << field;
    EXPECT_EQ(std::get<Status>(decode<Status>(wire)), status);
    json negative = encode(samples::status());
    negative["eventsLost"] = -1;
    EXPECT_EQ(std::get<InvalidField>(decode<Status>(negative)).parameter, "eventsLost");
    json untimed = encode(samples::status());
    untimed["selfCheck"].erase("atUsec");
    EXPECT_EQ(std::get<InvalidField>(decode<Status>(untimed)).parameter, "selfCheck.atUsec");
}

TEST(Codec, IgnoresUnknownFieldsOfReplies) {
    LeaseReply reply;
    reply.lease = samples::lease();
    json wire = encode(reply);
    wire["later"] = 1;
    wire["lease"]["later"] = 1;
    EXPECT_EQ(std::get<LeaseReply>(decode<LeaseReply>(wire)), reply);
}

} // namespace
} // namespace portd::proto
