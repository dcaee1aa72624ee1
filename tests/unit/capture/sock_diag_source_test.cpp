// The sock_diag tier against the kernel: real sockets on loopback, in this network namespace.
#include "capture/sock_diag_source.hpp"

#include "capture/namespace_ports.hpp"
#include "system/clock.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <memory>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;

class Socket {
  public:
    explicit Socket(int type, int family = AF_INET)
        : fd_(::socket(family, type | SOCK_CLOEXEC, 0)) {}
    int get() const { return fd_.get(); }
    void bind_loopback() {
        sockaddr_in address = loopback(0);
        ASSERT_EQ(::bind(get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    }
    void connect_to(std::uint16_t port) {
        sockaddr_in address = loopback(port);
        ASSERT_EQ(::connect(get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    }
    std::uint16_t port() const {
        sockaddr_in address{};
        socklen_t length = sizeof address;
        getsockname(get(), reinterpret_cast<sockaddr *>(&address), &length);
        return ntohs(address.sin_port);
    }
    std::uint64_t cookie() const {
        std::uint64_t cookie = 0;
        socklen_t length = sizeof cookie;
        getsockopt(get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
        return cookie;
    }
    void close() { fd_.reset(); }

  private:
    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }
    system::Fd fd_;
};

class SockDiag : public testing::Test {
  protected:
    void SetUp() override {
        try {
            source_ = std::make_unique<SockDiagSource>(
                [](std::uint16_t) { return true; }, Attribution(ArgumentPolicy::redacted), clock_);
        } catch (const std::system_error &error) {
            GTEST_SKIP() << "no sock_diag here: " << error.what();
        }
    }

    void sample() {
        observations_.clear();
        const auto sample =
            source_->sample([this](const model::Observation &o) { observations_.push_back(o); });
        ASSERT_EQ(sample.failure, "");
    }
    // Destroy events come from a kernel thread, a little later.
    void read_events_until(std::uint64_t cookie) {
        observations_.clear();
        for (int i = 0; i < 200 && !find<model::SocketDestroyed>(cookie); ++i) {
            std::this_thread::sleep_for(5ms);
            source_->read_events(Promptness::prompt, [this](const model::Observation &o) {
                observations_.push_back(o);
            });
        }
    }
    template <typename Fact>
    const Fact *find(std::uint64_t cookie) const {
        for (const auto &observation : observations_)
            if (const auto *fact = std::get_if<Fact>(&observation))
                if (fact->key.value == cookie)
                    return fact;
        return nullptr;
    }

    system::SystemClock clock_;
    std::unique_ptr<SockDiagSource> source_;
    std::vector<model::Observation> observations_;
};

TEST_F(SockDiag, ASampleShowsSocketsWithTheirCookieAndHolder) {
    Socket listener(SOCK_STREAM);
    listener.bind_loopback();
    ASSERT_EQ(listen(listener.get(), 1), 0);
    Socket datagram(SOCK_DGRAM);
    datagram.bind_loopback();
    sample();
    const auto *seen = find<model::SocketSeen>(listener.cookie());
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->local.port, listener.port());
    EXPECT_EQ(seen->state, model::SocketState::listen);
    EXPECT_EQ(seen->uid, getuid());
    EXPECT_EQ(seen->key.network_namespace, own_network_namespace());
    for (const auto *socket : {&listener, &datagram}) {
        const auto *holder = find<model::HolderSeen>(socket->cookie());
        ASSERT_NE(holder, nullptr);
        EXPECT_EQ(holder->process->key.pid, getpid());
    }
}

TEST_F(SockDiag, AScanOfEachTableIsComplete) {
    sample();
    int started = 0;
    int complete = 0;
    for (const auto &observation : observations_) {
        started += std::holds_alternative<model::ScanStarted>(observation) ? 1 : 0;
        if (const auto *finished = std::get_if<model::ScanFinished>(&observation))
            complete += finished->scope == model::Scope::all ? 1 : 0;
    }
    EXPECT_EQ(started, 4);
    EXPECT_EQ(complete, 4);
}

TEST_F(SockDiag, ADestroyedConnectionTellsItsTuplePayloadAndInstant) {
    Socket listener(SOCK_STREAM);
    listener.bind_loopback();
    ASSERT_EQ(listen(listener.get(), 1), 0);
    Socket client(SOCK_STREAM);
    client.connect_to(listener.port());
    const system::Fd accepted(accept(listener.get(), nullptr, nullptr));
    ASSERT_EQ(write(client.get(), "hello", 5), 5);
    char buffer[8];
    ASSERT_EQ(read(accepted.get(), buffer, sizeof buffer), 5);
    ASSERT_EQ(write(accepted.get(), "hi", 2), 2);
    ASSERT_EQ(read(client.get(), buffer, sizeof buffer), 2);

    const auto cookie = client.cookie();
    const auto port = client.port();
    const auto before = clock_.now();
    client.close();
    shutdown(accepted.get(), SHUT_RDWR);
    read_events_until(cookie);
    const auto *destroyed = find<model::SocketDestroyed>(cookie);
    ASSERT_NE(destroyed, nullptr);
    EXPECT_EQ(destroyed->local.port, port);
    EXPECT_EQ(destroyed->peer.port, listener.port());
    ASSERT_TRUE(destroyed->tcp);
    EXPECT_TRUE(destroyed->tcp->established);
    EXPECT_EQ(destroyed->tcp->bytes_sent, 5u);
    // The kernel counts the end of the peer's stream as one, if it came in time.
    EXPECT_GE(destroyed->tcp->bytes_received, 2u);
    EXPECT_LE(destroyed->tcp->bytes_received, 3u);
    EXPECT_EQ(destroyed->at.provenance, Provenance::observed);
    EXPECT_GE(*destroyed->at.latest, before);
    EXPECT_LE(*destroyed->at.latest, clock_.now());
}

TEST_F(SockDiag, AnEventFoundAfterOtherWorkHasTwoBounds) {
    source_->read_events(Promptness::prompt, [](const model::Observation &) {});
    const auto before = clock_.now();
    Socket datagram(SOCK_DGRAM);
    datagram.bind_loopback();
    const auto cookie = datagram.cookie();
    datagram.close();
    std::this_thread::sleep_for(50ms);
    source_->read_events(Promptness::after_work,
                         [this](const model::Observation &o) { observations_.push_back(o); });
    const auto *destroyed = find<model::SocketDestroyed>(cookie);
    ASSERT_NE(destroyed, nullptr);
    EXPECT_EQ(destroyed->at.provenance, Provenance::sampled);
    EXPECT_LE(*destroyed->at.earliest, before);
    EXPECT_GE(*destroyed->at.latest, before + 50ms);
}

TEST_F(SockDiag, PortsThatAreNotRecordedNeverLeaveTheSource) {
    Socket wanted(SOCK_DGRAM);
    wanted.bind_loopback();
    Socket other(SOCK_DGRAM);
    other.bind_loopback();
    const auto port = wanted.port();
    SockDiagSource source([port](std::uint16_t p) { return p == port; },
                          Attribution(ArgumentPolicy::redacted), clock_);
    source.sample([this](const model::Observation &o) { observations_.push_back(o); });
    EXPECT_NE(find<model::SocketSeen>(wanted.cookie()), nullptr);
    EXPECT_EQ(find<model::SocketSeen>(other.cookie()), nullptr);
}

TEST_F(SockDiag, AFullQueueIsALossWithItsBounds) {
    constexpr std::size_t sockets = 3000; // more than a queue of 64 KiB holds
    constexpr int queue_bytes = 64 * 1024;
    for (const int fd : source_->descriptors())
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue_bytes, sizeof queue_bytes);
    for (std::size_t i = 0; i < sockets; ++i) {
        Socket datagram(SOCK_DGRAM);
        datagram.bind_loopback();
    }
    std::this_thread::sleep_for(200ms);
    std::size_t destroyed = 0;
    source_->read_events(Promptness::after_work, [&](const model::Observation &o) {
        destroyed += std::holds_alternative<model::SocketDestroyed>(o) ? 1u : 0u;
    });
    const auto losses = source_->take_losses();
    ASSERT_FALSE(losses.empty());
    EXPECT_EQ(losses.front().cause, "overflow");
    EXPECT_LT(losses.front().since, losses.front().until);
    EXPECT_LT(destroyed, sockets);
    EXPECT_TRUE(source_->take_losses().empty());
}

} // namespace
} // namespace portd::capture
