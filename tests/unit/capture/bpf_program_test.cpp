#include "capture/bpf_program.hpp"

#include "capture/bpf_events.hpp"
#include "capture/namespace_ports.hpp"
#include "capture/ring_consumer.hpp"
#include "capture/sock_diag.hpp"
#include "system/fd.hpp"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace portd::capture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(MissingCapabilities, AreNamed) {
    EXPECT_THAT(missing_capabilities("Name:\tx\nCapEff:\t0000000000000000\n"),
                ElementsAre("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"));
    EXPECT_THAT(missing_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n"), IsEmpty());
    EXPECT_THAT(missing_capabilities("Name:\tx\nCapEff:\t000000c000001000\n"), IsEmpty());
    EXPECT_THAT(missing_capabilities("Name:\tx\nCapEff:\t0000008000001000\n"),
                ElementsAre("CAP_PERFMON"));
    EXPECT_THAT(missing_capabilities("Name:\tx\nCapEff:\t0000000000200000\n"),
                ElementsAre("CAP_NET_ADMIN"))
        << "CAP_SYS_ADMIN stands for the others";
}

TEST(ControlGroupMount, IsThatOfVersion2) {
    EXPECT_EQ(control_group_mount(
                  "25 30 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"),
              "/sys/fs/cgroup");
    EXPECT_EQ(control_group_mount(
                  "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                  "31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"),
              "/sys/fs/cgroup/unified");
    EXPECT_EQ(control_group_mount("31 25 0:27 /a/b /mnt rw - cgroup2 cgroup2 rw\n"), "")
        << "a part of the hierarchy is not its root";
    EXPECT_EQ(control_group_mount("rubbish\n - cgroup2\n"), "");
}

// The program itself, in the kernel that runs.
class Loaded : public testing::Test {
  protected:
    void SetUp() override {
        try {
            program_ = std::make_unique<BpfProgram>(model::PortPolicy{}, 1 << 20);
            ring_ = std::make_unique<RingConsumer>(program_->ring_fd(), program_->ring_bytes());
        } catch (const std::runtime_error &error) {
            GTEST_SKIP() << error.what();
        }
    }

    std::vector<SocketEvent> events_of(std::uint64_t cookie) {
        std::vector<SocketEvent> events;
        ring_->read([&](std::span<const std::byte> record) {
            const auto event = decode_record(record);
            ASSERT_TRUE(event);
            const auto *socket = std::get_if<SocketEvent>(&*event);
            if (socket && socket->key.value == cookie)
                events.push_back(*socket);
        });
        return events;
    }

    std::unique_ptr<BpfProgram> program_;
    std::unique_ptr<RingConsumer> ring_;
};

std::uint64_t cookie_of(const system::Fd &socket) {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
}

std::uint16_t bind_automatically(const system::Fd &socket) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr *>(&address), length), 0);
    getsockname(socket.get(), reinterpret_cast<sockaddr *>(&address), &length);
    return ntohs(address.sin_port);
}

TEST_F(Loaded, ABindAndACloseAreToldByTheProcessThatDidThem) {
    std::uint64_t cookie = 0;
    std::uint16_t port = 0;
    {
        const system::Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
        cookie = cookie_of(socket);
        port = bind_automatically(socket);
    }
    const auto events = events_of(cookie);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].kind, SocketEvent::Kind::bound);
    EXPECT_EQ(events[1].kind, SocketEvent::Kind::released);
    for (const auto &event : events) {
        EXPECT_EQ(event.local.port, port);
        ASSERT_TRUE(event.image);
        EXPECT_EQ(event.image->pid, static_cast<std::uint32_t>(getpid()));
    }
}

TEST_F(Loaded, ARefusedBindIsToldOnceByTheLook) {
    const system::Fd holder(::socket(AF_INET, SOCK_STREAM, 0));
    const system::Fd socket(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(bind_automatically(holder));
    const auto before = program_->bind_counts();
    ASSERT_NE(bind(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    EXPECT_GT(program_->bind_counts().begun, before.begun);
    EXPECT_GT(program_->tell_refused_binds(), 0U) << "it may be under way";
    std::vector<SocketEvent> events;
    for (int i = 0; i < 500 && events.empty(); ++i) {
        ::usleep(10'000);
        program_->tell_refused_binds();
        events = events_of(cookie_of(socket));
    }
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].kind, SocketEvent::Kind::bind_failed);
    EXPECT_EQ(events[0].local.port, ntohs(address.sin_port));
    ASSERT_TRUE(events[0].image);
    EXPECT_EQ(events[0].image->pid, static_cast<std::uint32_t>(getpid()));
    program_->tell_refused_binds();
    EXPECT_THAT(events_of(cookie_of(socket)), IsEmpty());
}

TEST_F(Loaded, TheIteratorsShowASocketAndWhoHoldsIt) {
    const system::Fd udp(::socket(AF_INET, SOCK_DGRAM, 0));
    const system::Fd tcp(::socket(AF_INET, SOCK_STREAM, 0));
    bind_automatically(udp);
    bind_automatically(tcp);
    ASSERT_EQ(listen(tcp.get(), 1), 0);
    using Table = BpfProgram::Table;
    using Rows = BpfProgram::Rows;
    const auto shows = [&](Table table, Rows rows, const system::Fd &socket, bool held) {
        bool found = false;
        std::uint32_t holder = 0;
        program_->read(table, rows, [&](std::span<const std::byte> rest) {
            while (const auto length = record_length(rest)) {
                const auto event = decode_record(rest.first(*length));
                ASSERT_TRUE(event);
                if (const auto *told = std::get_if<ImageTold>(&*event))
                    holder = told->image.pid;
                else if (std::holds_alternative<NamespaceTold>(*event))
                    ASSERT_EQ(table, Table::held);
                else if (const auto &row = std::get<SocketRow>(*event);
                         row.key.value == cookie_of(socket))
                    found = found || !held ||
                            (row.is_held && holder == static_cast<std::uint32_t>(getpid()));
                rest = rest.subspan(*length);
            }
            EXPECT_TRUE(rest.empty());
        });
        return found;
    };
    EXPECT_TRUE(shows(Table::udp, Rows::all, udp, false));
    EXPECT_TRUE(shows(Table::tcp, Rows::all, tcp, false));
    EXPECT_FALSE(shows(Table::udp, Rows::fileless, udp, false));
    EXPECT_FALSE(shows(Table::tcp, Rows::fileless, tcp, false));
    EXPECT_TRUE(shows(Table::held, Rows::all, udp, true));
    EXPECT_TRUE(shows(Table::held, Rows::all, tcp, true));
}

TEST_F(Loaded, EachReadingTellsTheSettingsOfANamespaceOnce) {
    const system::Fd udp(::socket(AF_INET, SOCK_DGRAM, 0));
    bind_automatically(udp);
    const auto own = own_network_namespace();
    for (int reading = 0; reading < 2; ++reading) {
        std::vector<model::NamespacePorts> told;
        program_->read(BpfProgram::Table::held, BpfProgram::Rows::all,
                       [&](std::span<const std::byte> rest) {
                           while (const auto length = record_length(rest)) {
                               const auto event = decode_record(rest.first(*length));
                               ASSERT_TRUE(event);
                               const auto *one = std::get_if<NamespaceTold>(&*event);
                               if (one && one->network_namespace == own)
                                   told.push_back(one->ports);
                               rest = rest.subspan(*length);
                           }
                       });
        EXPECT_THAT(told, ElementsAre(read_namespace_ports()));
    }
}

// Of a connection that nobody has accepted, no release tells.
TEST_F(Loaded, TheWitnessHearsOfEndsThatWereNotTold) {
    DestroyEvents witness;
    witness.filter(program_->destroyed_filter_fd());
    std::vector<std::uint64_t> told;
    std::uint16_t listening = 0;
    {
        const system::Fd udp(::socket(AF_INET, SOCK_DGRAM, 0));
        const system::Fd listener(::socket(AF_INET, SOCK_STREAM, 0));
        const system::Fd client(::socket(AF_INET, SOCK_STREAM, 0));
        bind_automatically(udp);
        listening = bind_automatically(listener);
        ASSERT_EQ(listen(listener.get(), 1), 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(listening);
        ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
        told = {cookie_of(udp), cookie_of(listener), cookie_of(client)};
    }
    bool heard = false;
    const auto meet = [&](const DiagSocket &socket) {
        EXPECT_THAT(told, testing::Not(testing::Contains(socket.cookie)));
        heard = heard || socket.local.port == listening;
    };
    for (int i = 0; i < 500 && !heard; ++i) { // a kernel thread sends them, a little later
        ::usleep(10'000);
        witness.read_all(meet);
    }
    EXPECT_TRUE(heard);
}

TEST_F(Loaded, TwoProgramsSideBySideSeeTheSame) {
    const BpfProgram second(model::PortPolicy{}, 1 << 20);
    RingConsumer second_ring(second.ring_fd(), second.ring_bytes());
    {
        const system::Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
        bind_automatically(socket);
    }
    second_ring.read([](std::span<const std::byte>) {});
    EXPECT_GE(second_ring.received(), 2U);
}

TEST_F(Loaded, WhatFindsNoRoomIsCounted) {
    for (int i = 0; i < 20'000; ++i) {
        const system::Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
        bind_automatically(socket);
    }
    ring_->read([](std::span<const std::byte>) {});
    const auto counters = program_->counters();
    EXPECT_GT(counters.ring_full, 0U);
    EXPECT_GE(counters.issued, 40'000U);
}

} // namespace
} // namespace portd::capture
