#include "capture/bpf_events.hpp"

#include "unit/capture/bpf_records.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace portd::capture {
namespace {

using namespace std::string_view_literals;
using testing::ElementsAre;

SocketEvent decode(const portd_socket_event &raw) {
    const auto event = decode_record(bytes_of(raw));
    EXPECT_TRUE(event && std::holds_alternative<SocketEvent>(*event));
    return std::get<SocketEvent>(*event);
}

TEST(BpfEvents, AConnectionIsDecodedWholly) {
    auto raw = socket_record(PORTD_CLOSED);
    raw.header.flags |= PORTD_PORT_LOCKED | PORTD_PEER_CLOSED;
    raw.old_state = 5;
    raw.state = 7;
    raw.error = ECONNRESET;
    raw.bytes_sent = 10;
    raw.bytes_received = 21;
    const auto event = decode(raw);
    EXPECT_EQ(event.kind, SocketEvent::Kind::closed);
    EXPECT_EQ(model::to_us(event.at), 5'000'000);
    EXPECT_EQ(event.image, (ImageId{1'234'567'890, 812, 3}));
    EXPECT_EQ(event.key, (model::SocketKey{77, 4026531840, model::SocketKey::Kind::cookie}));
    EXPECT_EQ(event.protocol, Protocol::tcp);
    EXPECT_EQ(event.local.address.to_string(), "127.0.0.1");
    EXPECT_EQ(event.local.port, 40000);
    EXPECT_EQ(event.peer.address.to_string(), "127.0.0.2");
    EXPECT_EQ(event.peer.port, 443);
    EXPECT_EQ(event.old_state, model::SocketState::fin_wait2);
    EXPECT_EQ(event.state, model::SocketState::close);
    EXPECT_EQ(event.uid, 1000U);
    EXPECT_EQ(event.error, ECONNRESET);
    EXPECT_EQ(event.bytes_sent, 10U);
    EXPECT_EQ(event.bytes_received, 20U) << "the peer's FIN is not payload";
    EXPECT_TRUE(event.is_port_locked);
    EXPECT_FALSE(event.is_orphan);
}

TEST(BpfEvents, WithoutTheFlagThereIsNoProcess) {
    auto raw = socket_record(PORTD_CONNECTED);
    raw.header.flags = 0;
    EXPECT_FALSE(decode(raw).image);
}

TEST(BpfEvents, WhoOnlyLookedAtADescriptorDidNotHaveIt) {
    auto raw = socket_record(PORTD_RELEASED);
    raw.caller_only_looked = 1;
    EXPECT_FALSE(decode(raw).image);
}

TEST(BpfEvents, ARequestThatIsNotKnownIsAbsent) {
    auto raw = socket_record(PORTD_BOUND);
    raw.requested_port = 40000;
    EXPECT_EQ(decode(raw).requested_port, 40000);
    raw.header.flags |= PORTD_REQUEST_UNKNOWN;
    EXPECT_FALSE(decode(raw).requested_port);
}

TEST(BpfEvents, ConnectSaysWhetherItChoseThePort) {
    auto raw = socket_record(PORTD_CONNECTING);
    EXPECT_FALSE(decode(raw).connect_chose_port);
    raw.connect_chose_port = 1;
    EXPECT_TRUE(decode(raw).connect_chose_port);
}

TEST(BpfEvents, Ipv6TakesTheWholeAddress) {
    auto raw = socket_record(PORTD_SENT);
    raw.family = AF_INET6;
    raw.protocol = IPPROTO_UDP;
    inet_pton(AF_INET6, "::ffff:192.0.2.1", raw.local_address);
    const auto event = decode(raw);
    EXPECT_EQ(event.protocol, Protocol::udp);
    EXPECT_EQ(event.local.address.to_string(), "::ffff:192.0.2.1");
}

TEST(BpfEvents, ARowIsDecodedWholly) {
    auto raw = row_record();
    raw.header.flags = PORTD_HAS_IMAGE | PORTD_ORPHAN | PORTD_PORT_LOCKED;
    raw.state = 8;
    const auto row = decode_row(bytes_of(raw));
    ASSERT_TRUE(row);
    EXPECT_EQ(model::to_us(row->at), 5'000'000);
    EXPECT_EQ(row->key, (model::SocketKey{77, 4026531840, model::SocketKey::Kind::cookie}));
    EXPECT_EQ(row->protocol, Protocol::tcp);
    EXPECT_EQ(row->local.address.to_string(), "127.0.0.1");
    EXPECT_EQ(row->local.port, 40000);
    EXPECT_EQ(row->peer.address.to_string(), "127.0.0.2");
    EXPECT_EQ(row->peer.port, 443);
    EXPECT_EQ(row->state, model::SocketState::close_wait);
    EXPECT_EQ(row->uid, 1000U);
    EXPECT_TRUE(row->is_held && row->is_orphan && row->is_port_locked);
    EXPECT_FALSE(row->is_kernels);
    auto later = *row;
    later.at += std::chrono::seconds(1);
    EXPECT_TRUE(tell_the_same(*row, later));
    later.state = model::SocketState::last_ack;
    EXPECT_FALSE(tell_the_same(*row, later));

    raw.connect_chose_port = 1;
    const auto chosen = decode_row(bytes_of(raw));
    EXPECT_TRUE(!row->connect_chose_port && chosen->connect_chose_port);
    EXPECT_FALSE(tell_the_same(*row, *chosen));
}

TEST(BpfEvents, WhatIsNoRowIsNotDecodedAsOne) {
    EXPECT_FALSE(decode_row(bytes_of(socket_record(PORTD_BOUND))));
    auto raw = row_record();
    raw.family = AF_UNIX;
    EXPECT_FALSE(decode_row(bytes_of(raw)));
    auto cut = bytes_of(row_record());
    cut.pop_back();
    EXPECT_FALSE(decode_row(cut));
}

TEST(BpfEvents, ANamespaceIsDecodedWholly) {
    auto raw = namespace_record();
    raw.reserved_ports[0] = 2;
    raw.reserved_ports[1] = 1ULL << 63;
    raw.reserved_ports[2] = 1;
    raw.reserved_ports[1023] = 1ULL << 63;
    const auto event = decode_record(bytes_of(raw));
    ASSERT_TRUE(event);
    const auto &told = std::get<NamespaceTold>(*event);
    EXPECT_EQ(told.network_namespace, 4026531840U);
    EXPECT_EQ(told.ports.local_range, (model::PortRange{32768, 60999}));
    EXPECT_EQ(told.ports.unprivileged_start, 80);
    EXPECT_EQ(told.ports.time_wait_reuse, TimeWaitReuse::loopback);
    raw.time_wait_reuse = PORTD_NO_SUCH_SETTING;
    const auto older = decode_record(bytes_of(raw));
    EXPECT_FALSE(std::get<NamespaceTold>(older.value()).ports.time_wait_reuse);
    EXPECT_EQ(model::port_list_text(told.ports.reserved), "1,127-128,40000-40001,65535");
}

TEST(BpfEvents, ANamespaceThatCannotBeIsNone) {
    auto raw = namespace_record();
    raw.range_high = static_cast<__u16>(raw.range_low - 1);
    EXPECT_FALSE(decode_record(bytes_of(raw)));
    auto cut = bytes_of(namespace_record());
    cut.pop_back();
    EXPECT_FALSE(decode_record(cut));
    raw = namespace_record();
    raw.header.length -= 8;
    EXPECT_FALSE(decode_record(bytes_of(raw)));
}

TEST(BpfEvents, TheEndOfANamespaceIsDecodedWholly) {
    portd_namespace_ended raw{};
    raw.header = {5'000'000'123, sizeof raw, PORTD_NAMESPACE_ENDED, 0, 0};
    raw.network_namespace = 4026532000;
    const auto event = decode_record(bytes_of(raw));
    ASSERT_TRUE(event);
    const auto &ended = std::get<NamespaceEnded>(*event);
    EXPECT_EQ(ended.network_namespace, 4026532000U);
    EXPECT_EQ(ended.at, model::instant_from_us(5'000'000));
    raw.header.length -= 8;
    EXPECT_FALSE(decode_record(bytes_of(raw)));
}

TEST(BpfEvents, AProcessIsNamedFromLeafToRoot) {
    const auto record = process_record("nginx\0sbin\0usr\0"sv, "nginx.service\0system.slice\0"sv,
                                       "nginx\0-g\0daemon off;\0"sv);
    const auto event = decode_record(record);
    ASSERT_TRUE(event);
    const auto &told = std::get<ImageTold>(*event);
    EXPECT_EQ(told.executable, "/usr/sbin/nginx");
    EXPECT_EQ(told.control_group, "/system.slice/nginx.service");
    EXPECT_THAT(told.arguments, ElementsAre("nginx", "-g", "daemon off;"));
    EXPECT_EQ(told.command, "nginx");
    EXPECT_EQ(told.uid, 33U);
    EXPECT_FALSE(told.login_uid);
    EXPECT_THAT(told.ancestors,
                ElementsAre(model::Ancestor{700, "nginx"}, model::Ancestor{1, "systemd"}));
}

TEST(BpfEvents, TheRootIsASlashAndAFileInMemoryHasOneName) {
    const auto event = decode_record(process_record("memfd:x\0"sv, ""sv, ""sv));
    ASSERT_TRUE(event);
    EXPECT_EQ(std::get<ImageTold>(*event).executable, "/memfd:x");
    EXPECT_EQ(std::get<ImageTold>(*event).control_group, "/");
    EXPECT_TRUE(std::get<ImageTold>(*event).arguments.empty());
}

TEST(BpfEvents, WhatWasCutIsNotKnown) {
    const auto event = decode_record(
        process_record(""sv, ""sv, ""sv, 1024, PORTD_PATH_CUT | PORTD_CONTROL_GROUP_CUT));
    ASSERT_TRUE(event);
    EXPECT_FALSE(std::get<ImageTold>(*event).executable);
    EXPECT_FALSE(std::get<ImageTold>(*event).control_group);
}

TEST(BpfEvents, RecordsThatContradictThemselvesAreNone) {
    auto raw = socket_record(PORTD_BOUND);
    raw.family = AF_UNIX;
    EXPECT_FALSE(decode_record(bytes_of(raw)));
    raw = socket_record(PORTD_BOUND);
    raw.protocol = 132;
    EXPECT_FALSE(decode_record(bytes_of(raw)));
    raw = socket_record(PORTD_BOUND);
    raw.header.kind = 99;
    EXPECT_FALSE(decode_record(bytes_of(raw)));
    raw = socket_record(PORTD_BOUND);
    raw.header.length = 8;
    EXPECT_FALSE(decode_record(bytes_of(raw)));
    auto process = process_record("nginx\0"sv, ""sv, ""sv);
    const std::uint16_t too_long = 5000;
    std::memcpy(process.data() + offsetof(portd_process_event, path_bytes), &too_long, 2);
    EXPECT_FALSE(decode_record(process));
    EXPECT_FALSE(decode_record({}));
}

RC_GTEST_PROP(BpfEvents, AnyBytesAreDecodedOrRefused, ()) {
    auto bytes = process_record("a\0"sv, "b\0"sv, "c\0"sv, 64);
    const auto flips = *rc::gen::inRange(1, 20);
    for (int i = 0; i < flips; ++i) {
        const auto place = *rc::gen::inRange<std::size_t>(0, bytes.size());
        bytes[place] = std::byte{*rc::gen::arbitrary<std::uint8_t>()};
    }
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    const auto length = record_length(bytes);
    RC_ASSERT(!length || *length <= bytes.size());
    decode_record(bytes);
}

} // namespace
} // namespace portd::capture
