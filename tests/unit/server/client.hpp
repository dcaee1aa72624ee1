// A plain blocking client, and a server in a thread, for tests of the two together.
#pragma once

#include "fake_backend.hpp"
#include "server/server.hpp"
#include "system/fd.hpp"
#include "temporary_directory.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <system_error>
#include <thread>
#include <utility>

namespace portd::server {

// Nothing here waits longer than this: a test that would hang fails instead.
inline constexpr int patience_s = 30;

class Client {
  public:
    explicit Client(const std::filesystem::path &path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const timeval patience{patience_s, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(fd_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
            throw std::system_error(errno, std::generic_category(), "connect");
    }

    // False if the server does not take it all.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0)
                return false;
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }
    bool send_message(std::string message) { return send(message += '\0'); }

    void end_sending() { ::shutdown(fd_.get(), SHUT_WR); }

    // The next message without its NUL, or nothing if the server closed the connection.
    std::optional<std::string> receive() {
        for (;;) {
            const std::size_t end = received_.find('\0', scanned_);
            if (end != std::string::npos) {
                std::string message = received_.substr(0, end);
                received_.erase(0, end + 1);
                scanned_ = 0;
                return message;
            }
            scanned_ = received_.size();
            if (!receive_some())
                return std::nullopt;
        }
    }
    // Takes what is there, at most 64 KiB; false if the server closed the connection.
    bool receive_some() {
        char buffer[65536];
        const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (count < 0 && errno == EAGAIN)
            throw std::runtime_error("the server does not answer");
        if (count <= 0)
            return false;
        received_.append(buffer, static_cast<std::size_t>(count));
        return true;
    }
    // The next message as JSON; null if there is none.
    nlohmann::json receive_json() {
        const auto message = receive();
        return message ? nlohmann::json::parse(*message) : nlohmann::json();
    }
    nlohmann::json call(const std::string &message) {
        return send_message(message) ? receive_json() : nlohmann::json();
    }

    // Whether the server closes the connection, without reading from it.
    bool is_dropped() {
        pollfd server{fd_.get(), 0, 0};
        return ::poll(&server, 1, patience_s * 1000) == 1 && (server.revents & POLLHUP) != 0;
    }

  private:
    system::Fd fd_;
    std::string received_;
    std::size_t scanned_ = 0;
};

class RunningServer {
  public:
    explicit RunningServer(const Limits &limits = {})
        : listener_(listen(path_)), server_(listener_, history, daemon, limits) {}
    ~RunningServer() { stop(); }

    // Set up history and daemon before.
    void start() {
        thread_ = std::thread([this] { server_.run(); });
    }
    void tell_news() { server_.tell_news(); }
    void stop() {
        server_.stop();
        if (thread_.joinable())
            thread_.join();
    }
    Client connect() const { return Client(path_); }

    FakeHistory history;
    FakeDaemon daemon;

  private:
    TemporaryDirectory directory_;
    const std::filesystem::path path_ = directory_.path() / "socket";
    Listener listener_;
    Server server_;
    std::thread thread_;
};

} // namespace portd::server
