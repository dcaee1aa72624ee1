#include "capture/ebpf_snapshot.hpp"

#include "unit/capture/bpf_records.hpp"

#include <gmock/gmock.h>
#include <system_error>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t own = 4026531840; // as in socket_record()
constexpr std::uint32_t foreign = 4026532000;

model::Instant at(model::Duration since_boot) {
    return model::Instant{since_boot};
}

portd_socket_event row(std::uint64_t cookie, std::uint8_t flags = PORTD_HAS_IMAGE) {
    auto record = socket_record(PORTD_ROW);
    record.cookie = cookie;
    record.header.flags = flags;
    return record;
}

class Snapshot : public testing::Test {
  protected:
    void take(const std::vector<portd_socket_event> &tables,
              const std::vector<portd_socket_event> &held, model::Duration began = 10s,
              bool is_whole = true) {
        observed_.clear();
        const Sink sink = [this](const model::Observation &observation) {
            observed_.push_back(observation);
        };
        snapshot_.begin(joined(tables), joined(held), at(began), sink);
        snapshot_.finish(at(began + 5ms), is_whole, sink);
    }

    static Bytes joined(const std::vector<portd_socket_event> &records) {
        Bytes bytes;
        for (const auto &record : records) {
            const auto one = bytes_of(record);
            bytes.insert(bytes.end(), one.begin(), one.end());
        }
        return bytes;
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
};

TEST_F(Snapshot, ASocketInBothListsIsOneRowWithItsHolder) {
    take({row(1, 0)}, {row(1)});
    EXPECT_THAT(all<model::SocketSeen>(), SizeIs(1));
    ASSERT_THAT(all<model::HolderSeen>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderSeen>()[0].process->key.pid, 812);
    EXPECT_THAT(scopes_of(own), SizeIs(4));
    EXPECT_THAT(scopes_of(own), testing::Each(model::Scope::all));
}

TEST_F(Snapshot, SaysLessWhereNothingWasLost) {
    auto elsewhere = row(2);
    elsewhere.network_namespace = foreign;
    take({}, {elsewhere}, 10s, false);
    EXPECT_THAT(scopes_of(own), testing::Each(model::Scope::time_wait));
    EXPECT_THAT(scopes_of(foreign), testing::Each(model::Scope::nothing));
    take({}, {elsewhere}, 20s, true);
    EXPECT_THAT(scopes_of(foreign), testing::Each(model::Scope::held));
}

TEST_F(Snapshot, ANamespaceWhoseSocketsAreGoneIsLookedAtOnceMore) {
    auto elsewhere = row(2);
    elsewhere.network_namespace = foreign;
    take({}, {elsewhere});
    take({}, {}, 20s);
    EXPECT_THAT(scopes_of(foreign), SizeIs(4));
    take({}, {}, 30s);
    EXPECT_THAT(scopes_of(foreign), IsEmpty());
}

TEST_F(Snapshot, HoldersComeAndGoBetweenTwo) {
    auto heir = row(1);
    heir.image.pid = 900;
    take({}, {row(1), heir});
    EXPECT_THAT(all<model::HolderSeen>(), SizeIs(2));
    take({}, {heir}, 20s);
    EXPECT_THAT(all<model::HolderSeen>(), IsEmpty()) << "known";
    ASSERT_THAT(all<model::HolderGone>(), SizeIs(1));
    EXPECT_EQ(all<model::HolderGone>()[0].process.pid, 812);
    EXPECT_EQ(all<model::HolderGone>()[0].at, model::When::sampled(at(10s), at(20s + 5ms)));
    take({}, {}, 30s);
    EXPECT_THAT(all<model::HolderGone>(), IsEmpty()) << "the socket's own end tells";
}

TEST_F(Snapshot, ListenersAreToldBeforeConnections) {
    auto listener = row(1, 0);
    listener.peer_port = 0;
    listener.state = 10;
    take({row(2, 0), row(3, 0), listener, row(4, 0)}, {});
    ASSERT_THAT(all<model::SocketSeen>(), SizeIs(4));
    EXPECT_EQ(all<model::SocketSeen>()[0].key.value, 1U);
}

TEST_F(Snapshot, TheLockTellsWhoChoseThePort) {
    auto listener = row(1, PORTD_PORT_LOCKED);
    auto automatic = row(2, 0);
    listener.peer_port = automatic.peer_port = 0;
    take({listener, automatic, row(3, 0)}, {});
    for (const auto &seen : all<model::SocketSeen>()) {
        const auto expected = seen.key.value == 1   ? std::optional(PortChoice::explicit_)
                              : seen.key.value == 2 ? std::optional(PortChoice::automatic)
                                                    : std::nullopt;
        EXPECT_EQ(seen.port_choice, expected) << seen.key.value;
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

TEST_F(Snapshot, WhatCannotBeUnderstoodIsAFaultAndTellsNothing) {
    auto broken = joined({row(1)});
    broken.resize(broken.size() - 1);
    const Sink sink = [this](const model::Observation &observation) {
        observed_.push_back(observation);
    };
    EXPECT_THROW(snapshot_.begin(broken, {}, at(10s), sink), std::system_error);
    EXPECT_THAT(observed_, IsEmpty());
}

} // namespace
} // namespace portd::capture
