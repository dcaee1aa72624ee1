#include "capture/ebpf_snapshot.hpp"

#include "unit/capture/bpf_records.hpp"

#include <gmock/gmock.h>
#include <system_error>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr std::uint32_t own = 4026531840; // as in socket_record()
constexpr std::uint32_t foreign = 4026532000;

model::Instant at(model::Duration since_boot) {
    return model::Instant{since_boot};
}

portd_row row(std::uint64_t cookie, std::uint8_t flags = 0) {
    auto record = row_record();
    record.cookie = cookie;
    record.header.flags = flags;
    return record;
}

// What a process has.
struct Has {
    std::uint32_t pid;
    std::vector<portd_row> rows;
};

class Snapshot : public testing::Test {
  protected:
    void take(const std::vector<portd_row> &tables, const std::vector<Has> &held,
              model::Duration began = 10s, bool is_whole = true) {
        observed_.clear();
        snapshot_.begin();
        snapshot_.meet_tables(joined(tables));
        for (const auto &[pid, rows] : held) {
            snapshot_.meet_held(process(pid));
            auto its = rows;
            for (auto &row : its)
                row.header.flags |= PORTD_HAS_IMAGE;
            snapshot_.meet_held(joined(its));
        }
        snapshot_.start(at(began), sink_);
        snapshot_.finish(at(began + 5ms), is_whole, sink_);
    }

    static Bytes process(std::uint32_t pid) {
        auto bytes = process_record({}, {}, {});
        std::memcpy(bytes.data() + offsetof(portd_process_event, image.pid), &pid, sizeof pid);
        return bytes;
    }

    static Bytes joined(const std::vector<portd_row> &records) {
        Bytes bytes;
        for (const auto &record : records) {
            const auto one = bytes_of(record);
            bytes.insert(bytes.end(), one.begin(), one.end());
        }
        return bytes;
    }

    std::vector<std::uint64_t> seen() const {
        std::vector<std::uint64_t> cookies;
        for (const auto &row : all<model::SocketSeen>())
            cookies.push_back(row.key.value);
        return cookies;
    }

    template <typename Observation>
    std::vector<Observation> all() const {
        std::vector<Observation> found;
        for (const auto &observation : observed_)
            if (const auto *one = std::get_if<Observation>(&observation))
                found.push_back(*one);
        return found;
    }

    std::vector<model::Scope> scopes_of(std::uint32_t network_namespace) const {
        std::vector<model::Scope> scopes;
        for (const auto &finished : all<model::ScanFinished>())
            if (finished.table.network_namespace == network_namespace)
                scopes.push_back(finished.scope);
        return scopes;
    }

    ImageTable images_{ArgumentPolicy::off};
    EbpfEvents events_{images_};
    EbpfSnapshot snapshot_{images_, events_, own};
    std::vector<model::Observation> observed_;
    const Sink sink_ = [this](const model::Observation &observation) {
        observed_.push_back(observation);
    };
};

TEST_F(Snapshot, TellsWhoHoldsASocket) {
    take({row(2)}, {{812, {row(1)}}});
    EXPECT_THAT(seen(), UnorderedElementsAre(1U, 2U));
    ASSERT_THAT(all<model::HolderSeen>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderSeen>()[0].process->key.pid, 812);
    EXPECT_THAT(scopes_of(own), SizeIs(4));
    EXPECT_THAT(scopes_of(own), testing::Each(model::Scope::all));
}

TEST_F(Snapshot, SaysLessWhereNothingWasLost) {
    auto elsewhere = row(2);
    elsewhere.network_namespace = foreign;
    take({}, {{812, {elsewhere}}}, 10s, false);
    EXPECT_THAT(scopes_of(own), testing::Each(model::Scope::time_wait));
    EXPECT_THAT(scopes_of(foreign), testing::Each(model::Scope::nothing));
    take({}, {{812, {elsewhere}}}, 20s, true);
    EXPECT_THAT(scopes_of(foreign), testing::Each(model::Scope::held));
}

TEST_F(Snapshot, SaysThatNoNamespaceHasMoreWhereAllWasLookedAt) {
    take({}, {}, 10s, true);
    EXPECT_THAT(all<model::HeldScanned>(), SizeIs(1));
    take({}, {}, 20s, false);
    EXPECT_THAT(all<model::HeldScanned>(), IsEmpty());
}

TEST_F(Snapshot, WithANewHolderAllAreCounted) {
    take({}, {{812, {row(1), row(2)}}});
    EXPECT_THAT(all<model::HoldersCounted>(), IsEmpty()) << "everything is new";
    take({}, {{812, {row(1), row(2)}}, {900, {row(1)}}}, 20s, false);
    ASSERT_THAT(all<model::HoldersCounted>(), SizeIs(1));
    const auto counted = all<model::HoldersCounted>()[0];
    EXPECT_EQ(counted.key.value, 1U);
    EXPECT_THAT(counted.processes,
                UnorderedElementsAre(testing::Field(&model::ProcessKey::pid, 812),
                                     testing::Field(&model::ProcessKey::pid, 900)));
    EXPECT_EQ(counted.began, at(20s));
    EXPECT_EQ(counted.at, at(20s + 5ms));
}

TEST_F(Snapshot, HoldersComeAndGoBetweenTwo) {
    take({}, {{812, {row(1)}}, {900, {row(1)}}});
    EXPECT_THAT(all<model::HolderSeen>(), SizeIs(2));
    take({}, {{900, {row(1)}}}, 20s);
    EXPECT_THAT(all<model::HolderSeen>(), IsEmpty()) << "known";
    ASSERT_THAT(all<model::HolderGone>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderGone>()[0].process.pid, 812);
    EXPECT_EQ(all<model::HolderGone>()[0].at, model::When::sampled(at(10s), at(20s + 5ms)));
    take({}, {}, 30s);
    EXPECT_THAT(all<model::HolderGone>(), IsEmpty()) << "the socket's own end tells";
}

// Between exit_mm() and exit_files() of the kernel.
TEST_F(Snapshot, OfAProcessThatIsExitingEventsKnowMore) {
    snapshot_.begin();
    snapshot_.meet_held(process_record({}, {}, {}, 1024, PORTD_NO_MEMORY));
    snapshot_.meet_held(joined({row(1, PORTD_HAS_IMAGE)}));
    snapshot_.start(at(10s), sink_);
    const auto told = decode_record(process_record(std::string_view("nginx\0", 6), {}, {}));
    ASSERT_TRUE(told);
    events_.translate(*told, sink_);
    snapshot_.finish(at(10s + 5ms), true, sink_);
    ASSERT_THAT(all<model::HolderSeen>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderSeen>()[0].process->executable, "/nginx");
}

TEST_F(Snapshot, OfAProcessAmidAnExecNothingIsTaken) {
    snapshot_.begin();
    snapshot_.meet_held(
        process_record(std::string_view("successor\0", 10), {}, {}, 1024, PORTD_AMID_EXEC));
    snapshot_.meet_held(joined({row(1, PORTD_HAS_IMAGE)}));
    snapshot_.start(at(10s), sink_);
    snapshot_.finish(at(10s + 5ms), true, sink_);
    ASSERT_THAT(all<model::HolderSeen>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderSeen>()[0].process->executable, std::nullopt);
    EXPECT_EQ(all<model::HolderSeen>()[0].process->command, "");
    EXPECT_EQ(all<model::HolderSeen>()[0].process->key.pid, 812);
}

TEST_F(Snapshot, AProcessThatIsExitingIsNamedByItsCommandAtLeast) {
    snapshot_.begin();
    snapshot_.meet_held(process_record({}, {}, {}, 1024, PORTD_NO_MEMORY));
    snapshot_.meet_held(joined({row(1, PORTD_HAS_IMAGE)}));
    snapshot_.start(at(10s), sink_);
    snapshot_.finish(at(10s + 5ms), true, sink_);
    ASSERT_THAT(all<model::HolderSeen>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderSeen>()[0].process->command, "nginx");
}

TEST_F(Snapshot, ASocketThatLeftItsPortIsToldWithoutAHolder) {
    auto portless = row(1);
    portless.local_port = 0;
    for (const auto began : {10s, 20s, 30s}) {
        take({}, {{812, {portless, row(2)}}}, began, false);
        EXPECT_THAT(all<model::HolderSeen>(), SizeIs(began == 10s ? 1 : 0));
        ASSERT_FALSE(all<model::SocketSeen>().empty());
        EXPECT_EQ(all<model::SocketSeen>().back().key.value, 1U);
        EXPECT_EQ(all<model::SocketSeen>().back().local.port, 0);
    }
}

TEST_F(Snapshot, ListenersAreToldBeforeConnections) {
    auto listener = row(1);
    listener.peer_port = 0;
    listener.state = 10;
    take({row(2), row(3), listener, row(4)}, {});
    ASSERT_THAT(all<model::SocketSeen>(), SizeIs(4));
    EXPECT_EQ(all<model::SocketSeen>()[0].key.value, 1U);
}

TEST_F(Snapshot, TheLockTellsWhoChoseThePort) {
    auto listener = row(1, PORTD_PORT_LOCKED);
    auto automatic = row(2);
    listener.peer_port = automatic.peer_port = 0;
    take({listener, automatic, row(3)}, {});
    for (const auto &seen : all<model::SocketSeen>()) {
        const auto expected = seen.key.value == 1   ? std::optional(PortChoice::explicit_)
                              : seen.key.value == 2 ? std::optional(PortChoice::automatic)
                                                    : std::nullopt;
        EXPECT_EQ(seen.port_choice, expected) << seen.key.value;
    }
}

TEST_F(Snapshot, TellsInWhichCallTheKernelChoseThePort) {
    auto locked = row(1, PORTD_PORT_LOCKED);
    auto bound = row(2), listener = row(3), connection = row(4), datagram = row(6);
    locked.peer_port = bound.peer_port = listener.peer_port = datagram.peer_port = 0;
    locked.state = bound.state = 7;
    listener.state = 10;
    connection.connect_chose_port = 1;
    datagram.protocol = IPPROTO_UDP;
    datagram.state = 7;
    take({locked, bound, listener, connection, row(5), datagram}, {});
    ASSERT_THAT(all<model::SocketSeen>(), SizeIs(6));
    for (const auto &seen : all<model::SocketSeen>()) {
        const auto expected = seen.key.value == 2   ? std::optional(PortChosenBy::bind)
                              : seen.key.value == 4 ? std::optional(PortChosenBy::connect)
                                                    : std::nullopt;
        EXPECT_EQ(seen.port_chosen_by, expected) << seen.key.value;
        EXPECT_TRUE(!expected || seen.port_choice == PortChoice::automatic) << seen.key.value;
    }
}

TEST_F(Snapshot, TheKernelsSocketsAreTheKernels) {
    auto tunnel = row(1, PORTD_KERNEL_SOCKET);
    tunnel.protocol = IPPROTO_UDP;
    take({tunnel}, {});
    ASSERT_THAT(all<model::HolderSeen>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderSeen>()[0].process, ImageTable::kernel());
    EXPECT_TRUE(snapshot_.has_kernel_sockets());
    take({}, {}, 20s);
    EXPECT_TRUE(snapshot_.has_kernel_sockets()) << "one more look makes sure";
    take({}, {}, 30s);
    EXPECT_FALSE(snapshot_.has_kernel_sockets());
}

TEST_F(Snapshot, WhatIsAsItWasIsToldTwice) {
    const auto look = [&](std::vector<portd_row> rows, bool is_whole = false) {
        take({}, {{700, {row(8)}}, {812, std::move(rows)}, {900, {row(9)}}}, 10s, is_whole);
        return seen();
    };
    EXPECT_THAT(look({row(1), row(2)}), UnorderedElementsAre(1U, 2U, 8U, 9U));
    EXPECT_THAT(look({row(1), row(2)}), UnorderedElementsAre(1U, 2U, 8U, 9U));
    EXPECT_THAT(look({row(1), row(2)}), IsEmpty());
    auto closing = row(2);
    closing.state = 8;
    EXPECT_THAT(look({row(1), closing}), UnorderedElementsAre(2U)) << "a new state";
    EXPECT_THAT(look({row(3), row(1), closing}), UnorderedElementsAre(2U, 3U)) << "a new socket";
    EXPECT_THAT(all<model::HolderSeen>(), SizeIs(1));
    EXPECT_THAT(look({closing}), IsEmpty()) << "others were closed";
    EXPECT_THAT(all<model::HolderGone>(), IsEmpty());
    EXPECT_THAT(look({closing}, true), UnorderedElementsAre(2U, 8U, 9U)) << "after a loss";
}

TEST_F(Snapshot, TellsWhatOtherNamespacesSayOfTheirPortsAsLongAsTheyAreSeen) {
    const auto look = [&](std::vector<portd_namespace> namespaces) {
        snapshot_.begin();
        for (const auto &one : namespaces)
            snapshot_.meet_held(bytes_of(one));
        snapshot_.start(at(10s), sink_);
        snapshot_.finish(at(10s), true, sink_);
        return snapshot_.take_foreign_ports();
    };
    auto other = namespace_record();
    other.network_namespace = foreign;
    const auto known = look({namespace_record(), other});
    ASSERT_TRUE(known);
    ASSERT_THAT(*known, SizeIs(1)) << "the own one's are read in /proc";
    EXPECT_EQ(model::port_list_text(known->at(foreign).reserved), "40000-40001");
    EXPECT_FALSE(look({other})) << "as before";
    other.range_high = 50000;
    EXPECT_EQ(look({other})->at(foreign).local_range.high, 50000);
    for (std::size_t word = 0; word < 64; ++word)
        other.reserved_ports[word] = 0x5555555555555555;
    EXPECT_THAT(*look({other}), IsEmpty()) << "a list that is longer than any";
    EXPECT_FALSE(look({}));
}

TEST_F(Snapshot, WhatWasReadInVainChangesNothing) {
    take({}, {{812, {row(1)}}});
    snapshot_.begin();
    snapshot_.meet_held(process(900));
    take({}, {{812, {row(1)}}}, 20s);
    EXPECT_THAT(all<model::HolderSeen>(), IsEmpty());
    EXPECT_THAT(all<model::HolderGone>(), IsEmpty());
}

TEST_F(Snapshot, AProcessWithTwoDescriptorTablesHasWhatIsInEither) {
    take({}, {{812, {row(1)}}, {900, {row(3)}}, {812, {row(2)}}});
    EXPECT_THAT(all<model::HolderSeen>(), SizeIs(3));
    take({}, {{812, {row(1)}}, {900, {row(3), row(2)}}}, 20s);
    EXPECT_THAT(all<model::HolderSeen>(), SizeIs(1));
    ASSERT_THAT(all<model::HolderGone>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderGone>()[0].key.value, 2U);
}

TEST_F(Snapshot, WhatCannotBeUnderstoodIsAFault) {
    auto broken = joined({row(1)});
    broken.resize(broken.size() - 1);
    snapshot_.begin();
    EXPECT_THROW(snapshot_.meet_tables(broken), std::system_error);
    EXPECT_THROW(snapshot_.meet_held(joined({row(1)})), std::system_error) << "held by nobody";
    EXPECT_THROW(snapshot_.meet_tables(bytes_of(socket_record(PORTD_BOUND))), std::system_error);
}

} // namespace
} // namespace portd::capture
